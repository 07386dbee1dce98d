"""POST /v1/responses/compact: a long conversation made short, by a summary that a model writes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from adapters.base import Json, Text, Usage
from adapters.wire.writing import dumps
from proxy.doors.door import Call, InOnePiece, Opening
from proxy.doors.reading.body import parse_json
from proxy.doors.responses.items import ASKED, compaction, kind_of
from proxy.doors.responses.listing import listed
from proxy.doors.responses.local import Keeping
from proxy.doors.responses.objects import new_id, usage_object
from proxy.doors.responses.read import Parsed, parse_request
from proxy.doors.writing.whole import Whole, last

TAKEN = ("model", "input", "previous_response_id", "instructions", "service_tier", "pointsman")


class CompactDoor(InOnePiece, Keeping):
    """POST /v1/responses/compact."""

    def read(self, call: Call) -> Parsed:
        """What the conversation has, and behind it that it be summarized."""
        given = parse_json(call.body)
        kept = self._kept.of(call.app)
        data = {name: given[name] for name in TAKEN if name in given}
        asked = parse_request(data, kept, app=call.app)
        if previous := asked.echo.get("previous_response_id"):
            asked = replace(asked, given=[*kept.history(previous), *asked.given])
        messages = [*asked.request.messages, {"role": "user", "content": ASKED}]
        return replace(asked, request=replace(asked.request, messages=messages))

    def fold(self, asked: Parsed, opening: Opening) -> Whole:
        return Whole(partial(_compacted, given=asked.given, created_at=int(opening.now_s)))


def _compacted(events: Sequence[Any], *, given: Sequence[Json], created_at: int) -> bytes:
    """What the user said, and the summary, sealed."""
    said = [listed(item) for item in given if _is_users(item)]
    summary = "".join(event.text for event in events if type(event) is Text)
    return dumps(
        {
            "id": new_id("resp"),
            "object": "response.compaction",
            "created_at": created_at,
            "output": [*said, compaction(summary)],
            "usage": usage_object(last(Usage, events) or Usage()),
        }
    )


def _is_users(item: Json) -> bool:
    return kind_of(item) == "message" and item.get("role") == "user"
