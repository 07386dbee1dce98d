"""Which transport calls go out by: ours, httpx's, or httpx's and a proxy of the environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.upstream.client import TURN_PIECES, open_upstream
from proxy.upstream.exchange import MAX_PIECES
from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import fetch, outcome, pieces_of, request
from tests.proxy.upstream.raw_server import Peer, RawServer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def proxy() -> AsyncIterator[RawServer]:
    async with raw_server(always(answer(b"by the proxy"))) as server:
        yield server


@pytest.fixture
async def provider() -> AsyncIterator[RawServer]:
    async with raw_server(always(answer(b"direct"))) as server:
        yield server


async def said(upstream: httpx.AsyncBaseTransport, url: str) -> bytes:
    async with upstream:
        return (await fetch(upstream, request(url))).body


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("auto", Transport), ("native", Transport), ("httpx", httpx.AsyncHTTPTransport)],
)
async def test_without_a_proxy_the_setting_decides(
    kind: str, expected: type[httpx.AsyncBaseTransport]
) -> None:
    upstream = open_upstream(kind, proxies={}, bypass=lambda _: False)
    async with upstream.client:
        assert isinstance(upstream.transport, expected)


@pytest.mark.parametrize("kind", ["auto", "native", "httpx"])
async def test_a_proxy_is_asked_for_the_whole_address(kind: str, proxy: RawServer) -> None:
    upstream = open_upstream(kind, proxies={"http": proxy.url}, bypass=lambda _: False)

    assert await said(upstream.transport, "http://provider.example/v1") == b"by the proxy"
    assert proxy.requests[0].startswith(b"POST http://provider.example/v1 HTTP/1.1\r\n")


async def test_a_proxy_is_asked_for_a_tunnel_where_the_provider_speaks_tls() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    async with raw_server(refuse) as proxy:
        upstream = open_upstream("auto", proxies={"https": proxy.url}, bypass=lambda _: False)
        async with upstream.transport as transport:
            message = request("https://provider.example/v1")
            assert await outcome(transport, message) is httpx.ProxyError
        assert proxy.requests[0].startswith(b"CONNECT provider.example:443 HTTP/1.1\r\n")


async def test_a_proxy_that_opens_no_tunnel_is_waited_for_as_long_as_for_a_connection() -> None:
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.request()

    async with raw_server(hang) as proxy:
        upstream = open_upstream("auto", proxies={"https": proxy.url}, bypass=lambda _: False)
        async with upstream.transport as transport:
            message = request("https://provider.example/v1")
            message.extensions["timeout"] = {"connect": 0.05, "read": 60, "write": 60, "pool": 60}
            assert await outcome(transport, message) is httpx.ConnectTimeout


async def test_a_host_that_bypasses_the_proxies_is_reached_directly(
    proxy: RawServer, provider: RawServer
) -> None:
    proxies = {"http": proxy.url, "https": proxy.url}
    upstream = open_upstream("auto", proxies=proxies, bypass=lambda host: host == "127.0.0.1")

    assert await said(upstream.transport, provider.url) == b"direct"
    assert proxy.requests == []


async def test_a_proxy_of_another_scheme_is_not_asked(
    proxy: RawServer, provider: RawServer
) -> None:
    upstream = open_upstream("auto", proxies={"https": proxy.url}, bypass=lambda _: False)

    assert await said(upstream.transport, provider.url) == b"direct"
    assert proxy.requests == []


# What httpx's transport alone would not do


async def serves_once(peer: Peer) -> None:
    """A connection that dies of its second request."""
    await peer.request()
    await peer.send(answer())
    await peer.request()
    peer.reset() if peer.number % 2 else peer.close()


async def test_a_request_that_a_stale_connection_swallowed_is_sent_again() -> None:
    async with raw_server(serves_once) as server, httpx_transport() as transport:
        for _ in range(4):
            assert (await fetch(transport, request(server.url))).body == b"hi"
        assert server.connections == 4


async def test_a_streamed_body_is_not_sent_again() -> None:
    async with raw_server(serves_once) as server, httpx_transport() as transport:
        await fetch(transport, request(server.url))
        message = request(server.url, content=pieces_of(b"x"))
        assert await outcome(transport, message) is httpx.RemoteProtocolError
        assert server.connections == 1


async def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    async with raw_server(once(b"", then="close")) as server, httpx_transport() as transport:
        assert await outcome(transport, request(server.url)) is httpx.RemoteProtocolError
        assert server.connections == 1


def httpx_transport() -> httpx.AsyncBaseTransport:
    return open_upstream("httpx", proxies={}, bypass=lambda _: False).transport


async def test_a_body_in_tiny_chunks_is_read_by_turns_and_not_for_long() -> None:
    tiny = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2 * MAX_PIECES
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with raw_server(once(tiny)) as server, httpx_transport() as transport:
        response = await transport.handle_async_request(request(server.url))
        beside = asyncio.create_task(others())
        pieces = 0
        with pytest.raises(httpx.RemoteProtocolError, match="few bytes"):
            async for _ in response.stream:
                pieces += 1
        beside.cancel()
        await response.aclose()
    assert pieces == MAX_PIECES + 1
    assert turns >= MAX_PIECES // TURN_PIECES
