"""What is asked of responses that are kept, and of none: answered without a provider. No I/O."""

from __future__ import annotations

from adapters.wire.aside import aside, weight_of
from proxy.doors.door import Call
from proxy.doors.openai import OpenAIErrors
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.tokens import counted
from proxy.doors.responses.in_memory import NOBODY, Turn, Turns, named_in, response_not_found
from proxy.doors.responses.listing import page
from proxy.doors.responses.read import parse_request
from proxy.doors.writing.whole import json_reply
from proxy.errors import ApiError, bad_request
from proxy.reply import Reply
from proxy.routing.counting import Count, nobody_counts


class Kept(OpenAIErrors):
    """A door, or a desk, of what is kept."""

    name = "responses"

    def __init__(self, kept: Turns) -> None:
        self._kept = kept

    async def _turn(self, call: Call) -> Turn:
        name = call.params["response_id"]
        await self._kept.bring(call.app, [name])
        if (turn := self._kept.of(call.app).turn(name)) is None:
            raise response_not_found(name)
        return turn


class Keeping(Kept):
    """One that goes on from what is kept; brings it from the disk where it is."""

    def __init__(self, kept: Turns) -> None:
        super().__init__(kept)
        self.prepare = self._prepare if kept.keeper is not NOBODY else None

    async def _prepare(self, call: Call) -> None:
        names, items = await aside(weight_of(call.body), named_in, call.body)
        await self._kept.bring(call.app, names, items)


class InputTokens(Keeping):
    """POST /v1/responses/input_tokens: as many as who would answer says, else about how many."""

    def __init__(self, kept: Turns, count: Count = nobody_counts) -> None:
        super().__init__(kept)
        self._count = count

    async def answer(self, call: Call) -> Reply:
        count = await counted(
            self._count,
            call.app,
            call.body,
            lambda: parse_request(parse_json(call.body), self._kept.of(call.app)).request,
        )
        return json_reply({"object": "response.input_tokens", "input_tokens": count})


class KeptResponse(Kept):
    """GET and DELETE /v1/responses/{response_id}."""

    async def answer(self, call: Call) -> Reply:
        turn = await self._turn(call)
        response = turn.response
        if call.method != "DELETE":
            if call.parameters().get("stream") == "true":
                raise made_at_once("Its stream cannot be played again", param="stream")
            return await aside(turn.size, json_reply, response)
        self._kept.of(call.app).forget(response["id"])
        await self._kept.settled()
        return json_reply({"id": response["id"], "object": "response", "deleted": True})


class Cancelled(Kept):
    """POST /v1/responses/{response_id}/cancel."""

    async def answer(self, call: Call) -> Reply:
        await self._turn(call)
        raise made_at_once("It cannot be cancelled")


def made_at_once(what: str, param: str | None = None) -> ApiError:
    """400 for what only makes sense where a response is made in the background."""
    return bad_request(f"{what}: no response is made in the background here.", param=param)


class InputItems(Kept):
    """GET /v1/responses/{response_id}/input_items."""

    async def answer(self, call: Call) -> Reply:
        turn = await self._turn(call)
        own, size, before = self._kept.of(call.app), turn.size, []
        if turn.previous:
            before, size = own.history(turn.previous), size + own.size_of_history(turn.previous)
        return await aside(size, json_reply, page([*before, *turn.given], call.parameters()))
