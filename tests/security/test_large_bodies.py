"""How much a connection may send: what is too large is refused, and memory stays bounded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.gate.body import MAX_BODY_BYTES
from tests.security.kit import (
    CHAT,
    GOOD,
    HEAD,
    Fakes,
    Process,
    Reply,
    Threaded,
    ask,
    body_of,
    connect,
    post,
    process,
    read_one,
    read_reply,
    request,
    sized,
)

MIB = 2**20


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def with_length(size: int) -> Iterator[bytes]:
    yield HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
    for _ in range(size // MIB):
        yield b" " * MIB


def send_all(port: int, pieces: Iterator[bytes]) -> Reply:
    """Send everything, as most clients do, and only then read."""
    with connect(port) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return read_reply(sock)


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_a_body_above_the_limit_is_a_413_that_its_sender_can_read(
    server: Threaded, fakes: Fakes, kind: str
) -> None:
    assert MAX_BODY_BYTES == 32 * MIB
    pieces = with_length(33 * MIB) if kind == "length" else chunked(b" " * MIB for _ in range(33))
    reply = send_all(server.port, pieces)
    assert reply.status == 413
    assert reply.code == "request_too_large"
    assert fakes.chats == 0


def test_a_body_that_is_announced_too_large_is_not_waited_for(server: Threaded) -> None:
    reply = ask(
        server.port, HEAD + b"Content-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n"
    )
    assert reply.status == 413


def test_a_compressed_body_is_not_unpacked(server: Threaded, fakes: Fakes) -> None:
    assert ask(server.port, post(b"\x1f\x8b", **{"Content-Encoding": "gzip"})).status == 415
    assert fakes.chats == 0


def test_an_error_before_the_body_has_come_reaches_its_sender(server: Threaded) -> None:
    data = b" " * (4 * MIB)
    reply = ask(server.port, request("POST", CHAT, data, headers={"Content-Type": "text/plain"}))
    assert reply.status == 415


def test_the_connection_goes_on_after_a_refusal(server: Threaded) -> None:
    with connect(server.port) as sock:
        for data, status in (
            (post(b"nonsense"), 400),
            (post(body_of(), "/nowhere"), 404),
            (GOOD, 200),
        ):
            sock.sendall(data)
            assert read_one(sock).status == status


def test_large_bodies_wait_for_room_and_memory_stays_bounded(
    session_fakes: Fakes, tmp_path: Path
) -> None:
    many = sized(12, 100)
    with process(session_fakes, tmp_path) as one:
        socks = [connect(one.port) for _ in range(many)]
        peak = Peak(one)
        for sock in socks:
            sock.setblocking(False)
        waiting = {sock: iter(chunked(b" " * MIB for _ in range(33))) for sock in socks}
        pending: dict[socket.socket, bytes] = {}
        while waiting:
            for sock in tuple(waiting):
                if not push(sock, waiting[sock], pending):
                    del waiting[sock]
            peak.look()
        for sock in socks:
            sock.setblocking(True)
            assert read_reply(sock).status in (413, 503)
            sock.close()
        assert peak.bytes < 1024 * MIB
        assert ask(one.port, GOOD).status == 200


def push(sock: socket.socket, pieces: Iterator[bytes], pending: dict[socket.socket, bytes]) -> bool:
    """Write what the socket takes; whether there may be more."""
    data = pending.pop(sock, b"") or next(pieces, b"")
    if not data:
        return False
    try:
        sent = sock.send(data)
    except BlockingIOError:
        sent = 0
    except ConnectionError:
        return False
    if rest := data[sent:]:
        pending[sock] = rest
    return True


class Peak:
    """The most memory that a process was seen to hold."""

    def __init__(self, one: Process) -> None:
        self._one = one
        self.bytes = 0

    def look(self) -> None:
        self.bytes = max(self.bytes, self._one.rss_bytes())
