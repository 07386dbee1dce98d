"""The same bytes through our transport and httpx's own: the same outcome, or a difference named.

`httpx` in a case tells what httpx's transport makes of it where ours differs by design.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import Outcome, fetch, outcome, pieces_of, request
from tests.proxy.upstream.raw_server import Peer, answer, once, raw_server

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
ACCEPTS = "accepts"


@dataclass(frozen=True)
class Case:
    name: str
    response: bytes
    body: bytes | type[Exception]
    status: int = 200
    then: str = "wait"
    method: str = "POST"
    httpx: str = "same"


def _refused(name: str, response: bytes, **options: Any) -> Case:
    return Case(name, response, httpx.RemoteProtocolError, **options)


CASES = [
    Case("content-length", answer(b"hello"), b"hello"),
    Case("no body", answer(b""), b""),
    Case("no reason", b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nhi", b"hi"),
    Case("odd reason", b"HTTP/1.1 418 I'm a (tea) pot\r\ncontent-length: 0\r\n\r\n", b"", 418),
    Case("names keep their case", OK + b"X-Odd-Case: V\r\nContent-Length: 1\r\n\r\nx", b"x"),
    Case("blanks around a value", OK + b"a:\t v w \t\r\nb:\r\ncontent-length: 0\r\n\r\n", b""),
    Case("a header twice", answer(b"", b"set-cookie: a=1", b"set-cookie: b=2"), b""),
    Case("bytes above ASCII in a value", answer(b"", b"x: \xe9\xff"), b""),
    Case("chunked", CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
    Case("chunk extensions", CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0;z\r\n\r\n', b"abc"),
    Case("trailers", CHUNKED + b"3\r\nabc\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n", b"abc"),
    Case("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), b"hi"),
    Case("103 first", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + answer(), b"hi"),
    Case("several 1xx", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\n" * 2 + answer(), b"hi"),
    Case("until close", OK + b"\r\nto the end", b"to the end", then="close"),
    Case("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nold", b"old", then="close"),
    Case("HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", b"old"),
    Case("HEAD", OK + b"content-length: 10\r\n\r\n", b"", method="HEAD"),
    Case("HEAD of a chunked answer", CHUNKED, b"", method="HEAD"),
    Case("HEAD without a length", OK + b"\r\n", b"", method="HEAD"),
    Case("GET", answer(b"got"), b"got", method="GET"),
    Case("204", b"HTTP/1.1 204 No Content\r\n\r\n", b"", 204),
    Case("204 with a length", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", b"", 204),
    Case("304 with a length", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b"", 304),
    Case("connection: close", answer(b"bye", b"connection: close"), b"bye", then="close"),
    Case("bytes behind the response", answer(b"hi") + b"HTTP/1.1 200 OK\r\n\r\nmore", b"hi"),
    Case("a reset in the body", OK + b"content-length: 9\r\n\r\nhi", httpx.ReadError, then="reset"),
    Case("a reset instead of a head", b"", httpx.ReadError, then="reset"),
    _refused("closed without a word", b"", then="close"),
    _refused("closed in the status line", b"HTTP/1.1 20", then="close"),
    _refused("closed in the head", OK + b"content-le", then="close"),
    _refused("closed in the body", OK + b"content-length: 9\r\n\r\nhi", then="close"),
    _refused("closed in a chunk", CHUNKED + b"9\r\nhi", then="close"),
    _refused("closed before the last chunk", CHUNKED + b"2\r\nhi\r\n", then="close"),
    _refused("closed in the trailers", CHUNKED + b"2\r\nhi\r\n0\r\nx: y\r\n", then="close"),
    _refused("HTML", b"<html>\r\n\r\n"),
    _refused("RTSP", b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    _refused("a blank line first", b"\r\n" + answer()),
    _refused("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    _refused("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    _refused("two lengths", OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
    _refused("a list of lengths", OK + b"content-length: 2, 3\r\n\r\nhi!"),
    _refused("a negative length", OK + b"content-length: -2\r\n\r\nhi"),
    _refused("a length with a plus", OK + b"content-length: +2\r\n\r\nhi"),
    _refused("a length in hex", OK + b"content-length: 0x2\r\n\r\nhi"),
    _refused("an empty length", OK + b"content-length: \r\n\r\nhi"),
    _refused("an endless length", OK + b"content-length: 9" + b"9" * 30 + b"\r\n\r\nhi"),
    _refused("gzip as transfer-encoding", OK + b"transfer-encoding: gzip\r\n\r\nx", then="close"),
    _refused("two codings", OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    _refused("chunked twice", OK + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    _refused("a coding that ends in chunked", OK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    _refused("a negative chunk size", CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n"),
    _refused("a chunk size with 0x", CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n"),
    _refused("no chunk size", CHUNKED + b"\r\nhi\r\n0\r\n\r\n"),
    _refused("a chunk longer than its size", CHUNKED + b"2\r\nhiho\r\n0\r\n\r\n"),
    _refused("a huge chunk size", CHUNKED + b"f" * 40 + b"\r\nhi"),
    _refused("a blank before the colon", OK + b"content-length : 2\r\n\r\nhi"),
    _refused("a line without colon", OK + b"nonsense\r\n\r\n"),
    _refused("a name that is no token", OK + b"a(b: c\r\n\r\n"),
    _refused("NUL in a value", OK + b"a: b\0c\r\ncontent-length: 0\r\n\r\n"),
    _refused("CR alone in a value", OK + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n"),
    _refused("101", b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    _refused("a head of 200 KiB", answer(b"", b"x: " + b"y" * 200 * 1024)),
    # Stricter than httpx.
    _refused(
        "length beside chunked",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        httpx=ACCEPTS,
    ),
    _refused("the same length twice", OK + b"content-length: 2\r\n" * 2 + b"\r\nhi", httpx=ACCEPTS),
    _refused("a folded header", OK + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n", httpx=ACCEPTS),
    _refused("line ends without CR", b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", httpx=ACCEPTS),
    _refused("HTTP/2.0", b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", httpx=ACCEPTS),
    _refused("a head of 33 KiB", answer(b"", b"x: " + b"y" * 33 * 1024), httpx=ACCEPTS),
    _refused("101 header lines", answer(b"", *[b"x: y"] * 100), httpx=ACCEPTS),
    # httpx gives this value in small letters; we leave values alone.
    Case(
        "Chunked in capitals",
        OK + b"Transfer-Encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"x",
        httpx=ACCEPTS,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_response_comes_out_as_httpx_brings_it(case: Case, transport: Transport) -> None:
    async with raw_server(once(case.response, then=case.then)) as server:
        ours = await outcome(transport, request(server.url, case.method))
    async with (
        raw_server(once(case.response, then=case.then)) as server,
        httpx.AsyncHTTPTransport() as other,
    ):
        theirs = await outcome(other, request(server.url, case.method))
    if isinstance(case.body, bytes):
        assert isinstance(ours, Outcome)
        assert (ours.status, ours.body) == (case.status, case.body)
    else:
        assert ours is case.body
    if case.httpx is ACCEPTS:
        assert isinstance(theirs, Outcome)
    else:
        assert ours == theirs


@pytest.fixture(params=[Transport, httpx.AsyncHTTPTransport], ids=["own", "httpx"])
async def either(request: pytest.FixtureRequest) -> Any:
    async with request.param() as opened:
        yield opened


async def test_a_refused_connection_is_a_connect_error(either: httpx.AsyncBaseTransport) -> None:
    async with raw_server(once(b"")) as server:
        gone = server.url
    assert await outcome(either, request(gone)) is httpx.ConnectError


async def test_a_silent_server_is_a_read_timeout(either: httpx.AsyncBaseTransport) -> None:
    async with raw_server(once(b"")) as server:
        assert await outcome(either, request(server.url, read=0.05)) is httpx.ReadTimeout


async def test_a_body_that_stops_is_a_read_timeout(either: httpx.AsyncBaseTransport) -> None:
    async with raw_server(once(CHUNKED + b"2\r\nhi\r\n")) as server:
        response = await either.handle_async_request(request(server.url, read=0.05))
        pieces = aiter(response.stream)
        assert await anext(pieces) == b"hi"
        with pytest.raises(httpx.ReadTimeout):
            await anext(pieces)
        await response.aclose()


async def test_a_server_that_does_not_read_is_a_write_timeout(
    either: httpx.AsyncBaseTransport,
) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with raw_server(script) as server:
        message = request(server.url, content=b"x" * 32_000_000, timeouts={"write": 0.05})
        assert await outcome(either, message) is httpx.WriteTimeout


async def test_a_handshake_that_never_comes_is_a_connect_timeout(
    either: httpx.AsyncBaseTransport,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    async with raw_server(script) as server:
        url = server.url.replace("http:", "https:")
        message = request(url, timeouts={"connect": 0.05})
        assert await outcome(either, message) is httpx.ConnectTimeout


async def test_plain_http_on_a_tls_port_is_a_connect_error(
    either: httpx.AsyncBaseTransport,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(answer())

    async with raw_server(script) as server:
        url = server.url.replace("http:", "https:")
        assert await outcome(either, request(url)) is httpx.ConnectError


async def test_no_free_connection_is_a_pool_timeout() -> None:
    limits = httpx.Limits(max_connections=1)
    for opened in (Transport(max_connections=1), httpx.AsyncHTTPTransport(limits=limits)):
        async with raw_server(once(CHUNKED)) as server, opened as either:
            response = await either.handle_async_request(request(server.url))
            message = request(server.url, timeouts={"pool": 0.05})
            assert await outcome(either, message) is httpx.PoolTimeout
            await response.aclose()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/hosts", "127.0.0.1/"])
async def test_another_scheme_is_an_unsupported_protocol(
    url: str, either: httpx.AsyncBaseTransport
) -> None:
    message = request("http://127.0.0.1")
    message.url = httpx.URL(url)
    assert await outcome(either, message) is httpx.UnsupportedProtocol


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": {"x": "a\nb: c"}},
        {"headers": {"x": "a\0b"}},
        {"headers": {"x\r\ny": "z"}},
        {"headers": {"x y": "z"}},
        {"headers": {"": "z"}},
        {"method": "GET\r\nX: y"},
        {"method": "GE T"},
        {"extensions": {"target": b"/a b"}},
        {"extensions": {"target": b"/a\r\nx: y"}},
        {"extensions": {"target": b"/a\0"}},
        {"headers": {"content-length": "two"}},
        {"headers": [("content-length", "2"), ("content-length", "3")]},
        {"headers": [("host", "a"), ("host", "b")]},
        {"headers": {"transfer-encoding": "gzip"}},
    ],
    ids=str,
)
async def test_what_must_not_be_sent_is_a_local_protocol_error(
    options: dict[str, Any], either: httpx.AsyncBaseTransport
) -> None:
    async with raw_server(once(answer())) as server:
        message = request(server.url, **options)
        assert await outcome(either, message) is httpx.LocalProtocolError


async def test_a_request_reaches_the_server_byte_for_byte_as_httpx_sends_it(
    transport: Transport,
) -> None:
    async with raw_server(once(answer())) as server, httpx.AsyncHTTPTransport() as other:
        for sender in (transport, other):
            message = request(
                server.url + "/p%20q?x=1&y=%E2%82%AC",
                headers={"X-Mixed": "v \t w", "accept": "é".encode()},
                content=b'{"a":1}',
            )
            await fetch(sender, message)
    ours, theirs = server.requests
    assert ours == theirs
    assert ours.startswith(b"POST /p%20q?x=1&y=%E2%82%AC HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("headers", [{}, {"content-length": "11"}], ids=["chunked", "length"])
async def test_a_streamed_body_reaches_the_server_as_httpx_sends_it(
    headers: dict[str, str], transport: Transport
) -> None:
    async with raw_server(once(answer())) as server, httpx.AsyncHTTPTransport() as other:
        for sender in (transport, other):
            content = pieces_of(b"hello", b"", b" ", b"world")
            await fetch(sender, request(server.url, content=content, headers=headers))
    ours, theirs = server.requests
    assert ours == theirs
