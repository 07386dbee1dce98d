"""One request and its response: sending, reading, limits, and every way to leave in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.upstream.connection import HIGH_WATER_BYTES, Connection
from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import fetch, outcome, pieces_of, request
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


async def test_chunks_that_arrive_together_come_out_as_one_piece(transport: Transport) -> None:
    body = b"".join(b"5\r\nevent\r\n" for _ in range(20)) + b"0\r\n\r\n"
    async with raw_server(always(CHUNKED + body)) as server:
        response = await transport.handle_async_request(request(server.url))
        assert [piece async for piece in response.stream] == [b"event" * 20]


async def test_a_piece_comes_out_before_the_next_is_sent(transport: Transport) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\none\r\n")
        await go_on.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await peer.until_closed()

    async with raw_server(script) as server:
        response = await transport.handle_async_request(request(server.url))
        pieces = aiter(response.stream)
        assert await anext(pieces) == b"one"
        go_on.set()
        assert await anext(pieces) == b"two"
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
    assert await anext(pieces, None) is None


async def test_an_error_comes_after_what_had_arrived(transport: Transport) -> None:
    async with raw_server(once(CHUNKED + b"3\r\none\r\nbroken")) as server:
        response = await transport.handle_async_request(request(server.url))
        pieces = aiter(response.stream)
        assert await anext(pieces) == b"one"
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(pieces)
        await server.peers[0].ended.wait()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", None], ids=["connecting", "reading"])
async def test_an_error_names_its_request(url: str | None, transport: Transport) -> None:
    async with raw_server(once(b"nonsense")) as server:
        message = request(url or server.url)
        with pytest.raises(httpx.TransportError) as caught:
            await transport.handle_async_request(message)
        assert caught.value.request is message


async def test_a_server_may_answer_before_it_has_read(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nlater")
        await peer.until_closed()

    async with raw_server(script) as server:
        result = await fetch(transport, request(server.url))
    assert (result.status, result.body) == (503, b"later")


# -- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endless",
    [
        OK + b"x: " + b"y" * 40_000,
        b"HTTP/1.1 200 " + b"O" * 40_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000,
        CHUNKED + b"5;" + b"e" * 40_000,
        CHUNKED + b"0\r\nx: " + b"y" * 40_000,
        CHUNKED + b"0\r\n" + b"x:y\r\n" * 200,
    ],
    ids=["header", "reason", "1xx", "chunk extension", "trailer", "trailers"],
)
async def test_nothing_but_a_body_may_be_endless(endless: bytes, transport: Transport) -> None:
    async with raw_server(once(endless)) as server:
        assert await outcome(transport, request(server.url)) is httpx.RemoteProtocolError
        await server.peers[0].ended.wait()


async def test_a_head_at_the_limit_is_taken(transport: Transport) -> None:
    response = answer(b"hi", *[b"x: " + b"y" * 320] * 98, b"z: " + b"y" * 700)
    assert 32_000 < len(response) < 32 * 1024
    async with raw_server(once(response)) as server:
        assert (await fetch(transport, request(server.url))).body == b"hi"


async def test_reading_pauses_while_nobody_takes_the_body(transport: Transport) -> None:
    total = 20_000_000

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(OK + b"content-length: %d\r\n\r\n" % total + b"x" * total)
        await peer.until_closed()

    async with raw_server(script) as server:
        response = await transport.handle_async_request(request(server.url))
        writer = server.peers[0].writer.transport
        for _ in range(50):
            await asyncio.sleep(0)
        left = writer.get_write_buffer_size()
        assert left > 0
        assert response.stream.buffered <= HIGH_WATER_BYTES + 256 * 1024
        read = 0
        async for piece in response.stream:
            read += len(piece)
        assert read == total
        assert transport.pool.idle_connections == 1


# -- sending ----------------------------------------------------------------------------------


async def test_a_large_body_leaves_whole_and_no_copy_of_it_is_kept(transport: Transport) -> None:
    body = bytes(range(256)) * 40_000
    waiting: list[int] = []
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())
        await peer.send(answer(b"hi"))
        await peer.until_closed()

    class Watched(Connection):
        def write(self, data: bytes | memoryview) -> None:
            super().write(data)
            waiting.append(self._transport.get_write_buffer_size())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proxy.upstream.pool.Connection", Watched)
        async with raw_server(script) as server:
            result = await fetch(transport, request(server.url, content=body))

    assert (result.body, got[0][-len(body) :] == body) == (b"hi", True)
    assert max(waiting) < 4 * HIGH_WATER_BYTES


async def test_head_and_body_leave_in_one_segment(transport: Transport) -> None:
    first_read: list[bytes] = []

    async def script(peer: Peer) -> None:
        first_read.append(await peer.reader.read(65536))
        await peer.send(answer())
        await peer.until_closed()

    async with raw_server(script) as server:
        await fetch(transport, request(server.url, content=b"the body"))
    assert first_read[0].endswith(b"\r\n\r\nthe body")


async def test_bytes_can_leave_as_a_chunk(transport: Transport) -> None:
    async with raw_server(once(answer())) as server:
        message = request(server.url, content=b"hello")
        message.headers = httpx.Headers({"host": "h", "transfer-encoding": "chunked"})
        await fetch(transport, message)
    assert server.requests[0].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize("length", ["1", "3"])
async def test_a_body_of_another_length_than_told_is_not_sent(
    length: str, transport: Transport
) -> None:
    for content in (b"{}", pieces_of(b"{", b"}")):
        async with raw_server(once(answer())) as server:
            message = request(server.url, content=content, headers={"content-length": length})
            assert await outcome(transport, message) is httpx.LocalProtocolError
            assert server.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "h", "content-length": "2", "transfer-encoding": "chunked"},
        {"host": "h"},
    ],
    ids=["no host", "two framings", "a body without length"],
)
async def test_a_request_that_can_be_read_in_two_ways_is_not_sent(
    headers: dict[str, str], transport: Transport
) -> None:
    async with raw_server(once(answer())) as server:
        message = request(server.url)
        message.headers = httpx.Headers(headers)
        assert await outcome(transport, message) is httpx.LocalProtocolError
        assert server.connections == 0


async def test_a_sync_body_is_refused(transport: Transport) -> None:
    with pytest.raises(TypeError):
        await fetch(transport, request("http://127.0.0.1:1", content=iter([b"x"])))


async def test_a_large_body_waits_for_the_server_to_read(transport: Transport) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(400):
            produced.append(number)
            yield b"x" * 65536

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await read_on.wait()
        peer.writer.transport.resume_reading()
        await peer.request()
        await peer.send(answer())
        await peer.until_closed()

    produced: list[int] = []
    read_on = asyncio.Event()
    async with raw_server(script) as server:
        message = request(server.url, content=body(), headers={"content-length": str(400 * 65536)})
        call = asyncio.create_task(fetch(transport, message))
        before = -1
        while len(produced) > before:
            before = len(produced)
            await asyncio.sleep(0.02)
        assert 0 < before < 400
        read_on.set()
        assert (await call).body == b"hi"
        assert len(produced) == 400


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_refusal_that_comes_early_ends_the_sending(
    streamed: bool, transport: Transport
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nbig!")
        await peer.until_closed()

    async with raw_server(script) as server:
        content = endless() if streamed else b"x" * 30_000_000
        result = await fetch(transport, request(server.url, content=content))
        assert (result.status, result.body) == (413, b"big!")
        await server.peers[0].ended.wait()
        assert transport.pool.idle_connections == 0


async def test_a_success_that_comes_early_does_not_end_the_sending(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(CHUNKED)
        peer.requests.append(head + await peer.reader.readuntil(b"0\r\n\r\n"))
        await peer.send(b"4\r\ndone\r\n0\r\n\r\n")
        await peer.until_closed()

    async with raw_server(script) as server:
        content = pieces_of(*[b"x" * 65536] * 100)
        result = await fetch(transport, request(server.url, content=content))
        assert result.body == b"done"
        assert server.requests[0].count(b"x" * 65536) == 100
        assert transport.pool.idle_connections == 1


async def test_a_connection_that_breaks_while_sending_is_a_write_error(
    transport: Transport,
) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()
        await asyncio.sleep(0.02)
        peer.reset()

    async with raw_server(script) as server:
        message = request(server.url, content=b"x" * 30_000_000)
        assert await outcome(transport, message) is httpx.WriteError


async def test_what_a_body_raises_comes_out_and_ends_the_connection(transport: Transport) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the file is gone")

    async with raw_server(once(answer())) as server:
        with pytest.raises(LookupError):
            await fetch(transport, request(server.url, content=body()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert transport.pool.open_connections == 0


# -- leaving in the middle --------------------------------------------------------------------


async def test_closing_a_response_closes_its_connection(transport: Transport) -> None:
    async with raw_server(once(CHUNKED + b"3\r\none\r\n")) as server:
        response = await transport.handle_async_request(request(server.url))
        pieces = aiter(response.stream)
        await anext(pieces)
        await response.stream.aclose()
        with pytest.raises(httpx.ReadError):
            await anext(pieces)
        await server.peers[0].ended.wait()
        assert transport.pool.open_connections == 0


async def test_closing_a_complete_response_keeps_its_connection(transport: Transport) -> None:
    async with raw_server(always(answer())) as server:
        for _ in range(3):
            response = await transport.handle_async_request(request(server.url))
            await response.stream.aclose()
        assert server.connections == 1


async def test_closing_a_response_ends_a_read_of_it(transport: Transport) -> None:
    async with raw_server(once(CHUNKED)) as server:
        response = await transport.handle_async_request(request(server.url))
        reading = asyncio.create_task(anext(aiter(response.stream)))
        await asyncio.sleep(0)
        await response.stream.aclose()
        with pytest.raises(httpx.ReadError):
            await reading


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("response", [answer(), CHUNKED + b"3\r\none\r\n", b""])
async def test_cancelling_leaks_nothing_wherever_it_strikes(
    streamed: bool, response: bytes, transport: Transport
) -> None:
    async with raw_server(always(response)) as server:
        for turns in range(25):
            content = pieces_of(b"a", b"b") if streamed else b"ab"
            call = asyncio.create_task(fetch(transport, request(server.url, content=content)))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            for _ in range(5):
                await asyncio.sleep(0)
            pool = transport.pool
            assert pool.open_connections == pool.idle_connections


async def test_a_read_timeout_of_one_request_does_not_strike_the_next() -> None:
    async with Transport() as transport, raw_server(always(answer())) as server:
        await fetch(transport, request(server.url, read=0.02))
        await asyncio.sleep(0.03)
        for _ in range(3):
            await fetch(transport, request(server.url, read=5))
        assert server.connections == 1


async def test_a_shorter_timeout_holds_on_a_connection_that_had_a_longer_one(
    transport: Transport,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.until_closed()

    async with raw_server(script) as server:
        await fetch(transport, request(server.url, read=60))
        message = request(server.url, read=0.05)
        assert await outcome(transport, message) is httpx.ReadTimeout
        assert server.connections == 1


async def test_without_timeouts_a_request_just_waits(transport: Transport) -> None:
    async with raw_server(once(answer())) as server:
        message = httpx.Request("GET", server.url)
        assert (await fetch(transport, message)).body == b"hi"


async def test_every_byte_restarts_the_read_timeout(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(8):
            await asyncio.sleep(0.02)
            await peer.send(b"1\r\nx\r\n")
        await peer.send(b"0\r\n\r\n")

    async with raw_server(script) as server:
        assert (await fetch(transport, request(server.url, read=0.1))).body == b"x" * 8
