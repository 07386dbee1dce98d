"""Which connection a request gets: the one used last, while it is young and alive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import httpx
import pytest

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import fetch, outcome, pieces_of, request, until
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
OPEN_END = OK + b"transfer-encoding: chunked\r\n\r\n"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# -- reuse ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (answer(), "POST"),
        (answer(b""), "GET"),
        (OPEN_END + b"2\r\nhi\r\n0\r\nx: trailer\r\n\r\n", "POST"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(), "POST"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "POST"),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", "GET"),
        (OK + b"content-length: 9\r\n\r\n", "HEAD"),
    ],
)
async def test_a_response_read_up_leaves_its_connection_for_the_next(
    response: bytes, method: str, transport: Transport
) -> None:
    async with raw_server(always(response)) as server:
        for _ in range(3):
            await fetch(transport, request(server.url, method))
        assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize(
    "response",
    [
        answer(b"hi", b"connection: close"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
        answer() + b"x",
        answer() + answer(),
        answer() + b"HTT",
    ],
    ids=["close", "1.0", "1.0 keep-alive", "garbage behind", "another behind", "part behind"],
)
async def test_a_connection_that_cannot_be_trusted_is_closed(
    response: bytes, transport: Transport
) -> None:
    async with raw_server(always(response)) as server:
        for number in range(1, 4):
            assert (await fetch(transport, request(server.url))).body == b"hi"
            assert server.connections == number
        assert transport.pool.idle_connections == 0


async def test_a_body_behind_the_answer_to_head_ends_the_connection(transport: Transport) -> None:
    async with raw_server(always(answer(b"body"))) as server:
        for _ in range(2):
            assert (await fetch(transport, request(server.url, "HEAD"))).body == b""
        assert server.connections == 2


async def test_a_request_that_asks_to_close_gets_a_connection_of_its_own(
    transport: Transport,
) -> None:
    async with raw_server(always(answer())) as server:
        for _ in range(2):
            await fetch(transport, request(server.url, headers={"connection": "close"}))
        assert server.connections == 2


async def test_the_connection_used_last_is_used_next(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await always(answer(b"%d" % peer.number))(peer)

    async with raw_server(script) as server:
        await asyncio.gather(*(fetch(transport, request(server.url)) for _ in range(3)))
        assert transport.pool.idle_connections == server.connections == 3
        used = {(await fetch(transport, request(server.url))).body for _ in range(5)}
        assert len(used) == 1


async def test_origins_do_not_share_connections(transport: Transport) -> None:
    async with raw_server(always(answer(b"1"))) as one, raw_server(always(answer(b"2"))) as two:
        for _ in range(2):
            assert (await fetch(transport, request(one.url))).body == b"1"
            assert (await fetch(transport, request(two.url))).body == b"2"
        assert (one.connections, two.connections) == (1, 1)


# -- age --------------------------------------------------------------------------------------


async def test_a_connection_idle_too_long_is_not_used() -> None:
    clock = Clock()
    async with (
        Transport(keepalive_expiry_s=10, clock=clock) as transport,
        raw_server(always(answer())) as server,
    ):
        await fetch(transport, request(server.url))
        clock.now += 9.9
        await fetch(transport, request(server.url))
        assert server.connections == 1
        clock.now += 10
        await fetch(transport, request(server.url))
        assert server.connections == 2


async def test_a_connection_idle_too_long_is_closed_without_a_request() -> None:
    async with (
        Transport(keepalive_expiry_s=0.02) as transport,
        raw_server(always(answer())) as server,
    ):
        await asyncio.gather(*(fetch(transport, request(server.url)) for _ in range(3)))
        assert transport.pool.idle_connections == 3
        await until(lambda: transport.pool.open_connections == 0)
        assert transport.pool.idle_connections == 0


async def test_more_idle_connections_than_allowed_are_closed_oldest_first() -> None:
    async with Transport(max_keepalive=2) as transport, raw_server(always(answer())) as server:
        await asyncio.gather(*(fetch(transport, request(server.url)) for _ in range(4)))
        await until(lambda: transport.pool.open_connections == 2)
        assert transport.pool.idle_connections == 2


# -- dead connections -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset", "unasked"])
async def test_a_connection_that_died_idle_is_noticed_before_use(
    how: str, transport: Transport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        if peer.number == 0:
            await die.wait()
            match how:
                case "close":
                    peer.close()
                case "reset":
                    peer.reset()
                case _:
                    await peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await peer.until_closed()

    die = asyncio.Event()
    async with raw_server(script) as server:
        await fetch(transport, request(server.url))
        die.set()
        await until(lambda: transport.pool.open_connections == 0)
        content = pieces_of(b"cannot be sent twice")
        assert (await fetch(transport, request(server.url, content=content))).status == 200
        assert server.connections == 2


def dies_on_reuse(how: str, deaths: int = 1) -> Callable[[Peer], object]:
    """Serves one request a connection; the second one meets its death."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(answer(b"first"))
            await peer.request()
        elif peer.number > deaths - 1:
            await peer.send(answer(b"again"))
            await peer.until_closed()
        peer.reset() if how == "reset" else peer.close()

    return script


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_request_that_a_dead_connection_swallowed_is_sent_again(
    how: str, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pointsman.transport")
    async with raw_server(dies_on_reuse(how)) as server:
        assert (await fetch(transport, request(server.url))).body == b"first"
        assert (await fetch(transport, request(server.url, content=b"x"))).body == b"again"
        assert server.connections == 2
        assert server.requests[1] == server.requests[2]
    [line] = caplog.messages
    assert line == "a kept connection to 127.0.0.1 was dead: sent once more on another"


async def test_it_is_sent_again_only_once(transport: Transport) -> None:
    async with raw_server(dies_on_reuse("close", deaths=9)) as server:
        await fetch(transport, request(server.url))
        assert await outcome(transport, request(server.url)) is httpx.RemoteProtocolError
        assert len(server.requests) == 3


async def test_a_request_that_is_merely_not_answered_is_not_sent_again(
    transport: Transport,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.request()
        await peer.until_closed()

    async with raw_server(script) as server:
        await fetch(transport, request(server.url))
        assert await outcome(transport, request(server.url, read=0.05)) is httpx.ReadTimeout
        assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_streamed_body_is_not_sent_again(transport: Transport) -> None:
    async with raw_server(dies_on_reuse("close")) as server:
        await fetch(transport, request(server.url))
        message = request(server.url, content=pieces_of(b"x"))
        assert await outcome(transport, message) is httpx.RemoteProtocolError
        assert server.connections == 1


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", OK])
async def test_after_a_byte_of_a_response_nothing_is_sent_again(
    part: bytes, transport: Transport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.request()
        await peer.send(part)
        peer.close()

    async with raw_server(script) as server:
        await fetch(transport, request(server.url))
        assert await outcome(transport, request(server.url)) is httpx.RemoteProtocolError
        assert len(server.requests) == 2


async def test_a_new_connection_that_dies_is_not_tried_again(transport: Transport) -> None:
    async with raw_server(once(b"", then="close")) as server:
        assert await outcome(transport, request(server.url)) is httpx.RemoteProtocolError
        assert server.connections == 1
