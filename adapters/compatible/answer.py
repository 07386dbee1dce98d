"""OpenAI's chat completions -> events. No I/O.

A plain answer and a chunk of a stream differ in one name (`message`, `delta`), so that both are
read by the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson
from msgspec import Struct, field

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
)
from adapters.compatible.parts import detailed, media, objects, pages, take_parts, text_in
from adapters.translation.arguments import are_cut, are_whole, mended
from adapters.wire.bounds import (
    MAX_CALLS,
    MAX_CHOICES,
    MAX_LOGPROBS,
    choice_index,
    count,
    items,
    unix_time,
    word,
)
from adapters.wire.lines import ServerSentEvent
from adapters.wire.writing import dumps_text

Loads = Callable[[Any], Any]
_REASONS: Mapping[str, str] = {
    "stop": "stop",
    "tool_calls": "stop",  # unless there are some
    "length": "length",
    "content_filter": "content_filter",
}
_CUT_SHORT = re.compile(r"length|max_\w*tokens|token_limit|context_window|insufficient_system")
_FILTERED = re.compile(
    r"filter|safety|sensitive|refusal|recitation|blocklist|prohibited|spii|guardrail|moderation"
)
"""In the words of other protocols, which gateways hand on."""
_NO_REASONS = ("null", "none")
_FAILED_REASONS = ("error", "network_error")
_TIERS: Mapping[str, str] = {
    tier: tier for tier in ("auto", "default", "flex", "scale", "priority")
}

_ENVELOPES = ("data", "provider", "result")
"""In which gateways may hand on an answer that came whole: Cline's, OpenRouter's, Cloudflare's."""

_KEYS_OF_TEXT = frozenset({"role", "content"})
_USUAL_KEYS = _KEYS_OF_TEXT | {"reasoning", "reasoning_content"}


class UnreadableError(ValueError):
    """Not what the API promises."""


class AnswerFailedError(Exception):
    """An answer of status 200 holds an error; `error` is its error object."""

    def __init__(self, error: Json) -> None:
        super().__init__()
        self.error = error


class _Call(Struct):
    """A call as far as it has come; `came_whole` says that its first piece was all of it."""

    id: str
    index: int
    came_whole: bool
    name: str = ""  # clients take a call's first piece for the one that names it
    arguments: list[str] = field(default_factory=list)
    size: int = 0

    def news(self, name: str, arguments: str) -> tuple[str, str]:
        """What a further piece adds: some repeat the name in each, or all arguments at the end."""
        is_as_long = len(arguments) == self.size and arguments[:1] == "{" and arguments[-1:] == "}"
        is_all = is_as_long and arguments == "".join(self.arguments)
        return "" if name == self.name else name, "" if is_all else arguments


