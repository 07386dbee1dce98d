"""More requests than connections, and the end of a transport."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import fetch, outcome, request, until
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
OPEN_END = OK + b"transfer-encoding: chunked\r\n\r\n"


# -- limits -----------------------------------------------------------------------------------


async def test_requests_beyond_the_limit_are_served_in_their_order() -> None:
    served: list[int] = []

    async def call(number: int) -> None:
        await fetch(transport, request(server.url))
        served.append(number)

    async with Transport(max_connections=1) as transport, raw_server(always(answer())) as server:
        await asyncio.gather(*(call(number) for number in range(20)))
        assert served == list(range(20))
        assert server.connections == 1


async def test_never_more_connections_than_the_limit() -> None:
    async def script(peer: Peer) -> None:
        await always(answer(b"hi", b"connection: close"))(peer)

    async with Transport(max_connections=3) as transport, raw_server(script) as server:
        calls = [asyncio.create_task(fetch(transport, request(server.url))) for _ in range(30)]
        while not all(call.done() for call in calls):
            assert transport.pool.open_connections <= 3
            await asyncio.sleep(0)
        assert {call.result().status for call in calls} == {200}


async def test_a_waiting_request_that_is_cancelled_leaves_the_queue() -> None:
    async with Transport(max_connections=1) as transport, raw_server(once(OPEN_END)) as server:
        response = await transport.handle_async_request(request(server.url))
        calls = [asyncio.create_task(fetch(transport, request(server.url))) for _ in range(3)]
        await until(lambda: transport.pool.waiting_requests == 3)
        calls[0].cancel()
        calls[1].cancel()
        await asyncio.wait(calls[:2])
        assert transport.pool.waiting_requests == 1
        await response.aclose()
        await until(lambda: server.connections == 2)
        calls[2].cancel()
        await asyncio.wait(calls)
        await until(lambda: transport.pool.open_connections == 0)


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", None], ids=["connection", "permit"])
async def test_what_a_cancelled_request_had_just_been_given_goes_to_the_next(
    ending: bytes | None,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OPEN_END)
        if ending:
            await finish.wait()
            await peer.send(ending)
        else:
            await peer.until_closed()
        await always(answer())(peer)

    finish = asyncio.Event()
    async with Transport(max_connections=1) as transport, raw_server(script) as server:
        response = await transport.handle_async_request(request(server.url))
        calls = [asyncio.create_task(fetch(transport, request(server.url))) for _ in range(2)]
        await until(lambda: transport.pool.waiting_requests == 2)
        if ending is None:
            await response.aclose()
        finish.set()
        # In the turn in which the first of them has been chosen, but has not run yet:
        await until(lambda: transport.pool.waiting_requests == 1)
        calls[0].cancel()
        await asyncio.wait(calls[:1])
        assert calls[0].cancelled()
        if ending:
            assert (await calls[1]).body == b"hi"
        else:
            await until(lambda: server.connections == 2)
            calls[1].cancel()
            await asyncio.wait(calls[1:])


async def test_an_idle_connection_makes_room_for_another_origin() -> None:
    async with (
        Transport(max_connections=1) as transport,
        raw_server(always(answer(b"1"))) as one,
        raw_server(always(answer(b"2"))) as two,
    ):
        for _ in range(3):
            assert (await fetch(transport, request(one.url))).body == b"1"
            assert (await fetch(transport, request(two.url))).body == b"2"


async def test_a_waiting_request_to_another_origin_gets_its_turn() -> None:
    async with (
        Transport(max_connections=1) as transport,
        raw_server(always(answer(b"1"))) as one,
        raw_server(always(answer(b"2"))) as two,
    ):
        urls = [one.url, two.url] * 5
        results = await asyncio.gather(*(fetch(transport, request(url)) for url in urls))
        assert [result.body for result in results] == [b"1", b"2"] * 5


async def test_a_failed_connection_gives_its_place_back() -> None:
    async with raw_server(once(b"")) as server:
        gone = server.url
    async with Transport(max_connections=1) as transport:
        results = await asyncio.gather(*(outcome(transport, request(gone)) for _ in range(5)))
        assert results == [httpx.ConnectError] * 5
        assert transport.pool.open_connections == 0


# -- the end ----------------------------------------------------------------------------------


async def test_closing_ends_idle_running_and_waiting_requests() -> None:
    transport = Transport(max_connections=2)
    async with raw_server(once(OPEN_END + b"2\r\nhi\r\n")) as server:
        reading = await transport.handle_async_request(request(server.url))
        pieces = aiter(reading.stream)
        assert await anext(pieces) == b"hi"
        calls = [asyncio.create_task(outcome(transport, request(server.url))) for _ in range(3)]
        next_piece = asyncio.create_task(anext(pieces))
        await until(lambda: transport.pool.waiting_requests == 2)
        await until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.01)
        await transport.aclose()
        results = await asyncio.gather(*calls)
        assert results == [httpx.ReadError, httpx.ConnectError, httpx.ConnectError]
        with pytest.raises(httpx.ReadError):
            await next_piece
        assert transport.pool.open_connections == 0
        for peer in server.peers:
            await peer.ended.wait()
        await transport.aclose()


async def test_closing_ends_a_handshake_under_way() -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    transport = Transport()
    async with raw_server(script) as server:
        url = server.url.replace("http:", "https:")
        call = asyncio.create_task(outcome(transport, request(url)))
        await until(lambda: server.connections == 1)
        await transport.aclose()
        assert await call is httpx.ConnectError
        await server.peers[0].ended.wait()
        assert transport.pool.open_connections == 0


async def test_a_closed_transport_takes_no_requests() -> None:
    transport = Transport()
    async with raw_server(always(answer())) as server:
        await fetch(transport, request(server.url))
        await transport.aclose()
        assert await outcome(transport, request(server.url)) is httpx.ConnectError
        assert server.connections == 1
