"""What a connection leaves behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from weakref import WeakSet

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from proxy.gate.body import WATCH
from proxy.gate.protocol import Protocol

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


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

    def accept() -> Protocol:
        alive.add(protocol := Protocol(config, state, {}))
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