class AnswerReader:
    """Reads one answer; keeps what only the whole of it shows.

    A house that says more than OpenAI does, in a field called `own`, has a reader of its own.
    `tiers` are its own in OpenAI's words; some clients refuse an answer that holds any other.
    """

    own = "error"
    tiers: ClassVar[Mapping[str, str]] = _TIERS

    def __init__(self) -> None:
        self.ended = False  # by [DONE], or by an answer that lay in an error
        self._started = False
        self.counted = False
        self._last_usage: Usage | None = None
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._reasons: dict[int, str] = {}  # that wait, as some say more behind them
        self._is_cited = False
        self._pages: list[Event] = []  # that the answer rests on, told again in each chunk
        self._keys: dict[tuple[int, Any], str] = {}  # of the call that is at a place now
        self._calls: dict[str, _Call] = {}  # by our keys

    @property
    def complete(self) -> bool:
        """True once every choice that began has its finish reason."""
        return bool(self._begun) and self._begun == self._finished

    def close(self, events: list[Event]) -> None:
        """Append what waited for the end of the answer."""
        if self._reasons:
            self._settle(events)
        if self._last_usage and not self.counted:
            events.append(self._last_usage)
            self.counted = True

    def finish(self, events: list[Event]) -> None:
        """The end of an answer that is all there, whether or not it says why it ended."""
        for index in self._begun - self._finished:
            self._finish("stop", index)
        self.close(events)

    def read_event(self, sse: ServerSentEvent, events: list[Event]) -> None:
        """Append the events of one server-sent event. Raises UnreadableError, AnswerFailedError."""
        if sse.data[-1:] != b"}" and sse.data.strip() == b"[DONE]":
            self.ended = True
            self.close(events)
        elif sse.data:
            self.read(sse.data, events)

    def read(self, data: Any, events: list[Event], loads: Loads = orjson.loads) -> None:
        """Append the events of one JSON object. Raises UnreadableError, AnswerFailedError."""
        try:
            self._take(loads(data), events)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnreadableError from error

    def _take(self, chunk: Json, events: list[Event]) -> None:
        if "error" in chunk or self.own in chunk:
            self._raise_error(chunk)
        choices = chunk.get("choices")
        if not choices:  # beside counts, and in pings, there may be none
            chunk = _unwrapped(chunk)
            choices = chunk.get("choices") or ()
        if choices and not self._started:
            events.append(self._start(chunk))
            self._started = True
        if len(choices) > MAX_CHOICES:
            raise UnreadableError
        for choice in choices:
            self._take_choice(choice, events)
        if "search_results" in chunk or "citations" in chunk:
            self._pages = pages(chunk)
        if not self.counted and ("usage" in chunk or self.own in chunk):
            self._take_usage(chunk, events)

    def _take_usage(self, chunk: Json, events: list[Event]) -> None:
        """Some providers count on with every chunk: the last count holds."""
        if usage := self._usage(chunk):
            self._last_usage = usage
            if self.complete:
                self._settle(events)
                events.append(usage)
                self.counted = True

    def _take_choice(self, choice: Json, events: list[Event]) -> None:
        index = choice.get("index") or 0
        # Some repeat the whole message at the end of a stream.
        has_begun = "delta" in choice and index in self._begun
        delta = choice.get("delta") or ({} if has_begun else _message(choice))
        if index not in self._begun:
            index = choice_index(index)
            self._begun.add(index)
        is_text_alone = _KEYS_OF_TEXT.issuperset(delta)
        if not is_text_alone:
            thoughts = delta.get("reasoning") or delta.get("reasoning_content") or detailed(delta)
            if thoughts and type(thoughts) is str:
                events.append(Reasoning(thoughts, index))
        if text := delta.get("content"):
            if type(text) is str:
                events.append(Text(text, index))
            else:
                take_parts(text, index, events)
        if not (is_text_alone or _USUAL_KEYS.issuperset(delta)):
            self._take_calls(delta, index, events)
            self._take_more(delta, index, events)
        if (logprobs := choice.get("logprobs")) and (weighed := logprobs.get("content")):
            events.append(Logprobs(items(weighed, MAX_LOGPROBS), index))
        if choice.get("finish_reason"):
            self._finish(_reason_of(choice), index)

    def _take_calls(self, delta: Json, index: int, events: list[Event]) -> None:
        calls = enumerate(items(delta.get("tool_calls") or None, MAX_CALLS))
        for at, call in calls:
            events += self._call(call, call.get("function") or call, (index, at))
        if (function := delta.get("function_call")) and not delta.get("tool_calls"):
            events += self._call({}, function, (index, 0))

    def _call(self, call: Json, function: Json, place: tuple[int, int]) -> list[ToolCall]:
        """A call, or a piece of one: the pieces after the first come without id and name.

        Nothing as long as the name is yet to come.
        """
        index = place[0]
        at = call.get("index")
        place = (index, place[1] if at is None else at)
        call_id = str(call.get("id") or "")
        name = text_in(function.get("name") or "")
        arguments = _arguments(function.get("arguments"))
        key = self._keys.get(place)
        if call_id and not name and (named := f"{place}{call_id}") in self._calls:
            key = named  # by its own id, whichever was begun last
        if key is None and not (call_id or name or arguments):
            return []
        # An id without a name may be the one that a call has got meanwhile, or any, piece by piece.
        is_next = name and (call_id or (arguments and key and self._calls[key].came_whole))
        if key is None or is_next:
            key = self._keys[place] = f"{place}{call_id or len(self._calls)}"
        known = self._calls.get(key)
        if known is None:
            arguments = mended(arguments) if name else arguments
            came_whole = bool(name and arguments and are_whole([arguments]))
            # Who is told of two calls by one id could not tell them apart.
            is_twin = any(one.id == call_id for one in self._calls.values())
            known = _Call("" if is_twin else call_id, index, came_whole)
            self._calls[key] = known
            if arguments == "{}":  # real ones may follow, where another protocol is converted
                arguments = ""
        else:
            name, arguments = known.news(name, arguments)
        if arguments:
            known.arguments.append(arguments)
            known.size += len(arguments)
        if not known.name:
            known.name, arguments = name, "".join(known.arguments)
            given = call.get("extra_content")  # Google's, with a thought's signature
            extra = {"extra_content": given} if type(given) is dict else None
            own_id = known.id or None
            return [ToolCall(key, name, arguments, own_id, extra, index)] if name else []
        shown_id = known.id if call_id else ""
        return [ToolCall(key, name, arguments, shown_id or None, index=index)]

    def _finish(self, reason: str, index: int) -> None:
        if index in self._finished or reason in _NO_REASONS:
            return
        self._finished.add(index)
        self._reasons[index] = _REASONS.get(reason) or _of_others(reason)

    def _settle(self, events: list[Event]) -> None:
        """Append the ends of all choices that have one: nothing comes behind them any more."""
        events += () if self._is_cited else self._pages
        for index, reason in self._reasons.items():
            if self._calls:
                reason = self._finish_calls(reason, index, events)
            events.append(Finish(reason, index))
        self._reasons = {}

    def _finish_calls(self, reason: str, index: int, events: list[Event]) -> str:
        """The reason, once the calls of a choice have ended."""
        for key, call in self._calls.items():
            if call.index == index and call.arguments and not call.name:
                raise UnreadableError
            if call.index == index and call.name and not call.arguments:
                events.append(ToolCall(key=key, arguments="{}", index=index))
        begun = [self._calls[key] for (of, _), key in self._keys.items() if of == index]
        calls = [call for call in begun if call.name]
        if reason == "stop" and calls:
            reason = "tool_calls"
        is_cut = reason == "tool_calls" and any(are_cut(call.arguments) for call in calls)
        return "length" if is_cut else reason  # vLLM says so of no call that it streams

    def _raise_error(self, chunk: Json) -> None:
        raise_error(chunk.get("error"))

    def _start(self, chunk: Json) -> Start:
        tier = chunk.get("service_tier")
        return Start(
            id=word(chunk.get("id")),
            model=word(chunk.get("model")),
            created=unix_time(chunk.get("created")),
            system_fingerprint=word(chunk.get("system_fingerprint")),
            service_tier=self.tiers.get(tier) if type(tier) is str else None,
            request_id=word((chunk.get(self.own) or {}).get("id")),
        )

    def _usage(self, chunk: Json) -> Usage | None:
        usage = chunk.get("usage")
        return usage_of(usage) if usage else None

    def _take_more(self, delta: Json, index: int, events: list[Event]) -> None:
        """What is neither text nor a call."""
        if refused := delta.get("refusal"):
            events.append(Refusal(text_in(refused), index))
        if cited := objects(delta.get("annotations")):
            self._is_cited = True
            events += [Annotation(dict(each), index) for each in cited]
        for image in objects(delta.get("images")):
            events += media(image, index)


