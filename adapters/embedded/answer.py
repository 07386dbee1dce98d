"""What llama.cpp's server answers -> events, and what its refusals mean (`native.Dialect`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from adapters.base import (
    AdapterError,
    ChatRequest,
    ErrorKind,
    Event,
    Finish,
    Json,
    Logprobs,
    NativeCall,
    Phase,
    Reasoning,
    Scope,
    Start,
    Text,
    ToolCall,
    Usage,
    has_content,
)
from adapters.embedded.messages import NAME
from adapters.errors import first_words
from adapters.refusals.waits import retry_after_s
from adapters.wire.bounds import (
    MAX_CALLS,
    MAX_CHOICES,
    MAX_LOGPROBS,
    count,
    items,
    unix_time,
    word,
)
from adapters.wire.lines import ServerSentEvent, SseDecoder

MAX_MESSAGE = 300
LOADING = "Loading model"
"""What llama.cpp answers meanwhile, with a 503."""
_KIND_OF_STATUS: Mapping[int, ErrorKind] = {
    **dict.fromkeys(range(300, 400), ErrorKind.BAD_RESPONSE),
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    404: ErrorKind.MODEL_MISSING,
    413: ErrorKind.TOO_LARGE,
    429: ErrorKind.RATE_LIMIT,
    501: ErrorKind.UNSUPPORTED,
    503: ErrorKind.OVERLOADED,
}
_SCOPES: Mapping[ErrorKind, Scope] = {
    ErrorKind.AUTH: Scope.KEY,
    ErrorKind.MODEL_MISSING: Scope.MODEL,
    ErrorKind.RATE_LIMIT: Scope.MODEL,
    ErrorKind.LOADING: Scope.PROVIDER,
    ErrorKind.OVERLOADED: Scope.PROVIDER,
    ErrorKind.SERVER: Scope.PROVIDER,
    ErrorKind.BAD_RESPONSE: Scope.PROVIDER,
}
_REASONS = frozenset({"stop", "length", "tool_calls"})


class Answer:
    """How one answer is read. Plain answers and chunks differ in one name (`message`, `delta`)."""

    provider = NAME

    def __init__(self, request: ChatRequest, call: NativeCall, *, secret: str) -> None:
        self._call = call
        self._secret = secret
        self._model = request.model
        self._thoughts = request.thinking.include is not False
        self._top = request.params.get("top_logprobs", 0)
        self._lines = SseDecoder()
        self._phase = Phase.BEFORE_CONTENT
        self._started = False
        self._finished = False
        self._ended = False

    @property
    def done(self) -> bool:
        return self._ended

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        return []

    def whole(self, body: bytes) -> list[Event]:
        events = self._read(body)
        if not self._finished:
            raise self._broken("the answer has no end")
        return events

    def feed(self, data: bytes) -> list[Event]:
        return self._events(self._lines.feed(data))

    def end(self) -> list[Event]:
        events = self._events(self._lines.end())
        if not (self._ended and self._finished):
            raise self._broken("the stream ended too early")
        return events

    def refusal(self, response: httpx.Response) -> AdapterError:
        return self._error(_error_object(response.content), response.status_code, response.headers)

    def amend(self, call: NativeCall, error: AdapterError) -> NativeCall | list[Event] | None:
        return None

    def _events(self, row: list[ServerSentEvent]) -> list[Event]:
        events: list[Event] = []
        for each in row:
            if each.data == b"[DONE]":
                self._ended = True
            else:
                events += self._read(each.data)
        return events

    def _read(self, data: bytes) -> list[Event]:
        """The events of one JSON object. Raises AdapterError."""
        try:
            chunk = orjson.loads(data)
            if "error" in chunk:
                error = chunk["error"] if isinstance(chunk["error"], dict) else {}
                raise self._error(error, _status(error))
            events = self._chunk(chunk)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._broken("the answer cannot be read") from error
        if has_content(events):
            self._phase = Phase.AFTER_CONTENT
        return events

    def _chunk(self, chunk: Json) -> list[Event]:
        events: list[Event] = []
        choices = chunk["choices"]
        if not self._started:
            self._started = True
            events.append(_start(chunk, self._model))
        for choice in items(choices, MAX_CHOICES):
            self._choice(choice, events)
        if usage := chunk.get("usage"):
            events.append(_usage(usage))
        return events

    def _choice(self, choice: Json, events: list[Event]) -> None:
        delta = choice["delta"] if "delta" in choice else choice["message"]
        if (thoughts := delta.get("reasoning_content")) and self._thoughts:
            events.append(Reasoning(_string(thoughts)))
        if text := delta.get("content"):
            events.append(Text(_string(text)))
        for at, call in enumerate(items(delta.get("tool_calls"), MAX_CALLS)):
            events.append(_call(call, at))
        if logprobs := choice.get("logprobs"):
            entries = items(logprobs["content"], MAX_LOGPROBS)
            events.append(Logprobs([_logprob(each, self._top) for each in entries]))
        if reason := choice.get("finish_reason"):
            self._finished = True
            events.append(Finish(reason if reason in _REASONS else "stop"))

    def _error(
        self, error: Json, status: int | None, headers: httpx.Headers | None = None
    ) -> AdapterError:
        kind, param = _kind(error, status, self._call.body)
        return AdapterError(
            kind,
            _message(error, kind, self._secret),
            provider=NAME,
            status=status,
            retry_after_s=retry_after_s(headers, datetime.now(UTC)) if headers else None,
            scope=_SCOPES.get(kind, Scope.REQUEST),
            phase=self._phase,
            param=param,
            upstream_code=_text(error.get("type")) or None,
        )

    def _broken(self, message: str) -> AdapterError:
        return AdapterError(
            ErrorKind.BAD_RESPONSE,
            message,
            provider=NAME,
            scope=Scope.PROVIDER,
            phase=self._phase,
        )


def _kind(error: Json, status: int | None, body: Json) -> tuple[ErrorKind, str | None]:
    """What went wrong, and OpenAI's name of the parameter at fault."""
    if error.get("type") == "exceed_context_size_error":
        return ErrorKind.CONTEXT, "messages"
    if status is None:
        return ErrorKind.SERVER, None
    if status == 503 and error.get("message") == LOADING:
        return ErrorKind.LOADING, None
    if kind := _KIND_OF_STATUS.get(status):
        return kind, None
    if status >= 500:
        return ErrorKind.SERVER, None
    if status == 400:  # all else in a body is ours: it is a schema that has no grammar
        for param in ("response_format", "tools"):
            if param in body:
                return ErrorKind.UNSUPPORTED, param
    return ErrorKind.BAD_REQUEST, None


