"""Anthropic's wire format for answers: the stream's events, and the one message. No I/O.

Both come of one `Answer`, which is fed the events; the object takes no notice of what is streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson
from msgspec import Struct

from adapters.base import Event, Json, Text, Usage
from adapters.wire.writing import dumps
from proxy.doors.frames.sse import HEADERS, named_sse
from proxy.doors.messages.errors import AnthropicErrors
from proxy.doors.messages.objects import message_object, usage_object
from proxy.doors.messages.output import Answer, Block, Said
from proxy.doors.openai import JSON_TYPE
from proxy.errors import ApiError
from proxy.reply import Header

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
NO_STOP: Mapping[str, None] = {"stop_reason": None, "stop_sequence": None}


class Form(Struct, frozen=True):
    """What an answer's form depends on. `prompt_guess` is about how many tokens were asked."""

    message_id: str
    request_id: str
    model: str
    prompt_guess: int = 0
    thoughts: bool = False
    hides_thoughts: bool = False
    searches: bool = False

    def answer(self) -> Answer:
        return Answer(
            thoughts=self.thoughts, hides_text=self.hides_thoughts, searches=self.searches
        )

    def counts(self, answer: Answer) -> Json:
        """The counts at the end, guessed where the provider states none."""
        usage = answer.usage or Usage(self.prompt_guess, answer.guess)
        return usage_object(usage, answer.searched)


class MessageStream:
    """Events in, bytes of named server-sent events out.

    The count of the prompt is guessed at the start, and told as it was at the end.
    """

    def __init__(self, form: Form) -> None:
        self.headers: Sequence[Header] = (
            *HEADERS,
            (b"request-id", form.request_id.encode("ascii")),
        )
        self._form = form
        self._answer = form.answer()
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
        """The last blocks, and the end with the true counts."""
        out = [] if self._has_begun else [self._begin()]
        out += map(_named, self._answer.end())
        counts = self._form.counts(self._answer)
        out.append(_named(("message_delta", {"delta": self._answer.stop(), "usage": counts})))
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
        form = self._form
        usage = usage_object(Usage(form.prompt_guess, 1))
        message = message_object(form.message_id, form.model, [], NO_STOP, usage)
        return _named(("message_start", {"message": message}))


_START_OF_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":'
)


def _named(said: Said) -> bytes:
    kind, members = said
    return named_sse(kind, {"type": kind, **members})


class MessageFold:
    """Events in, one `message` out."""

    headers = (JSON_TYPE,)

    def __init__(self, form: Form) -> None:
        self._form = form
        self._answer = form.answer()

    def feed(self, events: Iterable[Event]) -> None:
        text = self._answer.open_text
        for event in events:
            if type(event) is Text and text is not None and event.text and not event.index:
                text.pieces.append(event.text)
                continue
            _exhaust(self._answer.take(event))
            text = self._answer.open_text

    def cut(self) -> bool:
        return self._answer.end_early()

    def end(self) -> bytes:
        answer, form = self._answer, self._form
        _exhaust(answer.end())
        counts = form.counts(answer)
        return dumps(
            message_object(form.message_id, form.model, answer.content, answer.stop(), counts)
        )


def _exhaust(said: Iterator[Said]) -> None:
    for _ in said:
        pass
