"""Answers that were cut, mutated, repeated and blown up: events or an AdapterError come of them.

Each reader's work is counted in calls of functions, which must not grow faster than its input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from adapters.base import AdapterError, Event, ToolCall
from adapters.wire import lines
from adapters.wire.lines import NdjsonDecoder, SseDecoder
from proxy.doors.chat.write import ChunkStream, Fold
from proxy.doors.openai import new_head
from proxy.routing.answers.thinktags import ThinkTags
from tests import recordings
from tests.adapters.gemini.kit import GeminiKit
from tests.adapters.groq.kit import GroqKit
from tests.adapters.kit import FakeUpstream, Reply, a_request, collect
from tests.adapters.ollama.kit import OllamaKit
from tests.adapters.openai.kit import OpenAIKit
from tests.recordings import Recording

pytestmark = pytest.mark.anyio

KITS = {"groq": GroqKit(), "gemini": GeminiKit(), "ollama": OllamaKit(), "openai": OpenAIKit()}
RECORDED = {"openai": "groq"}
"""Whose recordings serve for another that speaks the same."""
SSE, NDJSON, JSON = "text/event-stream", "application/x-ndjson", "application/json"
STREAM_TYPES = {"groq": SSE, "gemini": SSE, "ollama": NDJSON, "openai": SSE}
INPUTS = 60
"""Of each provider and form; fixed, so that each run sees the same."""
FUZZ = settings(
    max_examples=INPUTS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def recorded(provider: str, *, stream: bool) -> list[Recording]:
    return [
        each
        for each in recordings.load(RECORDED.get(provider, provider))
        if each.status == 200
        and each.is_stream is stream
        and each.kind not in ("audio", "models")
        and len(each.body) < 50_000
    ]


# -- the fuzzer -------------------------------------------------------------------------------

ODD = st.sampled_from([
    -5, 128, 10**8, 2**63, 2**64 - 1, 1e308, True, None, "", "x" * 5000, [], {}, [[]], [{}] * 3000,
    {"a": {"a": [5]}}, ["x"] * 3000, [{"index": at} for at in range(3000)],
    json.loads("[" * 200 + "]" * 200), "\u2028", "\x00",
])  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A recorded answer, spoiled in one to three ways."""
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(1, 3))):
        body = draw(st.sampled_from([_cut, _repeated, _inflated, _mutated, _mutated]))(draw, body)
    return body


def _cut(draw: st.DrawFn, body: bytes) -> bytes:
    start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
    return body[:start] + body[end:]


def _repeated(draw: st.DrawFn, body: bytes) -> bytes:
    rows = body.split(b"\n")
    at = draw(st.integers(0, len(rows) - 1))
    return b"\n".join(rows[:at] + rows[at : at + 2] * draw(st.integers(2, 200)) + rows[at + 2 :])


def _inflated(draw: st.DrawFn, body: bytes) -> bytes:
    at = draw(st.integers(0, len(body)))
    piece = draw(st.sampled_from([b"x", b" ", b"\n", b"\r", b"[", b"{}", b'{"a":', b"\xff", b"0"]))
    return body[:at] + piece * draw(st.sampled_from([10, 1000, 20_000])) + body[at:]


def _mutated(draw: st.DrawFn, body: bytes) -> bytes:
    """One value of one object replaced, however deep it stands."""
    rows = body.split(b"\n")
    at = draw(st.sampled_from([i for i, row in enumerate(rows) if b"{" in row] or [0]))
    start = max(rows[at].find(b"{"), 0)
    try:
        value = json.loads(rows[at][start:])
    except ValueError:
        return body
    node = value
    while isinstance(node, dict | list) and node:
        key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or draw(st.integers(0, 3)) == 0:
            node[key] = draw(ODD)
            break
        node = node[key]
    rows[at] = rows[at][:start] + json.dumps(value).encode()
    return b"\n".join(rows)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", KITS)
async def test_whatever_comes_events_that_can_be_told_or_an_adapter_error(
    provider: str, stream: bool
) -> None:
    bodies = [each.body for each in recorded(provider, stream=stream)]
    if not bodies:
        pytest.skip("no recordings beside the project")
    found: list[tuple[bytes, int]] = []

    @FUZZ
    @given(spoiled(bodies), st.integers(1, 5000))
    def collect(body: bytes, size: int) -> None:
        found.append((body, size))

    collect()
    assert len(found) >= INPUTS // 2
    client = Client(provider)
    for body, size in found:
        pieces = [body[at : at + size] for at in range(0, len(body), size)][:2000]
        await client.told(pieces, stream=stream)


