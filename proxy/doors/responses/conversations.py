"""Conversations that are kept by ids of their own: answered without a provider. No I/O."""

from __future__ import annotations

from typing import Any

from adapters.base import Json
from adapters.wire.aside import aside, weight_of
from proxy.doors.door import Call
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.checks import json_list, json_object
from proxy.doors.responses.in_memory import OwnTurns, Talk, as_items, sized
from proxy.doors.responses.items import Conversation, not_found
from proxy.doors.responses.listing import items_list, listed, page
from proxy.doors.responses.local import Kept
from proxy.doors.responses.read import metadata
from proxy.doors.responses.tools import Toolbox
from proxy.doors.writing.whole import json_reply
from proxy.errors import bad_request
from proxy.reply import Reply


class _Desk(Kept):
    """A desk for conversations."""

    name = "conversations"

    def _own(self, call: Call) -> OwnTurns:
        return self._kept.of(call.app)

    async def _talk(self, call: Call) -> Talk:
        name = call.params["conversation_id"]
        await self._kept.bring(call.app, [name])
        return self._own(call).talk(name)


class NewConversation(_Desk):
    """POST /v1/conversations."""

    async def answer(self, call: Call) -> Reply:
        own = self._own(call)
        data, items, size = await _told(call) if call.body.strip() else ({}, [], 0)
        if not own.is_on:
            raise bad_request(
                "Nothing is kept here: POINTSMAN_RESPONSES_STORE is off.",
                code="unsupported_parameter",
            )
        return json_reply(_object(own.begin(_metadata(data), items, size)))


class KeptConversation(_Desk):
    """GET, POST and DELETE /v1/conversations/{conversation_id}."""

    async def answer(self, call: Call) -> Reply:
        talk = await self._talk(call)
        if call.method == "DELETE":
            self._own(call).forget(talk.id)
            await self._kept.settled()
            return json_reply({"id": talk.id, "object": "conversation.deleted", "deleted": True})
        if call.method == "POST":
            data = await aside(weight_of(call.body), parse_json, call.body)
            if data.get("metadata") is None:
                raise bad_request("You must provide 'metadata'.", param="metadata")
            talk = self._own(call).go_on(talk.id, metadata=_metadata(data)) or talk
        return json_reply(_object(talk))


class ConversationItems(_Desk):
    """GET and POST /v1/conversations/{conversation_id}/items."""

    async def answer(self, call: Call) -> Reply:
        talk = await self._talk(call)
        if call.method != "POST":
            return await aside(talk.size, json_reply, page(talk.items.values(), call.parameters()))
        _, items, size = await _told(call)
        if not items:
            raise bad_request("You must provide 'items'.", param="items")
        self._own(call).go_on(talk.id, items, size)
        return await aside(size, json_reply, items_list(items))


class ConversationItem(_Desk):
    """GET and DELETE /v1/conversations/{conversation_id}/items/{item_id}."""

    async def answer(self, call: Call) -> Reply:
        talk, name = await self._talk(call), call.params["item_id"]
        if name not in talk.items:
            raise not_found(name)
        if call.method != "DELETE":
            return await aside(talk.size, json_reply, listed(talk.items[name]))
        self._own(call).take_out(talk.id, name)
        await self._kept.settled()
        return json_reply(_object(talk))


async def _told(call: Call) -> tuple[Json, list[Json], int]:
    """The body, the items in it, and about how much memory those take. Raises ApiError."""
    return await aside(weight_of(call.body), _read, call.body)


def _read(body: bytes | bytearray) -> tuple[Json, list[Json], int]:
    data = parse_json(body)
    items = _items(data.get("items"))
    return data, items, sized(items)


def _items(value: Any) -> list[Json]:
    """Items that can be said later: of a known type, and their parts as well. Raises ApiError."""
    given = json_list("items", value if value is not None else [])
    items = as_items([json_object(f"items[{i}]", item) for i, item in enumerate(given)])
    results = [str(item.get("call_id") or item["id"]) for item in items]
    Conversation(Toolbox(), calls=results).add("items", items)
    return items


def _metadata(data: Json) -> Json:
    given = data.get("metadata")
    return metadata("metadata", given) if given is not None else {}


def _object(talk: Talk) -> Json:
    return {
        "id": talk.id,
        "object": "conversation",
        "created_at": talk.created_at,
        "metadata": talk.metadata,
    }
