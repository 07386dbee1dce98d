"""Hostile and good traffic side by side: the good is answered, and the memory comes back.

POINTSMAN_SOAK=1 makes it long, and measures how much longer a good request takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.server import Answer, Fault
from tests.security.kit import (
    CHAT,
    HEAD,
    SOAK,
    Fakes,
    Process,
    body_of,
    fakes_running,
    post,
    process,
    sized,
)

pytestmark = pytest.mark.anyio

GOOD_ONES = sized(40, 1500)
ROUNDS = sized(2, 60)
MIB = 2**20
SSE = (("content-type", "text/event-stream"),)
PINNED = {"x-pointsman-fallback": "off", "Connection": "close"}


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def chunk(delta: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": index, "delta": delta, **more}]}


ARGUMENTS = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "x"}}]}
DEEP = json.loads("[" * 300 + "]" * 300)
ANSWERS: dict[str, Answer] = {
    "a choice's index": Answer(200, SSE, (sse(chunk({"content": "a"}, index=100_000_000)),)),
    "many choices": Answer(200, SSE, tuple(sse(chunk({"content": "a"}, i)) for i in range(3000))),
    "pieces of arguments": Answer(200, SSE, (sse(*[chunk(ARGUMENTS)] * 5000),)),
    "a line without end": Answer(200, SSE, (b"data: " + b"x" * 3_900_000, *[b"x"] * 300)),
    "a deep citation": Answer(200, SSE, (sse(chunk({"annotations": [{"a": DEEP}]})),)),
    "log probabilities": Answer(200, SSE, (sse(chunk({"content": "a"}, logprobs={"content": 5})),)),
    "usage": Answer(
        200,
        SSE,
        (
            sse(
                chunk({"content": "a"}, finish_reason="stop")
                | {"usage": {"prompt_tokens": 2**64 - 1}}
            ),
        ),
    ),
    "a code": Answer(400, (), (json.dumps({"error": {"code": "C" * 900_000}}).encode(),)),
    "a bomb": Answer(
        200,
        (("content-type", "application/json"), ("content-encoding", "gzip")),
        (gzip.compress(b"[" + b"{}," * 20_000_000),),
    ),
}
NAMES = [f"k{at}" for at in range(4000)]


def tool(parameters: Any) -> bytes:
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    return post(body_of("ollama/llama3.2", tools=tools), CHAT, **PINNED)


REQUESTS: dict[str, bytes] = {
    "pipelined": b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5000,
    "heads": HEAD + b"ab:cd\r\n" * 9000,
    "small values": post(b'{"a":[' + b"{}," * 41_000 + b"{}]}", CHAT, **PINNED),
    "a wide schema": tool(dict.fromkeys(NAMES, True) | {"anyOf": [{}] * 900}),
    "required": tool({"type": "object", "required": NAMES, "properties": {n: {} for n in NAMES}}),
    "references": tool(
        {"$ref": "#/$defs/k0", "$defs": {n: {"$ref": f"#/$defs/{n}0"} for n in NAMES[:900]}}
    ),
    "half a body": HEAD + b"Content-Type: application/json\r\nContent-Length: 33554432\r\n\r\n"
    + b"x" * 140_000,
}  # fmt: skip


@pytest.fixture
def one(tmp_path: Path) -> Iterator[tuple[Process, Fakes]]:
    with fakes_running() as fakes, process(fakes, tmp_path) as running:
        yield running, fakes


async def test_good_requests_are_answered_beside_hostile_ones(one: tuple[Process, Fakes]) -> None:
    server, fakes = one
    alone = await good(server)
    if SOAK:
        await attack(server, fakes, rounds=2)  # what comes in with the first of a kind is no growth
    before = server.rss_bytes()
    hostile = asyncio.create_task(attack(server, fakes))
    beside = await good(server, until=hostile.done)
    statuses = await hostile

    assert len(beside) >= GOOD_ONES
    assert statuses
    assert statuses <= {200, 400, 431, 502, 503}  # never our own 500
    assert "Traceback" not in server.said
    if SOAK:
        assert p99(beside) < 3 * p99(alone)
        await settled(lambda: server.rss_bytes() < before + 10 * MIB)
    assert server.rss_bytes() < before + 100 * MIB


async def good(server: Process, until: Callable[[], bool] = lambda: True) -> list[float]:
    """How long each of many good requests took; all are answered."""
    took: list[float] = []
    while len(took) < GOOD_ONES or not until():
        began = time.monotonic()
        answer = await talk(server.port, post(body_of("ollama/llama3.2"), CHAT, **PINNED))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
        took.append(time.monotonic() - began)
    return took


async def attack(server: Process, fakes: Fakes, rounds: int = ROUNDS) -> set[int]:
    """Every hostile request and answer, by turns; the statuses that came of them."""
    statuses: set[int] = set()
    for _ in range(rounds):
        for stream in (False, True):
            for answer in ANSWERS.values():
                fakes.groq.script.clear()
                fakes.groq.then(*[Fault(answer)] * 2)
                asked = post(body_of("groq/openai/gpt-oss-120b", stream=stream), CHAT, **PINNED)
                statuses.add(status(await talk(server.port, asked)))
        talks = [talk(server.port, data, patience_s=1) for data in REQUESTS.values()]
        statuses |= set(map(status, await asyncio.gather(*talks)))
    return statuses - {0}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1") else 0


async def talk(port: int, data: bytes, *, patience_s: float = 30) -> bytes:
    """What comes back until the connection ends, or patience does; none is not read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(patience_s):
            while piece := await reader.read(MIB):
                answer += piece[: max(0, MIB - len(answer))]
    writer.transport.abort()
    return answer


async def settled(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.5)


def p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]
