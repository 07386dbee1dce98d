"""Beneath an httpx client: what users of the client see of it."""

from __future__ import annotations

import asyncio
import gzip
import json

import httpx
import pytest
import respx

from proxy.upstream.transport import Transport
from tests.proxy.upstream.calls import pieces_of
from tests.proxy.upstream.raw_server import Peer, always, answer, once, raw_server

pytestmark = pytest.mark.anyio


async def test_a_client_reads_json() -> None:
    response = answer(b'{"a": 1}', b"content-type: application/json")
    async with raw_server(always(response)) as server, _client(server.url) as client:
        for _ in range(2):
            result = await client.post("/v1", json={"q": "é"})
            assert result.json() == {"a": 1}
            assert result.http_version == "HTTP/1.1"
            assert result.reason_phrase == "OK"
    assert server.connections == 1
    head, body = server.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1 HTTP/1.1\r\n")
    assert json.loads(body) == {"q": "é"}


async def test_a_client_streams() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for word in (b"one", b"two"):
            await peer.send(b"4\r\n%b\n\r\n" % word)
        await peer.send(b"0\r\n\r\n")

    async with (
        raw_server(script) as server,
        _client(server.url) as client,
        client.stream("POST", "/", json={}) as response,
    ):
        assert [line async for line in response.aiter_lines()] == ["one", "two"]


async def test_a_client_that_leaves_a_stream_closes_the_connection() -> None:
    response = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart"
    async with raw_server(once(response)) as server, _client(server.url) as client:
        async with client.stream("GET", "/") as reading:
            async for piece in reading.aiter_bytes():
                assert piece == b"part"
                break
        await server.peers[0].ended.wait()


async def test_a_client_decodes_and_follows() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 307 There\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n")
        await peer.request()
        await peer.send(answer(gzip.compress(b"found"), b"content-encoding: gzip"))
        await peer.until_closed()

    async with raw_server(script) as server, _client(server.url) as client:
        response = await client.post("/a", content=b"again", follow_redirects=True)
        assert response.text == "found"
        assert [request.endswith(b"again") for request in server.requests] == [True, True]
        assert server.connections == 1


async def test_a_client_uploads_a_file_and_a_stream() -> None:
    async with raw_server(always(answer())) as server, _client(server.url) as client:
        await client.post("/", files={"file": ("a.txt", b"the file")})
        await client.post("/", content=pieces_of(b"one", b"two"))
    assert b"the file" in server.requests[0]
    assert server.requests[1].endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_a_client_s_timeouts_hold_and_name_the_request() -> None:
    async with raw_server(once(b"")) as server, _client(server.url) as client:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await client.get("/slow", timeout=0.05)
        assert caught.value.request.url.path == "/slow"


async def test_many_requests_at_once_all_get_their_own_answer() -> None:
    async def script(peer: Peer) -> None:
        while True:
            head = await peer.request()
            await peer.send(answer(head.split(b" ")[1]))

    async with raw_server(script) as server, _client(server.url) as client:
        paths = [f"/{number}" for number in range(300)]
        results = await asyncio.gather(*(client.get(path) for path in paths))
        assert [result.text for result in results] == paths
        assert server.connections <= 300


async def test_respx_stands_in_for_it() -> None:
    async with (
        respx.mock(base_url="http://api.test", using="httpx") as mock,
        _client("http://api.test") as client,
    ):
        mock.post("/v1").respond(json={"mocked": True})
        assert (await client.post("/v1")).json() == {"mocked": True}


def _client(base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Transport(), base_url=base_url, trust_env=False)
