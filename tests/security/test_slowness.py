"""How slowly a connection may send and read; a good call goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from uvicorn.server import ServerState

from proxy import server as server_module
from proxy.gate import protocol
from tests.security.kit import (
    CHAT,
    GOOD,
    HEAD,
    Fakes,
    Threaded,
    ask,
    body_of,
    connect,
    is_closed,
    post,
    read_one,
    read_reply,
    request,
    serving,
    settings_for,
    sized,
)

SHORT_S = 0.6


@pytest.fixture
def hasty(fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Threaded]:
    """A server whose patience ends soon."""
    for name in ("HEAD_S", "BODY_S", "IDLE_S", "STUCK_S", "LINGER_S"):
        monkeypatch.setattr(protocol, name, SHORT_S)
    monkeypatch.setattr(server_module, "CHECK_S", 0.05)
    with serving(settings_for(fakes, tmp_path)) as one:
        yield one


SLOW = {
    "half a header": HEAD,
    "one byte": b"P",
    "half a body": HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    "half a chunk": HEAD
    + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW.keys())
def test_a_request_that_does_not_end_is_a_408_and_the_end(
    hasty: Threaded, fakes: Fakes, data: bytes
) -> None:
    with connect(hasty.port) as sock:
        sock.sendall(data)
        reply = read_reply(sock)
        assert reply.status == 408
        assert reply.code == "request_timeout"
        assert is_closed(sock)
    assert fakes.chats == 0


def test_who_has_an_answer_and_never_ends_its_body_gets_no_second_one(hasty: Threaded) -> None:
    with connect(hasty.port) as sock:
        sock.sendall(request("POST", CHAT, b"x" * 100, headers={"Content-Type": "text/plain"})[:-1])
        assert read_one(sock).status == 415
        assert is_closed(sock)


@pytest.mark.parametrize("data", [b"", GOOD], ids=["never spoken", "answered"])
def test_a_silent_connection_is_closed(hasty: Threaded, data: bytes) -> None:
    with connect(hasty.port) as sock:
        if data:
            sock.sendall(data)
            assert read_one(sock).status == 200
        assert is_closed(sock)


def test_a_body_that_trickles_is_too_slow(hasty: Threaded) -> None:
    with connect(hasty.port) as sock:
        sock.sendall(HEAD + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                sock.sendall(b" ")
                time.sleep(0.002)
        with contextlib.suppress(ConnectionError):
            assert read_reply(sock).status in (408, 0)
        assert is_closed(sock)


def test_a_large_body_may_take_its_time(hasty: Threaded) -> None:
    body = post(body_of(padding="x" * 400_000))
    with connect(hasty.port) as sock:
        for start in range(0, len(body), 20_000):
            sock.sendall(body[start : start + 20_000])
            time.sleep(SHORT_S / 10)
        assert read_reply(sock).status == 200


def test_slow_sockets_end_while_a_good_call_is_answered_between_them(
    hasty: Threaded, fakes: Fakes
) -> None:
    many = sized(20, 500)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(hasty.port)) for _ in range(many)]
        for i, sock in enumerate(slow):
            sock.sendall(list(SLOW.values())[i % len(SLOW)])
        assert ask(hasty.port, GOOD).status == 200
        assert all(is_open(sock) for sock in slow[:1])
        assert [read_reply(sock).status for sock in slow] == [408] * many
        assert ask(hasty.port, GOOD).status == 200
    assert fakes.chats == 2


def is_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(20)


def test_a_client_that_does_not_read_is_let_go(
    hasty: Threaded, fakes: Fakes, wait: Callable[..., None]
) -> None:
    text = "word " * 2_000_000
    with connect(hasty.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(post({"model": "default", "messages": [{"role": "user", "content": text}]}))
        wait(lambda: fakes.chats == 1)
        wait(lambda: not hasty.server_state.connections)


@pytest.mark.anyio
async def test_connections_are_looked_at_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else ten thousand that came together would be refused in one go, which takes seconds."""
    seen: list[object] = []

    class Guest:
        def check(self, _now: float) -> None:
            seen.append(self)

    async def tick(_counter: int) -> bool:
        return False

    server = server_module.Server.__new__(server_module.Server)
    server.server_state = ServerState()
    server.server_state.connections = {Guest() for _ in range(100)}  # type: ignore[misc]
    monkeypatch.setattr(server, "on_tick", tick)
    checking = asyncio.create_task(server._check())
    turns = []
    while len(seen) < 100:
        before = len(seen)
        await asyncio.sleep(0)
        turns.append(len(seen) - before)
    checking.cancel()
    assert max(turns) == server_module.CHECKED
