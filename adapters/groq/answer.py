"""What Groq answers -> events. Pure.

A plain answer and a chunk of a stream differ in one name (`message`, `delta`), so that both are
read by the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    RateLimits,
    Reasoning,
    Start,
    Text,
    ToolCall,
    Usage,
)
from adapters.bounds import (
    MAX_CALLS,
    MAX_CHOICES,
    MAX_LOGPROBS,
    choice_index,
    count,
    items,
    unix_time,
    word,
)
from adapters.lines import ServerSentEvent
from adapters.waits import go_duration_s

_REASONS: Mapping[str, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

_USUAL_KEYS = frozenset({"role", "content", "reasoning"})

_TIERS: Mapping[str, str] = {
    "auto": "auto",
    "on_demand": "default",
    "flex": "flex",
    "performance": "priority",
}
"""Groq's tiers in OpenAI's words; some clients refuse an answer that holds any other."""


class UnreadableError(ValueError):
    """Not what Groq's API promises."""


class AnswerFailedError(Exception):
    """Groq reports an error inside an answer of status 200; `error` is its error object."""

    def __init__(self, error: Json) -> None:
        super().__init__()
        self.error = error


class AnswerReader:
    """Reads one answer; keeps what only the whole of it tells."""

    def __init__(self) -> None:
        self.ended = False  # by [DONE]
        self._started = False
        self._counted = False
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._keys: dict[tuple[int, Any], str] = {}
        self._bare: dict[str, ToolCall] = {}  # calls without arguments so far

    @property
    def complete(self) -> bool:
        """True once every choice that began has its finish reason."""
        return bool(self._begun) and self._begun == self._finished

    def read_event(self, sse: ServerSentEvent, events: list[Event]) -> None:
        """Append the events of one server-sent event. Raises UnreadableError, AnswerFailedError."""
        if sse.data == b"[DONE]":
            self.ended = True
        elif sse.data:
            self.read(sse.data, events)

    def read(self, data: bytes, events: list[Event]) -> None:
        """Append the events of one JSON object. Raises UnreadableError, AnswerFailedError."""
        try:
            self._take(orjson.loads(data), events)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnreadableError from error

    def _take(self, chunk: Json, events: list[Event]) -> None:
        if "error" in chunk or "x_groq" in chunk:
            _raise_error(chunk)
        if not self._started:
            events.append(_start(chunk))
            self._started = True
        choices = chunk["choices"]
        if len(choices) > MAX_CHOICES:
            raise UnreadableError
        for choice in choices:
            self._take_choice(choice, events)
        if not self._counted and ("usage" in chunk or "x_groq" in chunk):
            self._take_usage(chunk, events)

    def _take_usage(self, chunk: Json, events: list[Event]) -> None:
        if usage := _usage(chunk):
            events.append(usage)
            self._counted = True

    def _take_choice(self, choice: Json, events: list[Event]) -> None:
        index: int = choice.get("index", 0)
        if index not in self._begun:
            self._begun.add(choice_index(index))
        delta = choice["delta"] if "delta" in choice else choice["message"]
        if thoughts := delta.get("reasoning"):
            events.append(Reasoning(_string(thoughts), index))
        if text := delta.get("content"):
            events.append(Text(_string(text), index))
        if not _USUAL_KEYS.issuperset(delta):
            self._take_calls(delta, index, events)
            _take_citations(delta, index, events)
        if logprobs := choice.get("logprobs"):
            events.append(Logprobs(items(logprobs["content"], MAX_LOGPROBS), index))
        if reason := choice.get("finish_reason"):
            self._finish(_string(reason), index, events)

    def _take_calls(self, delta: Json, index: int, events: list[Event]) -> None:
        calls = enumerate(items(delta.get("tool_calls"), MAX_CALLS))
        events += [self._call(call, call.get("function") or {}, (index, at)) for at, call in calls]
        if function := delta.get("function_call"):
            events.append(self._call({}, function, (index, 0)))

    def _call(self, call: Json, function: Json, place: tuple[int, int]) -> ToolCall:
        """A call, or a piece of one: the pieces after the first come without id and name."""
        index = place[0]
        place = (index, call.get("index", place[1]))
        call_id = _string(call.get("id") or "")
        if call_id or place not in self._keys:
            self._keys[place] = f"{place}{call_id}"
        key = self._keys[place]
        piece = ToolCall(
            key=key,
            name=_string(function.get("name") or ""),
            arguments=_arguments(function.get("arguments")),
            id=call_id or None,
            index=index,
        )
        if piece.arguments:
            self._bare.pop(key, None)
        elif piece.name:
            self._bare[key] = piece
        return piece

    def _finish(self, reason: str, index: int, events: list[Event]) -> None:
        if index in self._finished:
            return
        self._finished.add(index)
        for key, call in self._bare.items():
            if call.index == index:
                events.append(ToolCall(key=key, arguments="{}", index=index))
        reason = _REASONS.get(reason, "stop")
        if reason == "stop" and any(place[0] == index for place in self._keys):
            reason = "tool_calls"
        events.append(Finish(reason, index))