class Client:
    """A client of one adapter, which is made once: the SDKs take their time."""

    def __init__(self, provider: str) -> None:
        self._kit = KITS[provider]
        self._type = STREAM_TYPES[provider]
        self._fake = FakeUpstream()
        self._adapter = self._kit.adapter(self._fake.upstream)

    async def told(self, pieces: list[bytes], *, stream: bool = True) -> bytes:
        """What is read, as chunks and as one object; empty where the provider failed."""
        reply = Reply(tuple(pieces), content_type=self._type if stream else JSON)
        self._fake.replies, self._fake.requests = (reply,), []
        try:
            events = await collect(self._adapter, a_request(self._kit, stream=stream))
        except AdapterError as error:
            assert len(error.message) <= 1000
            return b""
        head = new_head(model="m", now_s=0)
        chunks = ChunkStream(head, include_usage=True, legacy_functions=False)
        fold = Fold(head, legacy_functions=False)
        fold.feed(events)
        return chunks.feed(events) + chunks.end() + fold.end()


# -- steps ------------------------------------------------------------------------------------


@contextmanager
def counting(counts: list[int]) -> Iterator[None]:
    """Appends how many functions were called inside."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)
        counts.append(calls)


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def groq_chunk(delta: Any, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "delta": delta, **more}]}


def groq_pieces(n: int) -> list[bytes]:
    call = {"index": 0, "function": {"name": "", "arguments": "x"}}
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}
    rows = [groq_chunk({"tool_calls": [first]}), *[groq_chunk({"tool_calls": [call]})] * n]
    return [sse(row) for row in rows] + [sse(groq_chunk({}, finish_reason="stop")), DONE]


def ollama_pieces(n: int) -> list[bytes]:
    line = json.dumps({"message": {"content": "x"}}).encode() + b"\n"
    return [line] * n + [b'{"message":{"content":""},"done":true,"done_reason":"stop"}\n']


def gemini_pieces(n: int) -> list[bytes]:
    row = sse({"candidates": [{"content": {"parts": [{"text": "x"}]}}]})
    end = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}}
    return [row] * n + [sse(end)]


def byte_by_byte(pieces: Callable[[int], list[bytes]]) -> Callable[[int], list[bytes]]:
    return lambda n: [bytes([one]) for piece in pieces(n // 20) for one in piece]


DONE = b"data: [DONE]\n\n"
GROWING: dict[str, tuple[str, Callable[[int], list[bytes]]]] = {
    "arguments in pieces": ("groq", groq_pieces),
    "arguments, a byte a packet": ("groq", byte_by_byte(groq_pieces)),
    "arguments of another": ("openai", groq_pieces),
    "arguments of another, a byte a packet": ("openai", byte_by_byte(groq_pieces)),
    "texts": ("gemini", gemini_pieces),
    "texts, a byte a packet": ("gemini", byte_by_byte(gemini_pieces)),
    "lines": ("ollama", ollama_pieces),
    "lines, a byte a packet": ("ollama", byte_by_byte(ollama_pieces)),
}


@pytest.mark.parametrize(("provider", "pieces"), GROWING.values(), ids=GROWING.keys())
async def test_a_reader_takes_no_more_steps_a_byte_of_a_long_answer(
    provider: str, pieces: Callable[[int], list[bytes]]
) -> None:
    steps: list[int] = []
    client = Client(provider)
    assert await client.told(pieces(20))
    for n in (100, 400, 1600):
        with counting(steps):
            assert await client.told(pieces(n))

    small, middle, large = steps
    assert middle < 5 * small
    assert large < 5 * middle


@pytest.mark.parametrize("decoder", [SseDecoder, NdjsonDecoder])
@pytest.mark.parametrize("drop", [b"x", b": x\n", b"x\r"], ids=["bytes", "comments", "returns"])
def test_what_waits_for_its_end_is_not_read_again_with_each_packet(
    decoder: type[SseDecoder | NdjsonDecoder], drop: bytes
) -> None:
    reader = decoder()
    reader.feed(b"data: " + b"x" * (lines.MAX_LINE_BYTES - 200_000))
    began = time.thread_time()

    for at in range(3000):
        reader.feed(drop if decoder is SseDecoder or at % 2 else b"x")

    assert time.thread_time() - began < 3  # read anew each time, it takes 10 ms a packet


def test_blanks_before_a_tag_are_held_up_to_a_limit() -> None:
    tags = ThinkTags(0)

    events = [event for _ in range(5000) for event in tags.feed(" ")]

    assert len(events) > 3000


def test_arguments_in_pieces_are_one_text() -> None:
    fold = Fold(new_head(model="m", now_s=0), legacy_functions=False)
    events: list[Event] = [ToolCall(key="a", name="f", arguments=str(at)) for at in range(3)]
    fold.feed([*events, ToolCall(key="b", name="g", arguments="{}")])

    calls = json.loads(fold.end())["choices"][0]["message"]["tool_calls"]

    assert [call["function"]["arguments"] for call in calls] == ["012", "{}"]
