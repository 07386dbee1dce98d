"""TLS: verified or not at all, the name told to the server, and no difference above it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import fetch, outcome, request
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def transport(trusting: ssl.SSLContext) -> AsyncIterator[Transport]:
    async with Transport(ssl_context=trusting) as opened:
        yield opened


def server_context(authority: trustme.CA, *names: str, **options: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **options).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_a_verified_server_is_reached_and_kept(
    authority: trustme.CA, transport: Transport
) -> None:
    async with raw_server(always(answer()), server_context(authority)) as server:
        for _ in range(3):
            assert (await fetch(transport, request(server.url))).body == b"hi"
        assert server.connections == 1
        tls = server.peers[0].writer.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == "http/1.1"


async def test_the_server_is_told_the_name_it_is_reached_by(
    authority: trustme.CA, transport: Transport
) -> None:
    told: list[str | None] = []
    context = server_context(authority)
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    async with raw_server(always(answer()), context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        assert (await fetch(transport, request(url))).body == b"hi"
    assert told == ["localhost"]


@pytest.mark.parametrize("why", ["unknown authority", "another name", "expired"])
async def test_a_server_that_cannot_be_verified_is_not_spoken_to(
    why: str, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context = {
        "unknown authority": lambda: server_context(trustme.CA()),
        "another name": lambda: server_context(authority, "example.org"),
        "expired": lambda: server_context(
            authority, not_before=long_ago, not_after=long_ago + datetime.timedelta(days=1)
        ),
    }[why]()
    async with (
        Transport(ssl_context=trusting) as own,
        httpx.AsyncHTTPTransport(verify=trusting) as other,
        raw_server(always(answer()), context) as server,
    ):
        for either in (own, other):
            assert await outcome(either, request(server.url)) is httpx.ConnectError
        assert server.requests == []
        assert own.pool.open_connections == 0


async def test_the_default_trusts_what_httpx_trusts(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with raw_server(always(answer()), server_context(authority)) as server:
        async with Transport() as transport:
            assert await outcome(transport, request(server.url)) is httpx.ConnectError
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with Transport() as transport:
            calls = (fetch(transport, request(server.url)) for _ in range(3))
            assert {result.body for result in await asyncio.gather(*calls)} == {b"hi"}


@pytest.mark.parametrize("weak", ["no certificate", "no host name"])
def test_a_context_that_does_not_verify_is_refused(weak: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    if weak == "no certificate":
        context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="verify"):
        Transport(ssl_context=context)


async def test_megabytes_pass_in_both_directions(
    authority: trustme.CA, transport: Transport
) -> None:
    size = 5_000_000
    response = answer(b"y" * size)
    async with raw_server(always(response), server_context(authority)) as server:
        for _ in range(2):
            result = await fetch(transport, request(server.url, content=b"x" * size))
            assert result.body == b"y" * size
        assert server.requests[0].endswith(b"x" * size)
        assert server.connections == 1


async def test_closing_a_response_closes_its_connection(
    authority: trustme.CA, transport: Transport
) -> None:
    response = CHUNKED + b"2\r\nhi\r\n"
    async with raw_server(once(response), server_context(authority)) as server:
        reading = await transport.handle_async_request(request(server.url))
        assert await anext(aiter(reading.stream)) == b"hi"
        await reading.aclose()
        await server.peers[0].ended.wait()


async def test_a_dead_kept_connection_is_replaced(
    authority: trustme.CA, transport: Transport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"%d" % peer.number))
        if peer.number == 0:
            await peer.request()

    async with raw_server(script, server_context(authority)) as server:
        assert (await fetch(transport, request(server.url))).body == b"0"
        assert (await fetch(transport, request(server.url))).body == b"1"


async def test_cancelling_leaks_nothing_wherever_it_strikes(
    authority: trustme.CA, transport: Transport
) -> None:
    async with raw_server(always(CHUNKED), server_context(authority)) as server:
        for turns in range(0, 60, 2):
            call = asyncio.create_task(fetch(transport, request(server.url)))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            for _ in range(5):
                await asyncio.sleep(0)
            assert transport.pool.open_connections == 0
        for peer in server.peers:
            await peer.ended.wait()
