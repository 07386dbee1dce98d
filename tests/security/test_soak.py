"""Very many at once; only with POINTSMAN_SOAK=1, which also makes the other tests here larger."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.kit import (
    SOAK,
    Fakes,
    Process,
    ask,
    body_of,
    fakes_running,
    post,
    process,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not SOAK, reason="takes minutes: POINTSMAN_SOAK=1"),
]
STREAMS = 1000
IDLE = 10_000
MIB = 2**20


@pytest.fixture(autouse=True, scope="module")
def open_files() -> Iterator[None]:
    """Both ends of all connections of the clients and the fakes are files of this process."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[tuple[Process, Fakes]]:
    with fakes_running() as fakes, process(fakes, tmp_path) as running:
        yield running, fakes


async def test_a_thousand_streams_at_once_are_complete(one: tuple[Process, Fakes]) -> None:
    server, fakes = one
    fakes.groq.interval_s = 0.5
    answers = await asyncio.gather(
        *(talk(server.port, post(body_of(stream=True), Connection="close")) for _ in range(STREAMS))
    )
    assert {answer.split(b"\r\n", 1)[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    assert all(b"data: [DONE]" in answer for answer in answers)
    assert all(b'"error"' not in answer for answer in answers)
    assert fakes.chats == STREAMS
    assert server.rss_bytes() < 1024 * MIB


async def test_idle_connections_are_held_and_let_go(one: tuple[Process, Fakes]) -> None:
    server, _ = one
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2  # above that it makes room
    idle: list[asyncio.StreamWriter] = []
    for _ in range(0, min(IDLE, most - 500), 500):
        made = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", server.port) for _ in range(500))
        )
        idle += [writer for _, writer in made]
    for _ in range(50):
        reply = await asyncio.to_thread(ask, server.port, post(body_of()))
        assert reply.status == 200
    assert server.open_files() > len(idle)
    assert server.rss_bytes() < 400 * MIB
    for writer in idle:
        writer.close()
    await asyncio.gather(*(closed(writer) for writer in idle))
    server.terminate()
    assert await asyncio.to_thread(server.exit_code) == 0


async def closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def talk(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(120):
        answer = await reader.read()
    writer.close()
    await closed(writer)
    return answer
