"""How one answer in OpenAI's wire is read from its bytes, and what its failures mean."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from adapters.base import AdapterError, Event, Json, has_content
from adapters.compatible.answer import AnswerFailedError, AnswerReader, UnreadableError
from adapters.compatible.errors import House, refusal, status_of
from adapters.compatible.limits import rate_limits
from adapters.errors import AFTER_CONTENT, BEFORE_CONTENT, not_promised
from adapters.wire.lines import ServerSentEvent, SseDecoder, are_events
from adapters.wire.pieces import loads


class CompatibleDialect:
    """How one answer is read (`native.Dialect`)."""

    def __init__(self, house: House, reader: AnswerReader) -> None:
        self.provider = house.provider
        self._house = house
        self._reader = reader
        self._lines = SseDecoder()
        self._rescued = False
        self._phase = BEFORE_CONTENT

    @property
    def done(self) -> bool:
        """Behind the counts comes only the end mark, and no answer is lost for want of that."""
        return self._reader.ended or (self._reader.counted and self._reader.complete)

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        return rate_limits(headers, self._house.limits)

    def whole(self, body: bytes | bytearray) -> list[Event]:
        if body[:1] != b"{" and are_events(body):
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
        return [] if self._reader.ended else self._read(self._lines.feed(data))

    def end(self) -> list[Event]:
        if self._rescued:
            return []
        if self._lines.is_bare:
            self._reader.ended = True
            return self.whole(self._lines.rest())
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

    def refusal(self, response: httpx.Response) -> AdapterError | list[Event]:
        return refusal(self._house, response, self._phase)

    def _failed(self, error: Json) -> list[Event]:
        """What hides in an error inside a 200, or the AdapterError that it would have been."""
        request = httpx.Request("POST", "https://answer/")
        response = httpx.Response(status_of(error), json={"error": error}, request=request)
        refused = self.refusal(response)
        if isinstance(refused, AdapterError):
            raise refused
        self._rescued = self._reader.ended = True
        return refused

    def _broken(self, message: str) -> AdapterError:
        return not_promised(self.provider, message, self._phase)
