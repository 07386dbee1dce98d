"""Anthropic's wire format for answers that are streamed. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from adapters.base import Event, Text
from proxy.doors.frames.sse import HEADERS, named_sse
from proxy.doors.messages.errors import AnthropicErrors
from proxy.doors.messages.output import Answer, Block
from proxy.doors.writing.blocks import Said
from proxy.errors import ApiError
from proxy.reply import Header

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_START_OF_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":'
)


class MessageStream:
    def __init__(self, answer: Answer, request_id: str) -> None:
        self.headers: Sequence[Header] = (*HEADERS, (b"request-id", request_id.encode("ascii")))
        self._answer = answer
        self._has_begun = False
        self._text: Block | None = None
        self._start_of_text = b""

    def feed(self, events: Iterable[Event]) -> bytes:
        out: list[bytes] = [] if self._has_begun else [self._begin()]
        for event in events:
            if type(event) is Text and self._text is not None and event.text and not event.index:
                # The one path that is walked for every token: no dict is built here.
                self._text.pieces.append(event.text)
                out += (self._start_of_text, orjson.dumps(event.text), b"}}\n\n")
                continue
            out += map(_named, self._answer.take(event))
            self._text = self._answer.open_text
            if self._text is not None:
                self._start_of_text = _START_OF_TEXT % self._text.index
        return b"".join(out)

    def end(self) -> bytes:
        out = [] if self._has_begun else [self._begin()]
        out += map(_named, self._answer.end())
        stop, counts = self._answer.stop(), self._answer.counts()
        out.append(_named(("message_delta", {"delta": stop, "usage": counts})))
        out.append(_named(("message_stop", {})))
        return b"".join(out)

    def wait(self) -> bytes:
        """A ping, which may stand anywhere but at the very beginning."""
        return PING if self._has_begun else self._begin() + PING

    def fail(self, error: ApiError) -> bytes:
        start = b"" if self._has_begun else self._begin()
        return start + AnthropicErrors().cut(error)

    def _begin(self) -> bytes:
        self._has_begun = True
        return _named(("message_start", {"message": self._answer.begun()}))


def _named(said: Said) -> bytes:
    kind, members = said
    return named_sse(kind, {"type": kind, **members})
