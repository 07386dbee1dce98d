"""What one network read brings is read bit by bit, and everybody else has a turn in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.base import AdapterError, Annotation, ErrorKind, NativeCall, Text
from adapters.wire import native, reading
from adapters.wire.aside import ASIDE, Aside
from adapters.wire.bounds import MAX_ANNOTATIONS
from adapters.wire.portions import LONG
from tests.adapters.bedrock.kit import BedrockKit
from tests.adapters.kit import FakeUpstream, Kit, Reply, a_request, collect
from tests.adapters.native_kit import (
    END,
    JSON,
    NDJSON,
    PLAIN,
    STREAM,
    answer,
    batches_of,
    failure_of,
    row,
)
from tests.adapters.test_hostile_answers import KITS
from tests.fakes.bedrock_wire import framed

pytestmark = pytest.mark.anyio

READ = 256 * 1024
MOST_STEPS = 30_000
"""Calls of functions from one turn to the next; a few milliseconds."""
ALL: dict[str, Kit] = {**KITS, "bedrock": BedrockKit()}
SMALL: dict[str, tuple[str, bytes]] = {
    "empty lines": ("groq", b"\n"),
    "comments": ("openai", b":\n\n"),
    "events without data": ("groq", b"data:\n\n"),
    "events of nothing": ("gemini", b"data: {}\n\n"),
    "words": ("groq", b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'),
    "blank lines": ("ollama", b"\n"),
    "lines of nothing": ("ollama", b"{}\n"),
    "messages of nothing": ("bedrock", framed(b"", b"")),
}


@pytest.fixture(autouse=True)
async def thread() -> AsyncIterator[None]:
    """Where what is large is done, as in the server."""
    made = Aside()
    before = ASIDE.set(made)
    yield
    ASIDE.reset(before)
    await made.close()


class Turns:
    """Counts the turns of others, and the most functions that were called between two of them."""

    def __init__(self) -> None:
        self.count = self.most = self._calls = 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        beside = asyncio.create_task(self._beside())
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)
            beside.cancel()

    async def _beside(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.count += 1
            self.most, self._calls = max(self.most, self._calls), 0

    def _called(self, _frame: object, event: str, _argument: object) -> None:
        self._calls += event in ("call", "c_call")


async def test_others_have_their_turn_while_much_is_read_at_once() -> None:
    rows = row("a") * (READ // len(row("a")))
    turns = Turns()
    with turns.counted():
        batches = await batches_of(answer(rows, END, headers=NDJSON))

    texts = [event for batch in batches for event in batch if type(event) is Text]
    assert len(texts) == rows.count(b"\n")
    assert turns.count >= READ // native.TURN_BYTES - 1
    assert max(map(len, batches)) <= native.TURN_BYTES // len(row("a")) + 2


@pytest.mark.parametrize(("provider", "piece"), SMALL.values(), ids=SMALL)
async def test_no_turn_takes_many_steps_however_small_the_lines_are(
    provider: str, piece: bytes
) -> None:
    kit = ALL[provider]
    fake = FakeUpstream()
    adapter = kit.adapter(fake.upstream)
    fake.replies = (Reply((piece * (READ // len(piece)),), kit.stream_type),) * 2
    turns = Turns()
    for _ in range(2):  # what comes in with the first is no matter here
        turns.most = 0
        with turns.counted(), contextlib.suppress(AdapterError):
            await collect(adapter, a_request(kit, stream=True))

    assert turns.most < MOST_STEPS


async def test_what_the_end_of_a_long_stream_takes_is_done_aside() -> None:
    cited = {"segment": {"endIndex": 1}, "groundingChunkIndices": list(range(100))}
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a/"}}] * 100,
        "groundingSupports": [cited] * 1000,
    }
    said = {"content": {"parts": [{"text": "a"}]}, "groundingMetadata": grounding}
    event = (
        b"data: %b\n\n" % json.dumps({"candidates": [{**said, "finishReason": "STOP"}]}).encode()
    )
    kit, fake = ALL["gemini"], FakeUpstream()
    adapter = kit.adapter(fake.upstream)
    fake.replies = (Reply((event,), kit.stream_type),) * 2
    turns = Turns()
    for _ in range(2):
        turns.most = 0
        with turns.counted():
            events = await collect(adapter, a_request(kit, stream=True))

    assert sum(type(event) is Annotation for event in events) == MAX_ANNOTATIONS
    assert turns.most < MOST_STEPS


async def test_a_stream_in_a_plain_answer_s_place_holds_no_more_than_one() -> None:
    rows = row("a" * (1024 * 1024))
    pieces = (rows,) * (reading.MAX_ANSWER_BYTES // len(rows) + 1)

    assert len(await batches_of(answer(*pieces, END), call=STREAM)) > len(pieces)
    error, _ = await failure_of(answer(*pieces, END), call=PLAIN)
    assert error.kind is ErrorKind.RESPONSE_TOO_LARGE


@pytest.mark.parametrize("call", [PLAIN, STREAM], ids=["plain", "stream"])
async def test_a_large_plain_answer_is_told_bit_by_bit(call: NativeCall) -> None:
    text = "a" * 20 * LONG
    turns = Turns()
    with turns.counted():
        batches = await batches_of(answer(row(text), END, headers=JSON), call=call)

    texts = [event.text for batch in batches for event in batch if type(event) is Text]
    assert "".join(texts) == text
    assert max(map(len, texts)) == LONG
    assert turns.count >= len(texts)
