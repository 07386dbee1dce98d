"""Connections of our transport and of httpx's: who gets one, what it survives, how it ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import httpx
import pytest
import trustme

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import Outcome, fetch, outcome, pieces_of, request
from tests.proxy.upstream.raw_server import Peer, always, answer, raw_server

pytestmark = pytest.mark.anyio

Make = Callable[..., httpx.AsyncBaseTransport]


def _own(connections: int = 10, tls: ssl.SSLContext | None = None) -> httpx.AsyncBaseTransport:
    return Transport(max_connections=connections, ssl_context=tls)


def _httpx(connections: int = 10, tls: ssl.SSLContext | None = None) -> httpx.AsyncBaseTransport:
    limits = httpx.Limits(max_connections=connections)
    return httpx.AsyncHTTPTransport(limits=limits, verify=tls or True)


@pytest.fixture(params=[_own, _httpx], ids=["own", "httpx"])
def make(request: pytest.FixtureRequest) -> Make:
    maker: Make = request.param
    return maker


async def test_one_connection_serves_one_request_after_the_other(make: Make) -> None:
    async with raw_server(always(answer())) as server, make() as transport:
        for _ in range(3):
            assert (await fetch(transport, request(server.url))).body == b"hi"
        assert server.connections == 1


async def test_requests_beyond_the_limit_are_all_served_and_by_us_in_their_order(
    make: Make,
) -> None:
    async with raw_server(always(answer())) as server, make(1) as transport:
        calls = []
        for number in range(20):
            url = f"{server.url}/{number}"
            calls.append(asyncio.create_task(fetch(transport, request(url))))
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
        asked = [int(head.split(b" ")[1][1:]) for head in server.requests]
        assert (asked if make is _own else sorted(asked)) == list(range(20))
        assert server.connections == 1


async def test_a_connection_that_died_idle_is_noticed_before_use(make: Make) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        if peer.number == 0:
            peer.close()
        await peer.until_closed()

    async with raw_server(script) as server, make() as transport:
        await fetch(transport, request(server.url))
        await asyncio.sleep(0.02)  # for the end to arrive
        message = request(server.url, content=pieces_of(b"cannot be sent twice"))
        assert (await fetch(transport, message)).status == 200
        assert server.connections == 2


async def test_a_refusal_that_comes_before_all_was_sent_is_the_answer(make: Make) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Big\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbig!")
        await peer.until_closed()

    async with raw_server(script) as server, make() as transport:
        result = await fetch(transport, request(server.url, content=b"x" * 100_000))
        assert (result.status, result.body) == (413, b"big!")


async def test_leaving_a_response_closes_its_connection(make: Make) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart")
        await peer.until_closed()

    async with raw_server(script) as server, make() as transport:
        response = await transport.handle_async_request(request(server.url))
        await response.aclose()
        async with asyncio.timeout(5):
            await server.peers[0].ended.wait()


async def test_the_server_is_told_the_name_it_is_reached_by(make: Make) -> None:
    authority, told = trustme.CA(), []
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(serving)
    authority.configure_trust(trusting)
    serving.sni_callback = lambda _socket, name, _context: told.append(name)

    async with raw_server(always(answer()), serving) as server, make(tls=trusting) as transport:
        named = server.url.replace("127.0.0.1", "localhost")
        assert (await fetch(transport, request(named))).body == b"hi"
        unnamed = request(server.url)  # the certificate is for the name alone
        assert await outcome(transport, unnamed) is httpx.ConnectError
    assert told[0] == "localhost"


async def test_closing_under_load_lets_nothing_hang(make: Make) -> None:
    begun = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            if len(server.requests) > 60:
                begun.set()
                await peer.until_closed()
            await peer.send(answer())

    async with raw_server(script) as server:
        transport = make(20)
        calls = [
            asyncio.create_task(outcome(transport, request(server.url, read=1.0)))
            for _ in range(100)
        ]
        await begun.wait()
        await transport.aclose()
        async with asyncio.timeout(5):
            results = await asyncio.gather(*calls, return_exceptions=True)
    whole = [result for result in results if isinstance(result, Outcome)]
    assert all(result.body == b"hi" for result in whole)
    assert 40 <= len(whole) < 100  # of 60 that were answered, 20 may have been on their way
