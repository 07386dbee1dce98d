"""What a connection may send, how much and how slowly; a good call goes on meanwhile."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy import protocol, server as server_module
from proxy.body import MAX_BODY_BYTES
from tests.security.kit import (
    CHAT,
    Fakes,
    Process,
    Reply,
    Threaded,
    ask,
    body_of,
    connect,
    is_closed,
    post,
    process,
    read_reply,
    request,
    serving,
    settings_for,
    sized,
)

JSON = {"Content-Type": "application/json"}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
GOOD = post(body_of())
HELLO = json.dumps(body_of()).encode()
SHORT_S = 0.6
MIB = 2**20


@pytest.fixture(scope="module")
def server(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    with serving(settings_for(session_fakes, tmp_path_factory.mktemp("limits"))) as one:
        yield one


@pytest.fixture
def hasty(fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Threaded]:
    """A server whose patience ends soon."""
    for name in ("HEAD_S", "BODY_S", "IDLE_S", "STUCK_S", "LINGER_S"):
        monkeypatch.setattr(protocol, name, SHORT_S)
    monkeypatch.setattr(server_module, "CHECK_S", 0.05)
    with serving(settings_for(fakes, tmp_path)) as one:
        yield one


def with_headers(*lines: bytes, body: bytes = b"{}") -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


FRAMINGS = {
    "length and chunked": with_headers(
        b"Content-Type: application/json",
        b"Content-Length: 2",
        b"Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "chunked and length": with_headers(
        b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "two lengths": with_headers(b"Content-Length: 2", b"Content-Length: 3", body=b"{} "),
    "a negative length": with_headers(b"Content-Length: -2"),
    "a length in hexadecimal": with_headers(b"Content-Length: 0x2"),
    "a length too large to be one": with_headers(b"Content-Length: " + b"9" * 40),
    "chunked, but not last": with_headers(b"Transfer-Encoding: chunked, gzip"),
    "another coding": with_headers(b"Transfer-Encoding: xchunked"),
    "another coding besides": with_headers(
        b"Content-Type: application/json",
        b"Transfer-Encoding: gzip, chunked",
        body=b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "two codings": with_headers(
        b"Content-Type: application/json",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "a target at another host": GOOD.replace(b" /", b" http://evil.example/", 1),
    "two keys": GOOD.replace(b"\r\n", b"\r\nAuthorization: a\r\nAuthorization: b\r\n", 1),
    "a chunk with an extension of 1 MB": with_headers(
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
        body=b"2;" + b"x" * 1_000_000,
    ),
    "a bad chunk": with_headers(
        b"Content-Type: application/json", b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n"
    ),
    "a space before the colon": with_headers(b"Content-Length : 2"),
    "a folded header": with_headers(b"X-A: b", b" c", b"Content-Length: 2"),
    "a bare line feed in a value": with_headers(b"X-A: b\rc", b"Content-Length: 2"),
    "a null byte": with_headers(b"X-A: \x00", b"Content-Length: 2"),
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an unknown version": b"GET /health/live HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "a path that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "101 headers": with_headers(*[b"X-%d: y" % i for i in range(101)], b"Content-Length: 2"),
    "20,000 headers": with_headers(*[b"X: y"] * 20_000, b"Content-Length: 2"),
    "a large header": with_headers(b"X: " + b"y" * 40_000, b"Content-Length: 2"),
    "a header of 10 MB": with_headers(b"X: " + b"y" * 10_000_000, b"Content-Length: 2"),
    "a path of 100 kB": b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two content types": with_headers(
        b"Content-Type: text/plain", b"Content-Type: application/json", b"Content-Length: 2"
    ),
    "two origins": with_headers(
        b"Origin: https://evil.example", b"Origin: http://localhost", b"Content-Length: 2"
    ),
}


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_hung_up_on(
    server: Threaded, fakes: Fakes, data: bytes
) -> None:
    with connect(server.port) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        reply = read_reply(sock)
        assert 400 <= reply.status < 500, reply
        assert reply.headers["content-type"].startswith("application/json")
        assert reply.json["error"]["type"] == "invalid_request_error"
        assert reply.headers["connection"] == "close"
        assert is_closed(sock)
    assert fakes.chats == 0


def test_a_header_is_refused_before_it_has_ended(server: Threaded) -> None:
    with connect(server.port) as sock:
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                sock.sendall(HEAD + b"X: " + b"y" * 10_000)
        assert read_reply(sock).status == 431


def test_a_target_that_is_a_whole_url_may_name_this_host(server: Threaded) -> None:
    data = GOOD.replace(b" /", b" http://127.0.0.1/", 1)
    assert ask(server.port, data).status == 200


CHUNKED_GOOD = b"".join(
    (
        HEAD,
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n0\r\n" % (len(HELLO), HELLO),
    )
)


def test_what_stands_behind_a_body_is_no_header(fakes: Fakes, tmp_path: Path) -> None:
    key = b"Authorization: Bearer client-key-of-the-tests\r\n"
    with serving(settings_for(fakes, tmp_path, api_keys="client-key-of-the-tests")) as server:
        assert ask(server.port, CHUNKED_GOOD + key + b"\r\n").status == 401
        in_front = CHUNKED_GOOD.replace(b"\r\n", b"\r\n" + key, 1)
        assert ask(server.port, in_front + b"Host: evil.example\r\n\r\n").status == 200
    assert fakes.chats == 1


@pytest.mark.parametrize("line", [b"X: y\r\n" * 100, b"y" * 600], ids=["many", "a long one"])
def test_what_stands_behind_a_body_ends_some_time(
    server: Threaded, fakes: Fakes, line: bytes
) -> None:
    with connect(server.port) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(CHUNKED_GOOD + b"X: ")
            for _ in range(1000):
                sock.sendall(line)
        assert read_reply(sock).status == 431
        assert is_closed(sock)
    assert fakes.chats == 0


def test_what_follows_a_good_request_cannot_spoil_its_answer(server: Threaded) -> None:
    with connect(server.port) as sock:
        sock.sendall(GOOD + b"\x00\x01 nonsense\r\n\r\n")
        reply = read_reply(sock)
        assert reply.status == 200
        assert reply.json["choices"]


def test_requests_in_one_piece_are_answered_in_order(server: Threaded) -> None:
    with connect(server.port) as sock:
        sock.sendall(GOOD + request("GET", "/health/live") + GOOD)
        file = [read_one(sock) for _ in range(3)]
    assert [reply.status for reply in file] == [200, 200, 200]
    assert "choices" in file[0].json
    assert file[1].json == {"status": "ok"}


def read_one(sock: socket.socket) -> Reply:
    """An answer with a length, without reading anything that follows it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(1)
    head = data.decode("latin-1")
    size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
    body = b""
    while len(body) < size:
        body += sock.recv(size - len(body))
    return Reply(int(head.split()[1]), {}, body)


@pytest.mark.parametrize("protocol_name", ["websocket", "h2c"])
def test_a_wish_for_another_protocol_is_answered_in_this_one(
    server: Threaded, protocol_name: str
) -> None:
    headers = {**JSON, "Connection": "Upgrade", "Upgrade": protocol_name}
    with connect(server.port) as sock:
        sock.sendall(request("GET", "/health/live", headers=headers))
        reply = read_reply(sock)
        assert reply.status == 200
        assert is_closed(sock)


# -- bodies -----------------------------------------------------------------------------------


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


# -- slowness ---------------------------------------------------------------------------------

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