def _message(error: Json, kind: ErrorKind, secret: str) -> str:
    if kind is ErrorKind.AUTH:
        return "the API key was refused; check EMBEDDED_API_KEY"
    message = " ".join(first_words(error.get("message")).split())
    if secret:
        message = message.replace(secret, "***")
    return message[:MAX_MESSAGE] or "it gave no reason"


def _error_object(content: bytes) -> Json:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _status(error: Json) -> int | None:
    code = error.get("code")
    return code if type(code) is int and 400 <= code < 600 else None


def _start(chunk: Json, model: str) -> Start:
    return Start(
        id=word(chunk.get("id")),
        model=model,
        created=unix_time(chunk.get("created")),
        system_fingerprint=word(chunk.get("system_fingerprint")),
    )


def _call(call: Json, at: int) -> ToolCall:
    function = call.get("function") or {}
    return ToolCall(
        key=_integer(call.get("index", at)),
        name=_string(function.get("name") or ""),
        arguments=_string(function.get("arguments") or ""),
        id=_string(call.get("id") or "") or None,
    )


def _logprob(entry: Json, top: int) -> Json:
    names = ("token", "logprob", "bytes")
    ranked = entry.get("top_logprobs", [])[:top]
    return {
        **{name: entry[name] for name in names},
        "top_logprobs": [{name: each[name] for name in names} for each in ranked],
    }


def _usage(usage: Json) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        prompt=count(usage.get("prompt_tokens")) or 0,
        completion=count(usage.get("completion_tokens")) or 0,
        cached=count(details.get("cached_tokens")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
