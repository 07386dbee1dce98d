"""However the network cuts a response, it comes out the same. No sockets: a transport of lists."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import pytest
from hypothesis import example, given, strategies as st

from proxy.upstream.connection import Connection, Origin
from proxy.upstream.exchange import MAX_INTERIM, Exchange
from proxy.upstream.outgoing import encode

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
RESPONSES = [
    OK + b"x: y\r\nContent-Length: 11\r\n\r\nhello world",
    CHUNKED + b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\ntrailer: t\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK + b"content-length: 11\r\n\r\nhello world",
    OK + b"\r\nhello world",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    CHUNKED + b"5\r\nhello\r\nzz\r\n",
    OK + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    OK + b"content-length: 99\r\n\r\nhello world",
    OK + b"content-length: 5\r\n\r\nhello world",
    b"SSH-2.0-OpenSSH\r\n",
]


class _Wire(asyncio.Transport):
    """Takes everything, does nothing."""

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Owner:
    """A pool that keeps nothing."""

    def adopt(self, connection: Connection) -> None:
        pass

    def release(self, connection: Connection) -> None:
        pass

    def forget(self, connection: Connection) -> None:
        pass


async def _receive(parts: list[bytes], *, early: bool = False) -> dict[str, Any]:
    """What an exchange makes of `parts`; `early`: all of them came before it began."""
    connection = Connection(Origin(False, "h", 80), _Owner(), asyncio.get_running_loop())
    connection.connection_made(_Wire())
    request = httpx.Request("POST", "http://h/", content=b"{}")
    exchange = Exchange(connection, request, encode(request), {})
    run = asyncio.create_task(exchange.run())
    if not early:
        await asyncio.sleep(0)
    for part in parts:
        connection.data_received(part)
    connection.eof_received()
    connection.connection_lost(None)
    body, error = b"", None
    try:
        await run
        async for piece in exchange:
            body += piece
    except httpx.TransportError as failure:
        error = type(failure)
    return {
        "status": exchange.status,
        "headers": exchange.headers,
        "body": body,
        "error": error,
    }


def _cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("response", RESPONSES)
def test_a_cut_at_any_place_changes_nothing(response: bytes) -> None:
    async def check() -> None:
        whole = await _receive([response])
        for position in range(1, len(response)):
            assert await _receive([response[:position], response[position:]]) == whole
        assert await _receive([response[i : i + 1] for i in range(len(response))]) == whole

    asyncio.run(check())


@given(st.sampled_from(RESPONSES), st.lists(st.integers(0, 200), max_size=8))
def test_cuts_at_any_places_change_nothing(response: bytes, positions: list[int]) -> None:
    async def check() -> None:
        whole = await _receive([response])
        assert await _receive(_cut(response, positions)) == whole

    asyncio.run(check())


@pytest.mark.parametrize("response", RESPONSES)
def test_a_response_that_came_before_its_request_is_the_same(response: bytes) -> None:
    async def check() -> None:
        whole = await _receive([response])
        early = await _receive([response], early=True)
        assert early == whole

    asyncio.run(check())


@given(st.binary(max_size=200), st.sampled_from([b"", OK, CHUNKED]))
@example(b"\0" * 50_000, OK)
@example(b"x: y\r\n" * 20_000, OK)
def test_no_bytes_do_more_harm_than_a_protocol_error(noise: bytes, head: bytes) -> None:
    async def check() -> None:
        result = await _receive([part for part in (head, noise) if part])
        assert result["error"] in (None, httpx.RemoteProtocolError)

    asyncio.run(check())


EVENT = b"30\r\n" + b"x" * 48 + b"\r\n"
INTERIM = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
LENGTH = OK + b"content-length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (CHUNKED + b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n", None),
        (CHUNKED + EVENT * 4000 + b"1\r\na\r\n" * 40_000, None),
        (CHUNKED + EVENT * 4500 + b"0\r\n\r\n", b"x" * 48 * 4500),
        (INTERIM * (MAX_INTERIM + 1) + LENGTH, None),
        (INTERIM * MAX_INTERIM + LENGTH, b"hi"),
    ],
    ids=["small", "small behind others", "as events are", "too many interim", "interim"],
)
def test_one_read_that_takes_long_to_parse_is_refused(response: bytes, body: bytes | None) -> None:
    result = asyncio.run(_receive([response]))

    assert (result["error"] is httpx.RemoteProtocolError) == (body is None)
    assert body is None or result["body"] == body
