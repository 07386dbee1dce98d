"""OpenAI's Responses."""

from __future__ import annotations

from adapters.base import Json
from proxy.doors.door import Call, Opening
from proxy.doors.frames.sse import named_sse
from proxy.doors.openai import DONE
from proxy.doors.reading.body import parse_json
from proxy.doors.responses.in_memory import sized
from proxy.doors.responses.local import Keeping
from proxy.doors.responses.read import Parsed, parse_request
from proxy.doors.responses.write import Answer, ResponseStream, error_members
from proxy.doors.writing.blocks import BlockFold
from proxy.errors import ApiError


class ResponsesDoor(Keeping):
    """POST /v1/responses."""

    def read(self, call: Call) -> Parsed:
        kept = self._kept.of(call.app)
        return parse_request(parse_json(call.body), kept, app=call.app)

    def stream(self, asked: Parsed, opening: Opening) -> ResponseStream:
        return ResponseStream(self._answer(asked, opening))

    def fold(self, asked: Parsed, opening: Opening) -> BlockFold:
        return BlockFold(self._answer(asked, opening))

    def cut(self, error: ApiError) -> bytes:
        """An error event, where nobody knows how far the stream has come."""
        return named_sse("error", {"type": "error", **error_members(error)}) + DONE

    def _answer(self, asked: Parsed, opening: Opening) -> Answer:
        def keep(response: Json) -> None:
            size = asked.size + sized(response)
            own = self._kept.of(asked.app)
            own.put(asked.echo.get("previous_response_id"), asked.given, response, size)
            if (talk := asked.echo.get("conversation")) is not None:
                own.go_on(talk["id"], [*asked.given, *response["output"]], size)

        return Answer(asked, int(opening.now_s), keep if asked.echo.get("store") else None)