def rate_limits(headers: Mapping[str, str]) -> list[Event]:
    """The limits that Groq tells in the headers of an answer, if it does.

    Source: console.groq.com/docs/rate-limits (requests a day, tokens a minute).
    """
    requests = headers.get("x-ratelimit-limit-requests")
    tokens = headers.get("x-ratelimit-limit-tokens")
    if requests is None and tokens is None:
        return []
    return [
        RateLimits(
            limit_requests=_number(requests),
            remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
            reset_requests_s=go_duration_s(headers.get("x-ratelimit-reset-requests", "")),
            limit_tokens=_number(tokens),
            remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
            reset_tokens_s=go_duration_s(headers.get("x-ratelimit-reset-tokens", "")),
        )
    ]


def _raise_error(chunk: Json) -> None:
    error = chunk.get("error") or (chunk.get("x_groq") or {}).get("error")
    if isinstance(error, dict):
        raise AnswerFailedError(error)
    if error:
        raise AnswerFailedError({"message": str(error)})


def _start(chunk: Json) -> Start:
    return Start(
        id=word(chunk.get("id")),
        model=word(chunk.get("model")),
        created=unix_time(chunk.get("created")),
        system_fingerprint=word(chunk.get("system_fingerprint")),
        service_tier=_TIERS.get(_optional(chunk.get("service_tier")) or ""),
        request_id=word((chunk.get("x_groq") or {}).get("id")),
    )


def _usage(chunk: Json) -> Usage | None:
    """Groq tells it up to three times in a stream, at the top level and in `x_groq`."""
    usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
    if not usage:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    timings = {
        key: value
        for key, value in usage.items()
        if key.endswith("_time") and type(value) in (int, float)
    }
    return Usage(
        prompt=count(usage.get("prompt_tokens")) or 0,
        completion=count(usage.get("completion_tokens")) or 0,
        reasoning=count(completion.get("reasoning_tokens")),
        cached=count(prompt.get("cached_tokens")),
        extra=timings or None,
    )


def _take_citations(delta: Json, index: int, events: list[Event]) -> None:
    """What Compound found on the web, and the citations that Groq itself makes."""
    events += [Annotation(dict(each), index) for each in items(delta.get("annotations"))]
    for tool in items(delta.get("executed_tools")):
        results = items((tool.get("search_results") or {}).get("results"))
        events += [Annotation(_url_citation(each), index) for each in results if each.get("url")]


def _url_citation(found: Json) -> Json:
    # Groq does not say which words rest on it; OpenAI's type demands the places all the same.
    citation = {"url": _string(found["url"]), "title": _optional(found.get("title")) or ""}
    return {"type": "url_citation", "url_citation": {**citation, "start_index": 0, "end_index": 0}}


def _arguments(value: Any) -> str:
    """JSON text; a call without parameters may come with the text `null`."""
    if value is None or value == "null":
        return ""
    return orjson.dumps(value).decode() if isinstance(value, dict) else _string(value)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(text: str | None) -> int | None:
    """A count in a header."""
    if text is None or not text.isdecimal() or not text.isascii() or len(text) >= 16:
        return None
    return int(text)
