"""What is asked of responses that are kept, and of none: answered without a provider. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl

import orjson

from adapters.base import Json
from proxy.doors.door import Call
from proxy.doors.openai import JSON_TYPE, OpenAIErrors, parse_json
from proxy.doors.responses.items import kind_of
from proxy.doors.responses.read import parse_request
from proxy.doors.responses.turns import Turn, Turns, response_not_found
from proxy.errors import bad_request
from proxy.reply import Reply
from proxy.routing.operations import CHAT

MAX_PAGE = 100


class _Desk(OpenAIErrors):
    """A desk of the door of Responses."""

    name = "responses"

    def __init__(self, kept: Turns) -> None:
        self._kept = kept

    def _turn(self, call: Call) -> Turn:
        name = call.params["response_id"]
        if (turn := self._kept.of(call.app).turn(name)) is None:
            raise response_not_found(name)
        return turn


class InputTokens(_Desk):
    """POST /v1/responses/input_tokens: about how many, as nobody is asked for it."""

    async def answer(self, call: Call) -> Reply:
        """The count of a request that is checked as if it were one for an answer."""
        asked = parse_request(parse_json(call.body), self._kept.of(call.app))
        count, _ = CHAT.tokens(asked.request)
        return _reply({"object": "response.input_tokens", "input_tokens": count})


class KeptResponse(_Desk):
    """GET and DELETE /v1/responses/{response_id}."""

    async def answer(self, call: Call) -> Reply:
        """The response, or that it is gone."""
        response = self._turn(call).response
        if call.method != "DELETE":
            return _reply(response)
        self._kept.of(call.app).forget(response["id"])
        return _reply({"id": response["id"], "object": "response", "deleted": True})


class InputItems(_Desk):
    """GET /v1/responses/{response_id}/input_items."""

    async def answer(self, call: Call) -> Reply:
        """A page of what a response was asked, the newest first unless told otherwise."""
        turn = self._turn(call)
        before = self._kept.of(call.app).history(turn.previous) if turn.previous else []
        query = dict(parse_qsl(call.query.decode("latin-1")))
        found = [*before, *turn.given]
        if query.get("order", "desc") != "asc":
            found.reverse()
        if after := query.get("after"):
            ids = [item["id"] for item in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        limit = query.get("limit", "20")
        if not (
            limit.isascii() and limit.isdecimal() and len(limit) < 4 and 1 <= int(limit) <= MAX_PAGE
        ):
            raise bad_request(f"'limit' must be between 1 and {MAX_PAGE}.", param="limit")
        page = [_listed(item) for item in found[: int(limit)]]
        return _reply(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(found) > len(page),
            }
        )


def _listed(item: Json) -> Json:
    """An item as lists have it: the short form of a message stands there in its long one."""
    if kind_of(item) != "message":
        return item
    content = item.get("content")
    if isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        content = [{"type": part, "text": content}]
    return {"status": "completed", **item, "type": "message", "content": content}


def _reply(value: Json) -> Reply:
    return Reply(200, (JSON_TYPE,), orjson.dumps(value))
