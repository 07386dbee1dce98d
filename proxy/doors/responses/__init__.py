"""OpenAI's Responses."""

from __future__ import annotations

from adapters.base import Json
from proxy.doors.door import Call, Opening
from proxy.doors.frames.sse import named_sse
from proxy.doors.openai import DONE, OpenAIErrors
from proxy.doors.reading.body import parse_json
from proxy.doors.responses.local import Keeping
from proxy.doors.responses.objects import new_id
from proxy.doors.responses.read import Parsed, parse_request
from proxy.doors.responses.tools import Toolbox
from proxy.doors.responses.turns import sized
from proxy.doors.responses.write import Form, ResponseFold, ResponseStream, error_members
from proxy.errors import ApiError


class ResponsesDoor(Keeping, OpenAIErrors):
    """POST /v1/responses."""

    def read(self, call: Call) -> Parsed:
        kept = self._kept.of(call.app)
        return parse_request(parse_json(call.body), kept, app=call.app)

    def stream(self, asked: Parsed, opening: Opening) -> ResponseStream:
        return ResponseStream(self._form(asked, opening))

    def fold(self, asked: Parsed, opening: Opening) -> ResponseFold:
        return ResponseFold(self._form(asked, opening))

    def cut(self, error: ApiError) -> bytes:
        """An error event, where nobody knows how far the stream has come."""
        return named_sse("error", {"type": "error", **error_members(error)}) + DONE

    def _form(self, asked: Parsed, opening: Opening) -> Form:
        def keep(response: Json) -> None:
            size = sized(asked.given) + sized(response)
            own = self._kept.of(asked.app)
            own.put(asked.echo.previous_response_id, asked.given, response, size)
            if (talk := asked.echo.conversation) is not None:
                own.go_on_if_kept(talk["id"], [*asked.given, *response["output"]])

        return Form(
            echo=asked.echo,
            box=asked.box or Toolbox(),
            response_id=new_id("resp"),
            model=asked.request.model,
            created_at=int(opening.now_s),
            seals=asked.seals,
            compacts=asked.compacts,
            keep=keep if asked.echo.store else None,
        )
