"""How one answer in OpenAI's wire is read from its bytes, and what its failures mean."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from adapters.base import AdapterError, Event, Json, NativeCall, has_content
from adapters.compatible.answer import AnswerFailedError, AnswerReader, UnreadableError
from adapters.compatible.errors import House, refusal, status_of
from adapters.compatible.limits import rate_limits
from adapters.errors import AFTER_CONTENT, BEFORE_CONTENT, not_promised
from adapters.refusals.lessons import Lessons
from adapters.wire.json_size import MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS, Values
from adapters.wire.lines import LineTooLongError, ServerSentEvent, SseDecoder
from adapters.wire.pieces import loads
from adapters.wire.reading import MAX_ANSWER_BYTES


class CompatibleDialect:
    """How one answer is read (`native.Dialect`), and its call mended. Some houses rescue more."""

    def __init__(
        self,
        call: NativeCall,
        house: House,
        reader: AnswerReader,
        lessons: Lessons | None = None,
    ) -> None:
        self._call = call
        self._lessons = lessons
        self.provider = house.provider
        self._house = house
        self._reader = reader
        self._lines = SseDecoder()
        self._rescued = False
        self._is_new = True
        self._plain: bytearray | None = None  # an answer that came whole all the same
        self._phase = BEFORE_CONTENT

    @property
    def done(self) -> bool:
        """Behind the counts comes only the end mark, and no answer is lost for want of that."""
        return self._reader.ended or (self._reader.counted and self._reader.complete)

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        return rate_limits(headers, self._house.limits)

    def whole(self, body: bytes | bytearray) -> list[Event]:
        if body[:1] != b"{" and body[:1024].lstrip().startswith((b"data:", b"event:", b":")):
            # A stream called JSON.
            return self.feed(bytes(body)) + self.end()
        events: list[Event] = []
        try:
            self._reader.read(body, events, loads)
            if not self.done and has_content(events):
                self._reader.finish(events)
        except UnreadableError:
            raise self._broken("the answer is not a chat completion") from None
        except AnswerFailedError as failed:
            return self._failed(failed.error)
        if not self._reader.complete:
            raise self._broken("the answer has no end")
        self._reader.close(events)
        return events

    def feed(self, data: bytes) -> list[Event]:
        if self._is_new and (begin := data.lstrip(b"\xef\xbb\xbf \r\n\t")):
            self._is_new = False
            if begin.startswith(b"{"):
                self._plain, self._values = bytearray(), Values()
                data = begin
        if self._plain is not None:
            self._plain += data
            self._values.feed(data)
            is_too_much = self._values.are_more_than(MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS)
            if is_too_much or len(self._plain) > MAX_ANSWER_BYTES:
                self._plain.clear()
                raise LineTooLongError
            return []
        return [] if self._reader.ended else self._read(self._lines.feed(data))

    def end(self) -> list[Event]:
        if self._rescued:
            return []
        if self._plain is not None:
            plain, self._reader.ended = self._plain, True
            return self.whole(plain)
        rest = self._lines.end()
        if self._reader.complete:  # what was cut behind it does no harm
            rest = [sse for sse in rest if sse.data.strip() == b"[DONE]"]
        events = self._read(rest)
        self._reader.close(events)
        if not (self._rescued or self._reader.complete):
            raise self._broken("the stream ended before the answer did")
        return events

    def _read(self, stream: list[ServerSentEvent]) -> list[Event]:
        events: list[Event] = []
        for sse in stream:
            try:
                self._reader.read_event(sse, events)
            except UnreadableError:
                if self.done:
                    continue
                raise self._broken("the stream holds something that is no chunk") from None
            except AnswerFailedError as failed:
                return [*events, *self._failed(failed.error)]
        if self._phase is BEFORE_CONTENT and has_content(events):
            self._phase = AFTER_CONTENT
        return events

    def refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(self._house, response, self._phase)

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | list[Event] | None:
        return self._lessons.amended(call, error) if self._lessons else None

    def _hidden(self, error: Json) -> list[Event]:
        """The answer that lies in an error, if one does."""
        return []

    def _failed(self, error: Json) -> list[Event]:
        """What hides in an error inside a 200, or the AdapterError that it would have been."""
        if hidden := self._hidden(error):
            self._rescued = self._reader.ended = True
            return hidden
        request = httpx.Request("POST", "https://answer/")
        response = httpx.Response(status_of(error), json={"error": error}, request=request)
        raise self.refusal(response)

    def _broken(self, message: str) -> AdapterError:
        return not_promised(self.provider, message, self._phase)
