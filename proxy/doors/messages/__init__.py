"""Anthropic's Messages."""

from __future__ import annotations

from adapters.base import Finish
from proxy.doors.door import Call, Opening
from proxy.doors.frames.sse import HEADERS
from proxy.doors.messages.errors import AnthropicErrors
from proxy.doors.messages.output import Answer
from proxy.doors.messages.read import OF_A_PICTURE, Parsed, parse_request
from proxy.doors.messages.write import MessageStream
from proxy.doors.reading.body import parse_json
from proxy.doors.reading.tokens import counted
from proxy.doors.writing.blocks import BlockFold
from proxy.doors.writing.whole import json_reply
from proxy.reply import Reply
from proxy.routing.counting import Count, nobody_counts


class MessagesDoor(AnthropicErrors):
    """POST /v1/messages."""

    name = "messages"

    def read(self, call: Call) -> Parsed | Reply:
        """The request; the answer to one that only warms a cache."""
        data = parse_json(call.body)
        asked = parse_request(data)
        return self._nothing(asked) if data["max_tokens"] == 0 else asked

    def stream(self, asked: Parsed, opening: Opening) -> MessageStream:
        return MessageStream(Answer(asked), opening.request_id)

    def fold(self, asked: Parsed, opening: Opening) -> BlockFold:
        return BlockFold(Answer(asked))

    def _nothing(self, asked: Parsed) -> Reply:
        cut = [Finish("length")]
        if asked.stream:
            stream = MessageStream(Answer(asked), "")
            return Reply(200, HEADERS, stream.feed(cut) + stream.end())
        fold = BlockFold(Answer(asked))
        fold.feed(cut)
        return Reply(200, fold.headers, fold.end())


class CountTokens(AnthropicErrors):
    """POST /v1/messages/count_tokens: as many as who would answer says, else about how many."""

    name = "messages"

    def __init__(self, count: Count = nobody_counts) -> None:
        self._count = count

    async def answer(self, call: Call) -> Reply:
        count = await counted(
            self._count,
            call.app,
            call.body,
            lambda: parse_request(parse_json(call.body), counts_only=True).request,
            OF_A_PICTURE,
        )
        return json_reply({"input_tokens": count})
