"""POST /v1/responses/compact: a long conversation made short, by a summary that a model writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from adapters.base import Event, Json, Text, Usage
from adapters.wire.writing import dumps
from proxy.doors.door import Call, InOnePiece, Opening
from proxy.doors.openai import OpenAIErrors
from proxy.doors.reading.body import parse_json
from proxy.doors.responses.items import ASKED, compaction, kind_of
from proxy.doors.responses.listing import listed
from proxy.doors.responses.local import Keeping
from proxy.doors.responses.objects import new_id, usage_object
from proxy.doors.responses.read import Parsed, parse_request
from proxy.doors.writing.whole import JSON_TYPE
from proxy.reply import Header

TAKEN = ("model", "input", "previous_response_id", "instructions", "service_tier", "pointsman")


class CompactDoor(InOnePiece, Keeping, OpenAIErrors):
    """POST /v1/responses/compact."""

    def read(self, call: Call) -> Parsed:
        """What the conversation has, and behind it that it be summarized."""
        given = parse_json(call.body)
        kept = self._kept.of(call.app)
        data = {name: given[name] for name in TAKEN if name in given}
        asked = parse_request(data, kept, app=call.app)
        if previous := asked.echo.previous_response_id:
            asked = replace(asked, given=[*kept.history(previous), *asked.given])
        messages = [*asked.request.messages, {"role": "user", "content": ASKED}]
        return replace(asked, request=replace(asked.request, messages=messages))

    def fold(self, asked: Parsed, opening: Opening) -> CompactFold:
        return CompactFold(asked.given, int(opening.now_s))


class CompactFold(Struct):
    """Events in, one `response.compaction` out: what the user said, and the summary, sealed."""

    given: Sequence[Json]
    created_at: int
    text: str = ""
    usage: Usage = Usage()

    @property
    def headers(self) -> Sequence[Header]:
        return (JSON_TYPE,)

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            if type(event) is Text:
                self.text += event.text
            elif type(event) is Usage:
                self.usage = event

    def cut(self) -> bool:
        return False

    def end(self) -> bytes:
        said = [listed(item) for item in self.given if _is_users(item)]
        return dumps(
            {
                "id": new_id("resp"),
                "object": "response.compaction",
                "created_at": self.created_at,
                "output": [*said, compaction(self.text)],
                "usage": usage_object(self.usage),
            }
        )


def _is_users(item: Json) -> bool:
    return kind_of(item) == "message" and item.get("role") == "user"
