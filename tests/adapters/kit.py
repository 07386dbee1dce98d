"""What the adapters' tests share: a `Kit` each, an upstream that answers from a list, a fold."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import httpx
import pytest
from msgspec import structs

from adapters.base import (
    Adapter,
    AdapterError,
    ChatRequest,
    Event,
    Finish,
    Json,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from adapters.upstream import Upstream

API_KEY = "test-key-7f3a9c"
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


# What an adapter's test file provides


@dataclass(frozen=True)
class Answer:
    """What a model says, in nobody's wire format; each entry of `texts` is one streamed piece."""

    texts: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[tuple[str, Json], ...] = ()
    finish: str = "stop"
    prompt: int = 21
    completion: int = 9
    cached: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `error` is raised after the last piece, `hang` waits there for ever."""

    pieces: tuple[bytes, ...]
    content_type: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    error: Exception | None = None
    hang: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class Kit(Protocol):
    """How one provider's answers look on the wire.

    `counts_cached` and `counts_reasoning` tell whether the provider reports these tokens.
    """

    name: str
    model: str
    stream_type: str
    counts_cached: bool
    counts_reasoning: bool

    def adapter(self, upstream: Upstream) -> Adapter:
        """An adapter over `upstream`, configured with `API_KEY` where the provider wants one."""

    def whole(self, answer: Answer) -> Json:
        """The JSON object of a plain answer."""

    def stream(self, answer: Answer) -> list[Json]:
        """The JSON objects of a streamed answer, in order."""

    def frame(self, objects: list[Json]) -> bytes:
        """A stream's bytes, end mark included."""

    def refusal(self, status: int, message: str) -> Json:
        """The JSON body of an error."""


# The upstream: a transport that answers from a list


class _Body(httpx.AsyncByteStream):
    def __init__(self, reply: Reply, waiting: asyncio.Event) -> None:
        self.reply = reply
        self.waiting = waiting
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.reply.pieces:
            await asyncio.sleep(0)
            yield piece
        if self.reply.hang:
            self.waiting.set()
            await asyncio.Event().wait()
        if self.reply.error:
            raise self.reply.error

    async def aclose(self) -> None:
        self.closed = True


class FakeUpstream(httpx.AsyncBaseTransport):
    """Gives `replies` in turn (the last one again and again) and keeps what was asked of it."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = replies
        self.requests: list[httpx.Request] = []
        self.bodies: list[_Body] = []
        self.waiting = asyncio.Event()  # set once a body hangs

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        body = _Body(reply, self.waiting)
        self.bodies.append(body)
        headers = [("content-type", reply.content_type), *reply.headers]
        return httpx.Response(reply.status, headers=headers, stream=body)

    @property
    def upstream(self) -> Upstream:
        return Upstream(client=httpx.AsyncClient(transport=self), transport=self)

    @property
    def sent(self) -> Json:
        """The JSON body of the last request."""
        body: Json = json.loads(self.requests[-1].content)
        return body


class DictMemory:
    """The adapters' `Memory` for a test."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def put(self, key: str, value: str) -> None:
        self.values[key] = value


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Reply((json.dumps(value, ensure_ascii=False).encode(),), status=status, headers=named)


def stream_reply(kit: Kit, answer: Answer) -> Reply:
    return Reply((kit.frame(kit.stream(answer)),), content_type=kit.stream_type)


def a_request(kit: Kit, **fields: Any) -> ChatRequest:
    values: Json = {"model": kit.model, "messages": [{"role": "user", "content": "Hi"}]}
    return ChatRequest(**{**values, **fields})


async def collect(adapter: Adapter, request: ChatRequest) -> list[Event]:
    """All events of an answer."""
    async with contextlib.aclosing(adapter.chat(request)) as batches:
        return [event async for batch in batches for event in batch]


async def ask(kit: Kit, reply: Reply | Exception, request: ChatRequest) -> list[Event]:
    return await collect(kit.adapter(FakeUpstream(reply).upstream), request)


async def failure(kit: Kit, reply: Reply | Exception, request: ChatRequest) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        await ask(kit, reply, request)
    return caught.value


# Folding


@dataclass
class Folded:
    """What the events add up to; arguments parsed."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: list[str] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)


def fold(events: list[Event]) -> Folded:
    folded = Folded()
    calls: dict[str | int, list[str]] = {}
    for event in events:
        match event:
            case Text():
                folded.text += event.text
            case Reasoning():
                folded.reasoning += event.text
            case Refusal():
                folded.refusal += event.text
            case ToolCall():
                call = calls.setdefault(event.key, ["", ""])
                call[0] += event.name
                call[1] += event.arguments
            case Finish():
                folded.finish.append(event.reason)
            case Usage():
                folded.usage.append(structs.replace(event, extra=None))
    folded.calls = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    return folded


def expected(kit: Kit, answer: Answer) -> Folded:
    usage = Usage(
        prompt=answer.prompt,
        completion=answer.completion,
        reasoning=answer.reasoning_tokens if kit.counts_reasoning else None,
        cached=answer.cached if kit.counts_cached else None,
    )
    return Folded(
        text="".join(answer.texts),
        reasoning="".join(answer.reasoning),
        calls=list(answer.calls),
        finish=[answer.finish],
        usage=[usage],
    )


def counted(folded: Folded) -> Folded:
    """The same where a count that is not told (None) and a count of 0 are no different."""
    usage = [
        structs.replace(u, reasoning=u.reasoning or None, cached=u.cached or None)
        for u in folded.usage
    ]
    return replace(folded, usage=usage)


ANSWERS = {
    "plain text": Answer(texts=("Hello.",)),
    "text in pieces": Answer(texts=("Hel", "lo, ", "wor", "ld.")),
    "unicode": Answer(texts=("a\u2028b\u0085", "c\u2029 né 🦊", "\ud7ff \\n\n\t\"'</script>")),
    "one call": Answer(calls=(("weather", {"city": "Köln"}),), finish="tool_calls"),
    "two calls": Answer(
        calls=(("weather", {"city": "Oslo"}), ("weather", {"city": "Bergen \u2028"})),
        finish="tool_calls",
    ),
    "call without arguments": Answer(calls=(("weather", {}),), finish="tool_calls"),
    "text, then a call": Answer(
        texts=("Let me ", "look."), calls=(("weather", {"city": "Rome"}),), finish="tool_calls"
    ),
    "reasoning, then text": Answer(
        reasoning=("Easy: ", "42."), texts=("The answer ", "is 42."), reasoning_tokens=4
    ),
    "cut by length": Answer(texts=("It was a dark",), finish="length"),
    "cached tokens": Answer(texts=("Again.",), prompt=300, cached=256),
}
answers = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
modes = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


def reply_to(kit: Kit, answer: Answer, stream: bool) -> Reply:
    return stream_reply(kit, answer) if stream else json_reply(kit.whole(answer))
