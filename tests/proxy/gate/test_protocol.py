"""What a connection leaves behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakSet

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.doors import speller_of
from proxy.gate.body import WATCH
from proxy.gate.guard import MAX_HEADERS
from proxy.gate.protocol import (
    LONGEST_BODY_S,
    MAX_PIECES,
    MAX_QUEUED,
    SLICE_BYTES,
    STUCK_S,
    Protocol,
    speaking,
)

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer to a request that is whole; meanwhile the client is watched."""
    scope["extensions"][WATCH]["watch"](lambda: None)
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    if message["type"] == "http.request":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
async def connections() -> AsyncIterator[tuple[int, WeakSet[Protocol]]]:
    """A port, and the connections to it that are still in memory; nothing collects cycles."""
    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None)
    state, alive = ServerState(), WeakSet[Protocol]()
    make = speaking(speller_of)

    def accept() -> Protocol:
        alive.add(protocol := make(config, state, {}))
        return protocol

    gc.disable()
    try:
        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1], alive
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", b""),
        (b"POST / HT", b""),
        (POST, b""),
        (POST + b"{}", b"done"),
        (POST + b"{}" + POST, b"done"),
        (b"?\r\n\r\n", b"400"),
    ],
)
async def test_a_connection_that_ends_is_gone_without_the_collector(
    connections: tuple[int, WeakSet[Protocol]], sent: bytes, expected: bytes
) -> None:
    port, alive = connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    received = b""
    while expected not in received:
        received += await reader.read(1024)
    while not alive:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.001)
    writer.close()

    async with asyncio.timeout(5):
        while alive:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_of_many_requests_at_once_a_few_wait_and_all_are_answered(
    connections: tuple[int, WeakSet[Protocol]],
) -> None:
    port, alive = connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = queued = 0
    writer.write(GET * 3000)
    async with asyncio.timeout(20):
        while answers < 3000:
            answers += (await reader.read(4096)).count(b"200 OK")
            queued = max(queued, *(len(one.pipeline) for one in alive))
    writer.close()

    assert answers == 3000
    assert MAX_QUEUED <= queued <= MAX_QUEUED + SLICE_BYTES // len(GET) + 1


async def test_who_never_reads_is_not_read_either(
    connections: tuple[int, WeakSet[Protocol]],
) -> None:
    """Requests that nothing is done for yet take memory: there are never more than a few."""
    port, alive = connections
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST + GET * 100_000)  # the first waits for a body that is answered after it
    for _ in range(200):
        await asyncio.sleep(0)
    writer.write(GET * 100_000)
    for _ in range(200):
        await asyncio.sleep(0.001)

    assert all(len(one.pipeline) <= MAX_QUEUED + SLICE_BYTES // len(GET) + 1 for one in alive)
    writer.close()


async def test_headers_are_counted_before_the_last_of_them_has_come(
    connections: tuple[int, WeakSet[Protocol]],
) -> None:
    port, alive = connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"ab:cd\r\n" * 5000)
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert b" 431 " in answer
    assert all(len(one.headers) <= MAX_HEADERS + 1 for one in alive)


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1\r\n\n\r\n"], ids=["", "like heads"])
async def test_chunks_of_a_few_bytes_are_refused(
    connections: tuple[int, WeakSet[Protocol]], chunk: bytes
) -> None:
    port, alive = connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED + chunk * (2 * MAX_PIECES))
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert b" 400 " in answer
    assert all(len(one.cycle.body) <= MAX_PIECES for one in alive)


async def test_many_chunks_that_come_by_and_by_are_a_body_as_any(
    connections: tuple[int, WeakSet[Protocol]],
) -> None:
    port, _ = connections
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED)
    async with asyncio.timeout(20):
        for _ in range(4):
            writer.write(b"1\r\nx\r\n" * (MAX_PIECES // 2))
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        answer = await reader.readuntil(b"done")
    writer.close()

    assert b" 200 " in answer


async def early(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def test_an_answer_before_the_body_ends_the_connection() -> None:
    config = uvicorn.Config(early, ws="none", lifespan="off", log_config=None)
    server = await asyncio.get_running_loop().create_server(
        lambda: speaking(speller_of)(config, ServerState(), {}), "127.0.0.1", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        async with asyncio.timeout(5):
            answer = await reader.read()  # which ends, although the body does not
        writer.close()

    assert b" 401 " in answer
    assert b"connection: close" in answer


def test_a_body_has_a_time_for_the_whole_of_it() -> None:
    now = 0.0
    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None)
    loop = FakeLoop(lambda: now)
    protocol = speaking(speller_of)(config, ServerState(), {}, loop)  # type: ignore[arg-type]
    protocol._start_asgi_task = lambda cycle, app: None  # type: ignore[method-assign]
    transport = FakeTransport()
    protocol.connection_made(transport)  # type: ignore[arg-type]
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
    while b"408" not in transport.written and now < 10_000:
        now += 5
        protocol.cycle.body.clear()  # the application reads it
        protocol.data_received(b"x" * 7000)  # more than what is asked for at the least
        protocol.check(now)

    assert LONGEST_BODY_S < now < LONGEST_BODY_S + 30


def test_who_has_just_begun_to_be_answered_has_time_to_read() -> None:
    now = 1000.0
    protocol, transport = connected(lambda: now)
    transport.unread = 30_000_000
    while not transport.is_aborted and now < 2000:
        now += 1
        protocol.check(now)

    assert STUCK_S < now - 1000 <= STUCK_S + 2


def test_who_reads_more_slowly_than_is_written_is_not_stuck() -> None:
    now = 1000.0
    protocol, transport = connected(lambda: now)
    for transport.unread in range(1000, 64_000, 1000):
        now += 1
        protocol.check(now)
    assert not transport.is_aborted
    for _ in range(int(STUCK_S) + 2):  # and once writing waits, nothing is read any more
        now += 1
        protocol.check(now)
    assert transport.is_aborted


def test_heads_are_looked_for_as_far_as_there_can_be_any() -> None:
    searched = 0

    class Watched(bytes):
        def count(self, what: Any, start: Any = 0, end: Any = None) -> int:
            nonlocal searched
            searched += len(self[start:end])
            return super().count(what, start, end)

    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None)
    protocol = speaking(speller_of)(config, ServerState(), {}, FakeLoop(lambda: 0.0))  # type: ignore[arg-type]
    protocol._start_asgi_task = lambda cycle, app: None  # type: ignore[method-assign]
    protocol.connection_made(FakeTransport())  # type: ignore[arg-type]
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
    protocol.data_received(Watched(head + b"{},\n" * 25_000))
    protocol.cycle.body = b""
    protocol.data_received(Watched(b"{},\n" * 25_000))

    assert len(head) <= searched <= len(head) + 2


def connected(time: Callable[[], float]) -> tuple[Protocol, FakeTransport]:
    """A connection that has just been made, by a clock."""
    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None)
    protocol = speaking(speller_of)(config, ServerState(), {}, FakeLoop(time))  # type: ignore[arg-type]
    transport = FakeTransport()
    protocol.connection_made(transport)  # type: ignore[arg-type]
    return protocol, transport


class FakeLoop:
    def __init__(self, time: Callable[[], float]) -> None:
        self.time = time


class FakeTransport:
    """A socket that takes everything and knows nobody."""

    def __init__(self) -> None:
        self.written = b""
        self.unread = 0
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None: ...

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, _name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write_eof(self) -> None: ...
