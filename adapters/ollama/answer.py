"""What Ollama answers -> events: lines of NDJSON or one object, and the errors in plain words.

Source: Ollama's `docs/api.md`, `api/types.go` (ChatResponse) and recorded exchanges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import orjson

from adapters.base import ChatRequest, NativeCall
from adapters.errors import AFTER_CONTENT, BEFORE_CONTENT, AdapterError, ErrorKind, not_promised
from adapters.events import (
    Event,
    Finish,
    Json,
    Logprobs,
    Reasoning,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from adapters.ollama.context import (
    DEFAULT_NUM_CTX,
    WORTH_CHECKING_TOKENS,
    ModelFacts,
    Prompt,
)
from adapters.ollama.errors import NAME, error_text, refusal, refusal_error
from adapters.ollama.generate import message_of
from adapters.ollama.request import without_grammar
from adapters.wire.bounds import MAX_CALLS, MAX_LOGPROBS, count, iso_time, items, word
from adapters.wire.lines import NdjsonDecoder
from adapters.wire.pieces import loads
from adapters.wire.writing import dumps_text

LOADED_NS, MOST_NS = 250_000_000, 10**13
"""Below this a model was in memory already: to look it up takes some time as well."""
GRAMMAR = re.compile(r"\b(grammar|schema|format)\b", re.IGNORECASE)


class _MalformedError(ValueError):
    """JSON of a shape that no server of Ollama's sends."""


class Answer:
    """How one answer of `/api/chat` or `/api/generate` is read (a `native.Dialect`), and its call
    mended (a `native.Mender`).

    `own_size` tells that the context's size was ours to choose: then it is remembered, and made
    larger when the server finds it too small. `secret` is the key that no error may repeat.
    """

    provider = NAME
    most = 1

    def __init__(
        self,
        request: ChatRequest,
        call: NativeCall,
        facts: ModelFacts,
        prompt: Prompt,
        *,
        own_size: bool,
        secret: str,
    ) -> None:
        self.done = False
        self._model = request.model
        self._facts = facts
        self._own_size = own_size
        self._secret = secret
        self._num_ctx = _num_ctx(call)
        self._least_prompt = prompt.least_tokens
        self._one_call = request.parallel_tool_calls is False
        self._hides_thinking = request.thinking.include is False
        self._lines = NdjsonDecoder()
        self._started = False
        self._calls = 0
        self._ids: set[str | None] = set()
        self._phase = BEFORE_CONTENT

    # What native.Dialect asks for

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        """Nothing; but the model is loaded now with the context that was asked for."""
        if self._own_size and self._num_ctx:
            self._facts.num_ctx = max(self._facts.num_ctx, self._num_ctx)
        return []

    def whole(self, body: bytes | bytearray) -> list[Event]:
        """The events of a plain answer, or of a stream that a gateway sent as one."""
        try:
            events: list[Event] = []
            self._read(_object(body, loads), events)
        except ValueError:
            events = self.feed(b"%b\n" % bytes(body))
        return events + self.end()

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for line in self._lines.feed(data):
            self._read_line(line, events)
        if events and type(events[-1]) is not Start:
            self._phase = AFTER_CONTENT
        return events

    def end(self) -> list[Event]:
        events: list[Event] = []
        for line in self._lines.end():
            self._read_line(line, events)
        if not self.done:
            raise self._bad("the answer ended before it was complete")
        return events

    def refusal(self, response: httpx.Response) -> AdapterError:
        return refusal(response, model=self._model, secret=self._secret)

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        """The call without what the model refused, or with more room for the prompt."""
        if error.kind is ErrorKind.CONTEXT and self._own_size:
            return self._enlarged(call)
        has_schema = type(call.body.get("format")) is dict and "messages" in call.body
        if has_schema and GRAMMAR.search(error.message):
            return call.but(without_grammar(call.body), "emulated=response_format")
        if error.param != "reasoning_effort" or "think" not in call.body:
            return None
        if error.kind is ErrorKind.UNSUPPORTED:
            self._facts.refuses_thinking = True
            body = {key: value for key, value in call.body.items() if key != "think"}
            return call.but(body, "dropped=reasoning_effort")
        # A server from before the levels takes yes and no.
        return call.but({**call.body, "think": True}, "changed=reasoning_effort")

    def _enlarged(self, call: NativeCall) -> NativeCall | None:
        size = 2 * (self._num_ctx or DEFAULT_NUM_CTX)
        if self._facts.context is not None:
            size = min(size, self._facts.context)
        if size <= (self._num_ctx or DEFAULT_NUM_CTX):
            return None
        self._num_ctx = size
        options = {**call.body.get("options", {}), "num_ctx": size}
        return call.but({**call.body, "options": options})

    # One object of the answer

    def _read_line(self, line: bytes, events: list[Event]) -> None:
        if self.done:
            return
        try:
            self._read(_object(line), events)
        except ValueError:
            raise self._bad("the answer is not what Ollama's API promises") from None

    def _read(self, chunk: Json, events: list[Event]) -> None:
        """Add the events of `chunk`. Raises _MalformedError."""
        if chunk.get("error") is not None:
            raise self._error_in_answer(chunk)
        message = chunk.get("message")
        if message is None and "response" in chunk:
            message = message_of(chunk)
        if not self._started and message is not None:
            self._started = True
            events.append(
                Start(model=word(chunk.get("model")), created=iso_time(chunk.get("created_at")))
            )
        if message:
            if type(message) is not dict:
                raise _MalformedError
            self._read_message(message, events)
        if entries := chunk.get("logprobs"):
            events.append(Logprobs(_logprobs(entries)))
        if chunk.get("done") is True:
            self._finish(chunk, events)

    def _read_message(self, message: Json, events: list[Event]) -> None:
        if thinking := message.get("thinking"):
            if type(thinking) is not str:
                raise _MalformedError
            if not self._hides_thinking:
                events.append(Reasoning(thinking))
        if text := message.get("content"):
            if type(text) is not str:
                raise _MalformedError
            events.append(Text(text))
        if calls := message.get("tool_calls"):
            for call in items(calls, MAX_CALLS):
                self._read_call(call, events)

    def _read_call(self, call: object, events: list[Event]) -> None:
        match call:
            case {"function": {"name": str(name), **function}, **rest} if name:
                pass
            case _:
                raise _MalformedError
        if self._one_call and self._calls:
            events.append(Warn("dropped=tool_calls"))
            return
        call_id = rest.get("id")
        if not isinstance(call_id, str) or call_id in self._ids:
            call_id = None  # by one id for two nobody could answer them
        self._ids.add(call_id)
        # Servers number parallel calls all alike or not at all (ollama#15457): count them here.
        events.append(
            ToolCall(
                key=self._calls,
                name=name,
                arguments=_json_text(function.get("arguments")),
                id=call_id or None,
            )
        )
        self._calls += 1

    def _finish(self, chunk: Json, events: list[Event]) -> None:
        reason = chunk.get("done_reason")
        if not isinstance(reason, str) or not reason:
            # What a server says when its connection to the model broke.
            raise self._bad("the model stopped without a reason")
        if reason != "length":  # load and unload are good ends too
            reason = "tool_calls" if self._calls else "stop"
        self.done = True
        events.append(Finish(reason))
        self._count(chunk, events)

    def _count(self, chunk: Json, events: list[Event]) -> None:
        prompt, completion = count(chunk.get("prompt_eval_count")), count(chunk.get("eval_count"))
        if self._is_cut(prompt or 0, completion or 0):
            events.append(Warn("truncated=prompt"))
        if prompt is None or completion is None:
            events.append(Warn("missing=usage"))
        took = chunk.get("load_duration")
        loading_s = took / 1e9 if type(took) is int and LOADED_NS <= took < MOST_NS else 0
        events.append(Usage(prompt=prompt or 0, completion=completion or 0, loading_s=loading_s))

    def _is_cut(self, prompt: int, completion: int) -> bool:
        """Whether the server must have left out some of the prompt, at the start or on the way.

        A count of 0 says nothing: older servers count only what was not in their cache.
        """
        if self._num_ctx and prompt + completion > self._num_ctx:
            return True
        return self._least_prompt >= WORTH_CHECKING_TOKENS and 0 < prompt < self._least_prompt

    def _error_in_answer(self, chunk: Json) -> AdapterError:
        text = error_text(orjson.dumps(chunk))
        return refusal_error(text, None, model=self._model, secret=self._secret, phase=self._phase)

    def _bad(self, message: str) -> AdapterError:
        return not_promised(NAME, message, self._phase)


