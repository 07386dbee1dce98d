"""Ollama's wire format for answers: lines of JSON, and the one object. Pure except for the clock.

Both are made of what one `Answer` says of the same events.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson
from msgspec import Struct, field

from adapters.base import (
    Annotation,
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    RateLimits,
    Reasoning,
    Refusal,
    Signature,
    Start,
    Text,
    ToolCall,
    Usage,
    Warn,
)
from adapters.translation.arguments import arguments_or_text
from adapters.wire.writing import dumps
from proxy.doors.frames.ndjson import HEADERS, line, unbroken
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.objects import logprob, moment, nanoseconds
from proxy.doors.writing.whole import JSON_TYPE
from proxy.errors import ApiError

LETTERS = string.ascii_lowercase + string.digits


class Form(Struct, frozen=True):
    """What an answer's form depends on. `model` is the client's own name for it.

    `began_s` is when it was asked, by `clock`; `now_s` the hour at its first content. `generates`
    tells `/api/generate`'s shape from chat's, `context` gives its numbers for what was said.
    """

    model: str
    now_s: float
    began_s: float
    clock: Callable[[], float]
    prompt_guess: int = 0
    hides_thoughts: bool = False
    generates: bool = False
    context: Callable[[str], Sequence[int] | None] | None = None


class _Call(Struct):
    """A tool call while its pieces come in."""

    name: str
    id: str
    arguments: list[str] = field(default_factory=list)


class Answer:
    """Where an answer stands."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.texts: list[str] = []
        self.reason: str | None = None
        self._opened_s = form.clock()
        self._first_s: float | None = None
        self._calls: dict[str | int, _Call] = {}
        self._told = 0
        self._usage: Usage | None = None

    def begin(self) -> None:
        """There is something to say; a stream may have begun before, to keep its client waiting."""
        if self._first_s is None:
            self._first_s = self.form.clock()

    def take(self, event: Event) -> Iterator[Json]:
        """What an event adds to the message, under its names: a line of a stream for each."""
        match event:
            case Text(text) | Refusal(text):
                if text:
                    self.texts.append(text)
                    yield {"content": text}
            case Reasoning(text):
                if text and not self.form.hides_thoughts:
                    yield {"thinking": text}
            case Logprobs(content):
                yield {"logprobs": [logprob(entry) for entry in content]}
            case Media(mime_type, data):
                if self.form.generates and mime_type.startswith("image/"):
                    yield {"image": data}  # in a chat's message no client can read one
            case Finish(reason):
                self.reason = self.reason or reason
                yield from self.calls()
            case _:
                self._note(event)

    def _note(
        self, event: ToolCall | Usage | Start | RateLimits | Annotation | Signature | Warn
    ) -> None:
        """What is said later, or not at all: for citations and signatures there is no place."""
        if type(event) is ToolCall:
            self._add(event)
        elif type(event) is Usage:
            self._usage = event

    def calls(self) -> Iterator[Json]:
        """The calls that are whole now, each once."""
        new = list(self._calls.values())[self._told :]
        for call in new:
            function = {
                "index": self._told,
                "name": call.name,
                "arguments": arguments_or_text("".join(call.arguments)),
            }
            self._told += 1
            yield {"tool_calls": [{"id": call.id, "function": function}]}

    def has_call(self) -> bool:
        return bool(self._calls)

    def end(self, *, at_once: bool = False) -> Json:
        """What stands in the last line alone; `at_once` of an answer that came in one piece."""
        now = self.form.clock()
        total_s = max(now - self.form.began_s, 0.0)
        # Of what came at once nobody can tell how long was read, and how long written.
        first_s = now if self._first_s is None else self._first_s
        asking_s = total_s / 10 if at_once else min(first_s - self.form.began_s, total_s)
        used = self._usage or Usage(self.form.prompt_guess, len(self.texts))
        last: Json = {
            "done": True,
            "done_reason": "length" if self.reason == "length" else "stop",
            "total_duration": nanoseconds(total_s),
            "load_duration": 1,
            "prompt_eval_count": used.prompt,
            "prompt_eval_duration": nanoseconds(asking_s),
            "eval_count": used.completion,
            "eval_duration": nanoseconds(total_s - asking_s),
        }
        if self.form.context is not None:
            numbers = self.form.context("".join(self.texts))
            if numbers is not None:
                last["context"] = numbers
        return last

    def created_at(self) -> str:
        return moment(self.form.now_s + self.form.clock() - self._opened_s)

    def _add(self, event: ToolCall) -> None:
        call = self._calls.get(event.key)
        if call is None:
            call_id = event.id or "call_" + "".join(secrets.choice(LETTERS) for _ in range(8))
            call = self._calls[event.key] = _Call(event.name, call_id)
        call.arguments.append(event.arguments)


