"""OpenAI's chat completions."""

from __future__ import annotations

from msgspec.structs import replace

from proxy.doors.chat.read import Parsed, parse_request
from proxy.doors.chat.write import ChunkStream, Fold
from proxy.doors.door import Call, Opening
from proxy.doors.openai import EXTENDED, OpenAIErrors, body_of, new_head


class ChatDoor(OpenAIErrors):
    """POST /v1/chat/completions."""

    name = "chat"

    def read(self, call: Call) -> Parsed:
        asked = parse_request(body_of(call))
        return replace(asked, is_extended=True) if call.path.startswith(EXTENDED) else asked

    def stream(self, asked: Parsed, opening: Opening) -> ChunkStream:
        head = new_head(model=asked.request.model, now_s=opening.now_s)
        return ChunkStream(
            head,
            include_usage=asked.include_usage,
            legacy_functions=asked.legacy_functions,
            custom=asked.custom,
            extended_by=opening.request_id if asked.is_extended else None,
        )

    def fold(self, asked: Parsed, opening: Opening) -> Fold:
        head = new_head(model=asked.request.model, now_s=opening.now_s)
        return Fold(head, legacy_functions=asked.legacy_functions, custom=asked.custom)
