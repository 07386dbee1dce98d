"""Ollama's wire format for answers: lines of JSON, and the one object. Pure except for the clock.

Both are made of what one `Answer` says of the same events.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from adapters.base import (
    Event,
    Finish,
    Json,
    Logprobs,
    Media,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from adapters.translation.arguments import arguments_or_text
from adapters.wire.writing import dumps
from proxy.doors.door import Opening
from proxy.doors.frames.ndjson import HEADERS, line, unbroken
from proxy.doors.ollama.context import numbers_of
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.objects import logprob, moment, nanoseconds
from proxy.doors.ollama.read import Parsed
from proxy.doors.writing.calls import HeldCalls
from proxy.doors.writing.whole import JSON_TYPE
from proxy.errors import ApiError

LETTERS = string.ascii_lowercase + string.digits


class Answer:
    """Where an answer stands; `clock` is what it was asked by."""

    def __init__(self, asked: Parsed, opening: Opening, clock: Callable[[], float]) -> None:
        self.texts: list[str] = []
        self.reason: str | None = None
        self._asked = asked
        self._opening = opening
        self._clock = clock
        self._opened_s = clock()
        self._first_s: float | None = None
        self._held = HeldCalls()
        self._told = 0
        self._usage: Usage | None = None

    def begin(self) -> None:
        """There is something to say; a stream may have begun before, to keep its client waiting."""
        if self._first_s is None:
            self._first_s = self._clock()

    def take(self, event: Event) -> Iterator[Json]:
        """What an event adds to the message, under its names: a line of a stream for each."""
        match event:
            case Text(text) | Refusal(text) if text:
                self.texts.append(text)
                yield {"content": text}
            case Reasoning(text):
                if text and self._asked.request.thinking.include is not False:
                    yield {"thinking": text}
            case Logprobs(content):
                yield {"logprobs": [logprob(entry) for entry in content]}
            case Media(mime_type, data):
                if self._asked.generates and mime_type.startswith("image/"):
                    yield {"image": data}  # in a chat's message no client can read one
            case Finish(reason):
                self.reason = self.reason or reason
                yield from self.calls()
            case ToolCall():
                self._held.add(event)
            case Usage():
                self._usage = event

    def calls(self) -> Iterator[Json]:
        """The calls that are whole now, each once."""
        for call in self._held.whole()[self._told :]:
            function = {
                "index": self._told,
                "name": call.name,
                "arguments": arguments_or_text(call.arguments),
            }
            self._told += 1
            call_id = call.id or "call_" + "".join(secrets.choice(LETTERS) for _ in range(8))
            yield {"tool_calls": [{"id": call_id, "function": function}]}

    def has_call(self) -> bool:
        return bool(self._held)

    def end(self, *, at_once: bool = False) -> Json:
        """What stands in the last line alone; `at_once` of an answer that came in one piece."""
        now = self._clock()
        total_s = max(now - self._asked.began_s, 0.0)
        # Of what came at once nobody can tell how long was read, and how long written.
        first_s = now if self._first_s is None else self._first_s
        asking_s = total_s / 10 if at_once else min(first_s - self._asked.began_s, total_s)
        used = self._usage or Usage(self._opening.prompt_guess, len(self.texts))
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
        if (said := self._asked.said) is not None:
            numbers = numbers_of([*said, ("assistant", "".join(self.texts))])
            if numbers is not None:
                last["context"] = numbers
        return last

    def shaped(self, said: Json, *, began: bool = False) -> Json:
        """An object of the answer around what is `said` in it; of now, or of when it `began`."""
        passed_s = 0 if began else self._clock() - self._opened_s
        return shaped(self._asked, said, created_at=moment(self._opening.now_s + passed_s))


def shaped(asked: Parsed, said: Json, *, created_at: str) -> Json:
    """The same in the shape of the endpoint that was asked."""
    said = {"content": "", **said}
    outer = {"model": asked.name, "created_at": created_at}
    logprobs = {"logprobs": said.pop("logprobs")} if "logprobs" in said else {}
    if asked.generates:
        return {**outer, "response": said.pop("content"), **said, "done": False, **logprobs}
    message = {"role": "assistant", **said}
    return {**outer, "message": message, "done": False, **logprobs}


class LineStream:
    """Events in, lines out; the last of them, and it alone, says that it is done."""

    headers = HEADERS

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
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
        last = self._answer.shaped({}) | self._answer.end()
        return b"".join([*lines, line(last)])

    def wait(self) -> bytes:
        """A line that adds nothing: there are no comments, and an empty line breaks clients."""
        return self._before + b'""' + self._after

    def fail(self, error: ApiError) -> bytes:
        """A line that is an error, and none that says that all is done."""
        return OllamaErrors().cut(error)

    def _shaped(self, said: Json) -> Json:
        return self._answer.shaped(said, began=True)


def _around(empty: Json) -> tuple[bytes, bytes]:
    """The bytes before and behind the text of a line that holds nothing but text."""
    mark = b'"content":' if "message" in empty else b'"response":'
    before, _, after = line(empty).rpartition(mark + b'""')
    return before + mark, after


class ObjectFold:
    """Events in, one object out."""

    headers = (JSON_TYPE,)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
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
        return dumps(self._answer.shaped(said) | self._answer.end(at_once=True))

    def _take(self, pieces: Iterable[Json]) -> None:
        for said in pieces:
            for name, value in said.items():
                found = self._said.setdefault(name, [])
                found += value if isinstance(value, list) else [value]
