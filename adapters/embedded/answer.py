"""What llama.cpp's server answers, which speaks as OpenAI does, and what its refusals mean."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
from msgspec.structs import replace

from adapters.base import ChatRequest, NativeCall
from adapters.compatible.answer import AnswerReader, Loads
from adapters.compatible.dialect import CompatibleDialect
from adapters.compatible.errors import House, error_object, refusal
from adapters.embedded.messages import NAME
from adapters.errors import AdapterError, ErrorKind, Scope
from adapters.events import Event, Json, Logprobs, Reasoning, Start

TOO_LONG = "exceed_context_size_error"


class Answer(CompatibleDialect):
    """How one answer is read (a `native.Dialect`)."""

    def __init__(self, request: ChatRequest, call: NativeCall, *, secret: str) -> None:
        house = House(NAME, "the server", "EMBEDDED_API_KEY", secret)
        super().__init__(house, _Reader(request))
        self._body = call.body

    def end(self) -> list[Event]:
        events = super().end()
        if not self.done:  # counts and the end mark always come
            raise self._broken("the stream ended before the answer did")
        return events

    def refusal(self, response: httpx.Response) -> AdapterError:
        error = refusal(self._house, response, self._phase)
        meant = self._meant(error, error_object(response.content)["type"])
        if meant is None:
            return error
        kind, param = meant
        return error.but(kind=kind, scope=Scope.REQUEST, param=param, cannot=None)

    def _meant(self, error: AdapterError, told: str) -> tuple[ErrorKind, str | None] | None:
        """What went wrong, and OpenAI's name of the parameter at fault, where we know better."""
        if told == TOO_LONG:
            return ErrorKind.CONTEXT, "messages"
        if error.status == 501:
            return ErrorKind.UNSUPPORTED, None
        if error.kind is ErrorKind.BAD_REQUEST:
            # All else in a body is ours: it is a schema that has no grammar.
            for param in ("response_format", "tools"):
                if param in self._body:
                    return ErrorKind.UNSUPPORTED, param
        return None


class _Reader(AnswerReader):
    """Leaves out what was not asked for: thoughts, and more probabilities."""

    def __init__(self, request: ChatRequest) -> None:
        super().__init__()
        self._model = request.model
        self._thoughts = request.thinking.include is not False
        self._top = request.params.get("top_logprobs", 0)

    def read(self, data: Any, events: list[Event], loads: Loads = orjson.loads) -> None:
        found: list[Event] = []
        super().read(data, found, loads)
        events += [
            self._asked(one) for one in found if self._thoughts or type(one) is not Reasoning
        ]

    def _asked(self, event: Event) -> Event:
        if type(event) is Start:
            return replace(event, model=self._model)
        if type(event) is Logprobs:
            return Logprobs([_logprob(each, self._top) for each in event.content], event.index)
        return event


def _logprob(entry: Json, top: int) -> Json:
    names = ("token", "logprob", "bytes")
    ranked = entry.get("top_logprobs", [])[:top]
    return {
        **{name: entry[name] for name in names},
        "top_logprobs": [{name: each[name] for name in names} for each in ranked],
    }