def _object(data: Any, loads: Callable[[Any], Any] = orjson.loads) -> Json:
    value = loads(data)
    if type(value) is not dict:
        raise _MalformedError
    return value


def _num_ctx(call: NativeCall) -> int:
    size = call.body.get("options", {}).get("num_ctx")
    return size if isinstance(size, int) else 0


def _json_text(arguments: Any) -> str:
    """The arguments as JSON text; a text is one already (some gateways copy OpenAI's shape)."""
    if isinstance(arguments, str):
        return arguments or "{}"
    try:
        return dumps_text({} if arguments is None else arguments)
    except TypeError:  # nested deeper than orjson writes
        raise _MalformedError from None


def _logprobs(entries: Any) -> Sequence[Json]:
    return [
        {**_logprob(entry), "top_logprobs": [_logprob(top) for top in entry["top_logprobs"] or ()]}
        if isinstance(entry, dict) and isinstance(entry.get("top_logprobs"), list)
        else {**_logprob(entry), "top_logprobs": []}
        for entry in items(entries, MAX_LOGPROBS)
    ]


def _logprob(entry: Any) -> Json:
    match entry:
        case {"token": str(token), "logprob": int() | float() as logprob}:
            raw = entry.get("bytes")
            spelled = raw if isinstance(raw, list) else list(token.encode("utf-8"))
            return {"token": token, "logprob": logprob, "bytes": spelled}
        case _:
            raise _MalformedError