def shaped(form: Form, said: Json, *, created_at: str) -> Json:
    """An object of the answer around what is `said` in it, in the shape of its endpoint."""
    said = {"content": "", **said}
    outer = {"model": form.model, "created_at": created_at}
    logprobs = {"logprobs": said.pop("logprobs")} if "logprobs" in said else {}
    if form.generates:
        return {**outer, "response": said.pop("content"), **said, "done": False, **logprobs}
    message = {"role": "assistant", **said}
    return {**outer, "message": message, "done": False, **logprobs}


class LineStream:
    """Events in, lines out; the last of them, and it alone, says that it is done."""

    headers = HEADERS

    def __init__(self, form: Form) -> None:
        self._answer = Answer(form)
        self._form = form
        self._created_at = moment(form.now_s)
        self._before, self._after = _around(self._shaped({"content": ""}))

    def feed(self, events: Iterable[Event]) -> bytes:
        self._answer.begin()
        out: list[bytes] = []
        for event in events:
            if type(event) is Text and event.text:
                # The one path that is walked for every token: no dict is built here.
                self._answer.texts.append(event.text)
                text = orjson.dumps(event.text)
                out += (self._before, text if text.isascii() else unbroken(text), self._after)
                continue
            out += [line(self._shaped(said)) for said in self._answer.take(event)]
        return b"".join(out)

    def end(self) -> bytes:
        """The calls that had no end, and the last line."""
        lines = [line(self._shaped(said)) for said in self._answer.calls()]
        last = shaped(self._form, {}, created_at=self._answer.created_at()) | self._answer.end()
        return b"".join([*lines, line(last)])

    def wait(self) -> bytes:
        """A line that adds nothing: there are no comments, and an empty line breaks clients."""
        return self._before + b'""' + self._after

    def fail(self, error: ApiError) -> bytes:
        """A line that is an error, and none that says that all is done."""
        return OllamaErrors().cut(error)

    def _shaped(self, said: Json) -> Json:
        return shaped(self._form, said, created_at=self._created_at)


def _around(empty: Json) -> tuple[bytes, bytes]:
    """The bytes before and behind the text of a line that holds nothing but text."""
    mark = b'"content":' if "message" in empty else b'"response":'
    before, _, after = line(empty).rpartition(mark + b'""')
    return before + mark, after


class ObjectFold:
    """Events in, one object out."""

    headers = (JSON_TYPE,)

    def __init__(self, form: Form) -> None:
        self._answer = Answer(form)
        self._said: dict[str, list[Any]] = {}

    def feed(self, events: Iterable[Event]) -> None:
        for event in events:
            self._take(self._answer.take(event))

    def cut(self) -> bool:
        self._answer.reason = self._answer.reason or "length"
        return bool(self._answer.texts) and not self._answer.has_call()

    def end(self) -> bytes:
        self._take(self._answer.calls())
        said: Json = {
            name: "".join(pieces) if isinstance(pieces[0], str) else pieces
            for name, pieces in self._said.items()
        }
        whole = shaped(self._answer.form, said, created_at=self._answer.created_at())
        return dumps(whole | self._answer.end(at_once=True))

    def _take(self, pieces: Iterable[Json]) -> None:
        for said in pieces:
            for name, value in said.items():
                found = self._said.setdefault(name, [])
                found += value if isinstance(value, list) else [value]
