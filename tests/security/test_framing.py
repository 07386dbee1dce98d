"""Where a request ends: two ways to read one are refused, nothing hides behind a body."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest

from tests.security.kit import (
    GOOD,
    HEAD,
    Fakes,
    Threaded,
    ask,
    body_of,
    connect,
    is_closed,
    read_one,
    read_reply,
    request,
    serving,
    settings_for,
)

JSON = {"Content-Type": "application/json"}
HELLO = json.dumps(body_of()).encode()


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


@pytest.mark.parametrize("protocol_name", ["websocket", "h2c"])
@pytest.mark.parametrize("cut", [0, 1, 40, -20, -1])
def test_a_body_beside_an_offer_of_another_protocol_is_read(
    server: Threaded, protocol_name: str, cut: int
) -> None:
    offer = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol_name}\r\n"
    data = GOOD.replace(b"\r\n", b"\r\n" + offer.encode(), 1)
    with connect(server.port) as sock:
        if cut:
            sock.sendall(data[:cut])
            time.sleep(0.02)  # two packets
            data = data[cut:]
        sock.sendall(data)
        reply = read_reply(sock)
        assert reply.status == 200
        assert reply.json["choices"]
        assert is_closed(sock)


def test_an_offer_smuggles_no_second_request(server: Threaded, fakes: Fakes) -> None:
    offered = GOOD.replace(b"\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", 1)
    with connect(server.port) as sock:
        sock.sendall(offered + GOOD)
        reply = read_reply(sock)
        assert reply.status == 200
        assert is_closed(sock)
    assert fakes.chats == 1