def usage_of(usage: Json, *, extra: Json | None = None) -> Usage:
    """The counts, as the house spells them."""
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    cached = prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))
    return Usage(
        prompt=count(usage.get("prompt_tokens")) or 0,
        completion=count(usage.get("completion_tokens")) or 0,
        reasoning=count(completion.get("reasoning_tokens")),
        cached=count(cached),
        extra=extra,
    )


def _unwrapped(chunk: Json) -> Json:
    """What has choices within something without; itself where nothing has. Raises its errors."""
    if chunk.get("object") == "error":  # vLLM's, SGLang's and Mistral's
        raise_error(chunk)
    match chunk.get("base_resp"):  # MiniMax's
        case {"status_msg": str(said), "status_code": int(code)} if code:
            raise_error({"message": said or str(code)})
    held = (chunk.get(name) for name in _ENVELOPES)
    return next((each for each in held if type(each) is dict and each.get("choices")), chunk)


def _message(choice: Json) -> Json:
    return choice.get("message") or {"content": choice.get("text")}


def _reason_of(choice: Json) -> str:
    """The reason of an end; SGLang's engine has an object of it. Raises AnswerFailedError."""
    told = choice["finish_reason"]
    told = told.get("type") if type(told) is dict else told
    reason = told.lower() if type(told) is str else "stop"
    native = choice.get("native_finish_reason")  # OpenRouter's own may be a good end
    if reason in _FAILED_REASONS or native in _FAILED_REASONS:
        raise_error(choice.get("error") or {"message": "the answer ended with an error"})
    return reason


def _of_others(reason: str) -> str:
    if _CUT_SHORT.search(reason):
        return "length"
    return "content_filter" if _FILTERED.search(reason) else "stop"


def raise_error(error: Any) -> None:
    """Raise what an answer of status 200 reports as its failure, if it does."""
    if error:
        raise AnswerFailedError(error if isinstance(error, dict) else {"message": str(error)})


def _arguments(value: Any) -> str:
    """JSON text; a call without parameters may come with the text `null`."""
    if value is None or value == "null":
        return ""
    return dumps_text(value) if isinstance(value, dict) else text_in(value)
