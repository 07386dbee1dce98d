"""What the tests of Ollama's door share: a reader of lines that takes nothing but the grammar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import ollama

from adapters.base import ChatRequest, Event, Json, Thinking
from proxy.console.explain import PIXEL
from proxy.doors.door import Call, Opening
from proxy.doors.ollama import OllamaChat, OllamaGenerate
from proxy.doors.ollama.read import Parsed
from proxy.doors.ollama.write import Answer, LineStream, ObjectFold

PNG = PIXEL.partition(",")[2]
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
COUNTS = ("prompt_eval_count", "eval_count")


def ticking() -> Any:
    """A clock on which each look takes a second."""
    ticks: Iterator[int] = count()
    return lambda: float(next(ticks))


def form(*, generates: bool = False, **fields: Any) -> Parsed:
    request = ChatRequest("asked", [], thinking=fields.pop("thinking", Thinking()))
    return Parsed(request, name="asked:latest", generates=generates, **fields)


def answer(asked: Parsed | None = None, clock: Callable[[], float] | None = None) -> Answer:
    return Answer(asked or form(), Opening("", 1_790_000_000.25, 7), clock or ticking())


class Grammar:
    """Reads a stream; what the API does not have is an AssertionError."""

    def __init__(self, data: bytes, *, generates: bool = False) -> None:
        *lines, rest = data.decode().split("\n")
        assert rest == "" and all(lines), "a line is empty, or not ended"
        self.lines: list[Json] = [json.loads(line) for line in lines]
        self.error: str | None = None
        if "error" in self.lines[-1]:
            self.error = self.lines.pop()["error"]
        self.text = self.thinking = ""
        self.calls: list[Json] = []
        self.logprobs: list[Json] = []
        self.last: Json = {}
        for line in self.lines:
            assert not self.last, "something follows the end"
            self._take(line, generates)
        assert bool(self.last) != bool(self.error)

    def _take(self, line: Json, generates: bool) -> None:
        kind: Any = ollama.GenerateResponse if generates else ollama.ChatResponse
        read = kind(**line)
        assert read.model == "asked:latest" and read.created_at.endswith("Z")
        said = line if generates else line["message"]
        assert generates or said["role"] == "assistant"
        new = said["response" if generates else "content"]
        assert not (self.text and said.get("thinking")), "a thought behind the text"
        self.text += new
        self.thinking += said.get("thinking", "")
        for call in said.get("tool_calls", ()):
            assert line["done"] is False and isinstance(call["function"]["arguments"], dict)
            assert call["function"]["index"] == len(self.calls) and call["id"]
            self.calls.append(call)
        self.logprobs += line.get("logprobs", ())
        if line["done"]:
            self.last = checked_end(line)


def checked_end(line: Json) -> Json:
    assert line["done_reason"] in ("stop", "length")
    assert all(type(line[name]) is int and line[name] >= 1 for name in DURATIONS)
    assert all(type(line[name]) is int for name in COUNTS)
    return line


def streamed(events: Iterable[Event], made: Parsed | None = None) -> Grammar:
    """The events as a stream, fed one by one."""
    made = made or form()
    stream = LineStream(answer(made))
    data = b"".join([*(stream.feed([event]) for event in events), stream.end()])
    return Grammar(data, generates=made.generates)


def folded(events: Iterable[Event], made: Parsed | None = None) -> Json:
    """The events as one object."""
    fold = ObjectFold(answer(made))
    fold.feed(events)
    return checked_end(json.loads(fold.end()))


def chat(**data: Any) -> Parsed:
    asked = OllamaChat(clock=ticking()).read(Call(json.dumps({"model": "m", **data}).encode()))
    assert isinstance(asked, Parsed)
    return asked


def asked(*messages: Json, **data: Any) -> ChatRequest:
    """The neutral request of a chat."""
    said = messages or ({"role": "user", "content": "Hi"},)
    request = chat(messages=said, **data).request
    assert isinstance(request, ChatRequest)
    return request


def generate(**data: Any) -> Parsed:
    body = json.dumps({"model": "m", "prompt": "Hi", **data}).encode()
    found = OllamaGenerate(clock=ticking()).read(Call(body))
    assert isinstance(found, Parsed)
    return found
