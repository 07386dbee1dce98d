"""A target, posted to without httpx's request objects: the same bytes, answers and errors."""

from __future__ import annotations

import gc
import weakref

import httpx
import pytest

from adapters.upstream import HOP, PASSED, Aiming, Target, Upstream
from proxy.upstream.client import open_upstream
from proxy.upstream.transport import Transport
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio

TIMEOUTS = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}


def lines(url: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", httpx.URL(url).netloc), (b"x-key", b"v"), (b"content-type", b"a/b")]


async def body_of(target: Target, content: bytes) -> bytes:
    reply = await target.post(content)
    try:
        return b"".join([piece async for piece in reply])
    finally:
        await reply.aclose()


async def through_httpx(url: str, content: bytes) -> None:
    async with httpx.AsyncHTTPTransport() as theirs, httpx.AsyncClient(transport=theirs) as client:
        target = Upstream(client, theirs, hop="").target(httpx.URL(url), lines(url), TIMEOUTS)
        assert await body_of(target, content) == b"hi"


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 1000, b"y" * 300_000])
async def test_the_same_bytes_go_out_as_through_httpx(content: bytes, transport: Transport) -> None:
    async with raw_server(always(answer(b"hi"))) as server:
        url = f"{server.url}/v1/chat%20x?alt=sse"
        target = transport.target(httpx.URL(url), lines(url), TIMEOUTS)
        assert await body_of(target, content) == b"hi"
        assert await body_of(target, content) == b"hi"
        await through_httpx(url, content)
        ours, again, theirs = server.requests
        assert ours == again
        assert ours.lower() == theirs.lower()
        assert server.connections == 2


async def test_an_upstream_takes_the_transports_own_way_where_there_is_one(
    transport: Transport,
) -> None:
    assert isinstance(transport, Aiming)
    assert not isinstance(httpx.AsyncHTTPTransport(), Aiming)


async def test_status_and_headers_are_those_of_the_answer(transport: Transport) -> None:
    refusal = b"HTTP/1.1 429 Slow down\r\nRetry-After: 2\r\ncontent-length: 2\r\n\r\nno"
    async with raw_server(always(refusal)) as server:
        target = transport.target(httpx.URL(server.url), lines(server.url), TIMEOUTS)
        reply = await target.post(b"{}")
        assert (reply.status, reply.headers[0]) == (429, (b"Retry-After", b"2"))
        assert [piece async for piece in reply] == [b"no"]


async def test_a_kept_connection_that_died_is_replaced_once(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(answer())
            await peer.request()
            peer.reset()
        else:
            await peer.send(answer(b"again"))

    async with raw_server(script) as server:
        target = transport.target(httpx.URL(server.url), lines(server.url), TIMEOUTS)
        assert await body_of(target, b"1") == b"hi"
        assert await body_of(target, b"2") == b"again"
        assert [request[-1:] for request in server.requests] == [b"1", b"2", b"2"]


@pytest.mark.parametrize(
    ("response", "then", "error"),
    [
        (b"", "close", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\n", "wait", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", "close", httpx.RemoteProtocolError),
    ],
)
async def test_what_breaks_raises_httpx_own_errors(
    response: bytes, then: str, error: type[Exception], transport: Transport
) -> None:
    async with raw_server(once(response, then=then)) as server:
        target = transport.target(httpx.URL(server.url), lines(server.url), TIMEOUTS)
        with pytest.raises(error):
            await body_of(target, b"{}")
        assert transport.pool.open_connections <= 1


async def test_a_silent_server_is_a_read_timeout(transport: Transport) -> None:
    async with raw_server(once(b"")) as server:
        target = transport.target(httpx.URL(server.url), lines(server.url), {"read": 0.01})
        with pytest.raises(httpx.ReadTimeout):
            await target.post(b"{}")


@pytest.mark.parametrize("response", [b"", b"nonsense\r\n\r\n"])
async def test_what_was_sent_is_let_go_of_with_its_failure(
    response: bytes, transport: Transport
) -> None:
    """No circle keeps it until the collector comes by."""

    class Sent(dict[str, bytes]):
        """What only the failed call knew."""

    async def posted(sent: Sent) -> None:
        with pytest.raises(httpx.TransportError):
            await target.post(sent["body"])

    async with raw_server(once(response)) as server:
        target = transport.target(httpx.URL(server.url), lines(server.url), {"read": 0.01})
        gc.disable()
        try:
            sent = Sent(body=b"{}")
            gone = weakref.ref(sent)
            await posted(sent)
            del sent
            assert gone() is None
        finally:
            gc.enable()


async def test_nobody_there_is_a_connect_error(transport: Transport) -> None:
    async with raw_server(always(answer())) as server:
        url = server.url
    with pytest.raises(httpx.ConnectError):
        await transport.target(httpx.URL(url), lines(url), TIMEOUTS).post(b"{}")


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"\x00"])
async def test_a_header_that_could_be_read_as_two_is_refused_at_once(
    value: bytes, transport: Transport
) -> None:
    url = "http://127.0.0.1:1/"
    with pytest.raises(httpx.LocalProtocolError):
        transport.target(httpx.URL(url), [*lines(url), (b"x-bad", value)], TIMEOUTS)


@pytest.mark.parametrize("kind", ["native", "httpx"])
async def test_who_may_be_one_of_us_is_told_whom_a_request_has_passed(kind: str) -> None:
    upstream = open_upstream(kind, proxies={}, bypass=lambda _: True)
    async with raw_server(always(answer(b"hi"))) as server, upstream.client:
        target = upstream.target(httpx.URL(server.url), lines(server.url), TIMEOUTS)
        for passed in (b"", b"00000000000000aa"):
            PASSED.set(passed)
            assert await body_of(target, b"{}") == b"hi"
    told = [
        [line for line in one.lower().split(b"\r\n") if line.startswith(HOP.encode())]
        for one in server.requests
    ]
    mine = f"{HOP}: {upstream.hop}".encode()
    assert told == [[mine], [mine, f"{HOP}: 00000000000000aa".encode()]]
