"""How many bytes are read of what a provider sends, once they are unpacked, whoever asked.

Streams of answers are read in `native`, up to the limits here; everything else is read whole, by
`read_whole`, also what the SDKs and other small calls ask for (`Bounded`).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

import httpx

from adapters.wire.json_size import MAX_ITEMS, Values, has_too_many_values, values_of

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_STREAM_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024
MAX_SMALL_BYTES = 2 * 1024 * 1024
"""Of lists of models and the like."""
MAX_SMALL_VALUES = 40_000
"""Objects and lists in them: libraries that check each one take their time."""
SMALL_S = 20.0
PIECE_BYTES = 64 * 1024
TURN_BYTES = 128 * 1024
"""Unpacked before everybody else has a turn: a few bytes can hold very many."""
AUTO_DETECT = 32
"""Added to zlib's window size, it takes gzip as well as deflate."""


class TooLargeError(httpx.TransportError):
    """A body that goes on beyond its limit."""


class UnknownCodingError(httpx.DecodingError):
    """A body that is compressed in a way that nobody asked for."""


def unpacked(pieces: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    """Raw bytes; unpacked only where a provider compressed although we asked it not to."""
    match coding:
        case "identity" | "":
            return pieces
        case "gzip" | "deflate":
            return _inflated(pieces)
        case _:
            return _unreadable()


async def _unreadable() -> AsyncGenerator[bytes, None]:
    raise UnknownCodingError("the answer is compressed in a way that nobody asked for")
    yield  # which makes it a body


async def _inflated(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in small pieces: httpx would unpack all of a bomb before anyone could count."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | AUTO_DETECT)
    size = 0
    try:
        async for packed in pieces:
            if unpacker.eof:
                break  # nothing of the answer comes any more, and zlib would keep what does
            while packed:
                if piece := unpacker.decompress(packed, PIECE_BYTES):  # an empty one is the end
                    yield piece
                packed = unpacker.unconsumed_tail
                size += len(piece)
                if size >= TURN_BYTES:
                    size = 0
                    await asyncio.sleep(0)
        if rest := unpacker.flush():
            yield rest
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if not unpacker.eof:
        raise httpx.DecodingError("the compressed answer is cut off")


async def read_begin(pieces: AsyncIterator[bytes], most_bytes: int) -> bytearray:
    """The body, up to the piece with which it is more than `most_bytes`."""
    begin = bytearray()
    async for data in pieces:
        begin += data
        if len(begin) > most_bytes:
            break
    return begin


async def read_whole(
    pieces: AsyncIterator[bytes], most_bytes: int, most_values: int, most_items: int = MAX_ITEMS
) -> bytearray:
    """The whole body. Raises TooLargeError as soon as it is more, or holds more values.

    Those of a large one are counted piece by piece, which keeps nobody waiting.
    """
    whole = bytearray()
    values: Values | None = None
    size, is_too_much = 0, False
    async for data in pieces:
        whole += data
        size = len(whole)
        is_too_much = size > most_bytes
        if size > PIECE_BYTES:
            if values is None:
                values = values_of(whole)
            else:
                values.feed(data)
            is_too_much = is_too_much or values.are_more_than(most_values, most_items)
        if is_too_much:
            break
    if values is None and size > most_values:
        is_too_much = is_too_much or has_too_many_values(whole, most=most_values, items=most_items)
    if is_too_much:
        whole.clear()  # the error's traceback would keep it for a while
        raise TooLargeError(f"more than {most_bytes} bytes, or {most_values} values")
    return whole


class Bounded(httpx.AsyncBaseTransport):
    """Another transport, all of whose answers are small, uncompressed, and here in time.

    For what goes through httpx's client, whose own reading knows no limit.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, *, longest_s: float = SMALL_S) -> None:
        self._transport = transport
        self._longest_s = longest_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response with its body read. Raises what httpx raises."""
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(self._longest_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx.ReadTimeout("the answer took too long", request=request) from None
        headers = [
            (name, value)
            for name, value in response.headers.raw
            if name.lower() not in (b"content-encoding", b"transfer-encoding", b"content-length")
        ]
        return httpx.Response(
            response.status_code,
            headers=headers,
            content=body,
            request=request,
            extensions=response.extensions,
        )

    async def _read(self, response: httpx.Response) -> bytes:
        coding = response.headers.get("content-encoding", "").strip().lower()
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - of async transports
        pieces = unpacked(aiter(response.stream), coding)
        return bytes(await read_whole(pieces, MAX_SMALL_BYTES, MAX_SMALL_VALUES))

    async def aclose(self) -> None:
        await self._transport.aclose()
