"""A client asks again before it has read its last answer, and leaves, or takes its time."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import pytest

from proxy.gate.protocol import Protocol
from proxy.gate.work import TICK_S
from proxy.store.usage.rows import LEFT
from tests.faults.conftest import Build
from tests.faults.dialects import encoded
from tests.faults.fake import Reply, whole
from tests.faults.world import PATIENCE_S, World, until

pytestmark = pytest.mark.anyio

MORE_THAN_SOCKETS_HOLD = 9_000_000
GOOD = json.dumps({"model": "groq", "messages": [{"role": "user", "content": "hello"}]}).encode()


def post(body: bytes, *headers: str) -> bytes:
    told = ("Host: localhost", "Content-Type: application/json", *headers)
    lines = [*told, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines]).encode() + body


@asynccontextmanager
async def with_an_answer_unread(world: World) -> AsyncIterator[socket.socket]:
    """A connection on which nothing can be sent before its client has read."""
    loop = asyncio.get_running_loop()
    world.a.then(whole(encoded(world.a.dialect.whole("x" * MORE_THAN_SOCKETS_HOLD))))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", urlsplit(world.url).port))
        await loop.sock_sendall(client, post(GOOD))
        connections = cast(set[Protocol], world._server.server_state.connections)
        await until(lambda: any(one.flow.write_paused for one in connections))
        await until(lambda: not world._server.server_state.tasks)
        yield client


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]


async def test_who_leaves_before_an_error_can_be_sent_has_left(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq")
    async with with_an_answer_unread(world) as client:
        await asyncio.get_running_loop().sock_sendall(client, post(b"{no json"))
        await until(lambda: bool(world._server.server_state.tasks))
        await asyncio.sleep(0.01)
    await until(lambda: not world._server.server_state.tasks)
    lines = [one.getMessage() for one in caplog.records if one.name == "pointsman.request"]
    assert f" {LEFT} " in lines[-1]
    assert failures(caplog) == []


async def test_an_answer_that_is_here_in_time_is_sent_however_late_that_is(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq")
    loop = asyncio.get_running_loop()
    async with with_an_answer_unread(world) as client, asyncio.timeout(PATIENCE_S):
        hurried = post(GOOD, "X-Request-Timeout-Ms: 100", "Connection: close")
        await loop.sock_sendall(client, hurried)
        await until(lambda: len(world.a.calls) == 2)
        await asyncio.sleep(0.1 + 2 * TICK_S)
        read = b""
        while data := await loop.sock_recv(client, 1024 * 1024):
            read = read[-2048:] + data
    assert b"HTTP/1.1 200" in read
    assert encoded(world.a.dialect.text) in read
    assert failures(caplog) == []


async def test_who_leaves_with_another_request_in_line_has_left(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq")
    world.a.then(Reply((), "hang"))
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", urlsplit(world.url).port))
        await loop.sock_sendall(client, post(GOOD) * 2)
        await until(lambda: world.a.counts.busy == 1)
    await until(lambda: not world._server.server_state.tasks)
    await until(lambda: world.a.counts.left == 1)
    assert failures(caplog) == []


async def test_what_sends_until_its_client_leaves_hears_of_it_with_another_request_in_line(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq")
    loop = asyncio.get_running_loop()
    events = b"GET /admin/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", urlsplit(world.url).port))
        await loop.sock_sendall(client, events)
        assert b" 200 OK" in await loop.sock_recv(client, 1024)
        await loop.sock_sendall(client, post(GOOD))
        client.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.05)
    await until(lambda: not world._server.server_state.tasks)
    assert failures(caplog) == []
