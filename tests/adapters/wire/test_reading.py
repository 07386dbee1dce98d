"""What goes through httpx's client is small, here in time, and unpacked as it is counted."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.base import ErrorKind, Phase
from adapters.wire import reading
from adapters.wire.broken import transport_error
from adapters.wire.reading import Bounded, TooLargeError

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


class Body(httpx.AsyncByteStream):
    """Gives a piece again and again, and knows how often it did."""

    def __init__(self, piece: bytes, times: int, pause_s: float = 0) -> None:
        self.given = 0
        self.closed = False
        self._piece, self._times, self._pause_s = piece, times, pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._times):
            self.given += 1
            await asyncio.sleep(self._pause_s)
            yield self._piece

    async def aclose(self) -> None:
        self.closed = True


class Provider(httpx.AsyncBaseTransport):
    def __init__(self, body: Body, coding: str = "identity") -> None:
        self.request: httpx.Request | None = None
        self._body, self._coding = body, coding

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        headers = {"content-encoding": self._coding, "content-type": "application/json"}
        return httpx.Response(200, headers=headers, stream=self._body)


async def answer(provider: Provider, longest_s: float = 20) -> httpx.Response:
    async with httpx.AsyncClient(transport=Bounded(provider, longest_s=longest_s)) as client:
        return await client.get("http://provider.example/models")


async def test_a_small_answer_comes_whole_and_was_asked_for_uncompressed() -> None:
    provider = Provider(Body(b"[1]", 1))

    assert (await answer(provider)).json() == [1]
    assert provider.request is not None
    assert provider.request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_one_that_is_compressed_all_the_same_is_unpacked(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress

    assert (await answer(Provider(Body(pack(b"[1]"), 1), coding))).json() == [1]


async def test_a_bomb_is_not_unpacked_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    async def counted(pieces: AsyncIterator[bytes], *most: int) -> bytearray:
        async def each() -> AsyncIterator[bytes]:
            async for piece in pieces:
                sizes.append(len(piece))
                yield piece

        return await real(each(), *most)

    real = reading.read_whole
    monkeypatch.setattr(reading, "read_whole", counted)
    with pytest.raises(TooLargeError):
        await answer(Provider(Body(gzip.compress(b"x" * 64 * MIB), 1), "gzip"))

    assert sum(sizes) < reading.MAX_SMALL_BYTES + 2 * reading.PIECE_BYTES


async def test_others_have_their_turn_while_a_bomb_is_unpacked() -> None:
    turns, is_over = 0, False

    async def others() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    packed = aiter(Body(gzip.compress(bytes(16 * MIB)), 1))
    size = sum([len(piece) async for piece in reading.unpacked(packed, "gzip")])
    is_over = True
    await waiting

    assert size == 16 * MIB
    assert turns >= size // reading.TURN_BYTES


async def test_an_endless_one_ends_with_the_limit() -> None:
    body = Body(b"x" * 64 * 1024, 10**9)
    with pytest.raises(TooLargeError) as caught:
        await answer(Provider(body))

    assert body.closed
    assert body.given * 64 * 1024 <= reading.MAX_SMALL_BYTES + 64 * 1024
    error = transport_error(caught.value, "p", Phase.BEFORE_CONTENT)
    assert error.kind is ErrorKind.RESPONSE_TOO_LARGE


async def test_one_of_too_many_values_is_not_read_by_anyone() -> None:
    with pytest.raises(TooLargeError):
        await answer(Provider(Body(b"{}," * 50_000, 1)))


async def test_one_that_drips_ends_with_its_time() -> None:
    body = Body(b" ", 10**9, pause_s=0.001)
    with pytest.raises(httpx.ReadTimeout):
        await answer(Provider(body), longest_s=0.05)

    assert body.closed


async def test_a_coding_that_nobody_knows_is_refused() -> None:
    with pytest.raises(httpx.DecodingError):
        await answer(Provider(Body(b"x", 1), "br"))
