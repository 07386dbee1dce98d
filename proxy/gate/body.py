"""A request's body and id, read off ASGI with every limit held while reading."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial

from starlette.types import Message, Receive, Scope

from adapters.wire.json_size import (
    BYTES_OF_CONTAINER,
    MAX_CONTAINERS,
    Values,
    has_too_many_values,
    read_bytes,
)
from proxy.errors import ApiError
from proxy.gate.room import SMALL_BODY_BYTES, Place

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_FORM_BYTES = 100 * 1024 * 1024
"""Of a form, which brings a file along."""

STEADY_S = 1.0
STEADY_BYTES_A_S = 256 * 1024
"""Who sends a large body at this pace keeps the room for all of it; others hold what has come."""
FEW_BYTES = 32 * 1024
"""What is smaller is looked at at once."""
SLICE_BYTES = 64 * 1024
COPIES = 3
"""How often a body is in memory, which the room's size has in it already."""
LIGHT_BYTES = SMALL_BODY_BYTES * COPIES // (BYTES_OF_CONTAINER + 1)
"""What is smaller takes no more memory than a small body may, were each byte of it an object."""

WATCH = "pointsman.watch"
"""The ASGI extension by which our own server says that a client has left. Its function `watch`
takes what to call then, or None to end that. Without it, a task has to wait for the message."""


class ClientLeft(Exception):
    """The client closed its connection; nobody is there to be answered."""


def watch(scope: Scope, receive: Receive, on_left: Callable[[], None]) -> Callable[[], None]:
    """Have `on_left` called when the client leaves; what is returned ends that."""
    if "extensions" in scope and WATCH in scope["extensions"]:
        begin = scope["extensions"][WATCH]["watch"]
        begin(on_left)
        return partial(begin, None)

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        on_left()

    task = asyncio.create_task(until_gone())

    def end() -> None:
        task.cancel()

    return end


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    place: Place | None = None,
    *,
    is_form: bool = False,
    most: int | None = None,
) -> bytes | bytearray:
    """The whole body; a large one waits until `place` has room for it.

    What counts is the memory that it takes when it is read: many small values are as large as a
    long text. Raises ApiError 400 for more of them than may be, 413 above `most` bytes
    (`MAX_BODY_BYTES`, `MAX_FORM_BYTES`), 415 if encoded, 503 without room; ClientLeft.
    """
    most = most or (MAX_FORM_BYTES if is_form else MAX_BODY_BYTES)
    told = _check_headers(headers, most)
    body: bytes | bytearray = b""
    large: _Large | None = None
    size, more = 0, True
    while more:
        message = await (receive() if large is None else large.next(receive, size))
        if message["type"] != "http.request":
            raise ClientLeft
        piece = message.get("body", b"")
        body = _longer(body, piece) if body else piece
        size = len(body)
        if size > most:
            raise _too_large(most)
        if place is not None and size > SMALL_BODY_BYTES:
            if large is None:
                await place.hold_body(told)
                large, piece = _Large(place, is_form=is_form), body
            await large.count(piece)
            await place.hold_body(size)
        more = message.get("more_body", False)
    if large is not None:
        await large.weigh(size)
    elif place is not None and size > LIGHT_BYTES:
        if size > FEW_BYTES:
            await place.turn(size)
        if size > MAX_CONTAINERS and has_too_many_values(body):
            raise too_many_values()
        await place.weigh_body(size if is_form else max(size, read_bytes(body) // COPIES))
    return body


def _longer(body: bytes | bytearray, piece: bytes) -> bytearray:
    """Grown where it is: to put pieces of 30 MB together at the end takes 30 ms."""
    whole = body if isinstance(body, bytearray) else bytearray(body)
    whole += piece
    return whole


class _Large:
    """A large body on its way. Who sends it slowly holds no more room than for what has come.

    Its values are counted while they come, by turns with everybody else.
    """

    def __init__(self, place: Place, *, is_form: bool) -> None:
        self._values = Values()
        self._place = place
        self._is_form = is_form
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    async def next(self, receive: Receive, size: int) -> Message:
        """The next piece, behind `size` bytes."""
        patience_s = self._began + STEADY_S + size / STEADY_BYTES_A_S - self._now()
        try:
            async with asyncio.timeout(patience_s):
                return await receive()
        except TimeoutError:
            self._place.shrink_body(size)
            return await receive()

    async def count(self, piece: bytes | bytearray) -> None:
        """Look at a piece. Raises ApiError 400 as soon as there are too many values."""
        for at in range(0, len(piece), SLICE_BYTES):
            some = piece[at : at + SLICE_BYTES]
            await self._place.turn(len(some))
            if not self._is_form:
                self._values.feed(some)
        if self._values.are_more_than(MAX_CONTAINERS):
            raise too_many_values()

    async def weigh(self, size: int) -> None:
        """Hold what it takes in memory, so many bytes of it. Raises ApiError 503."""
        await self._place.weigh_body(max(size, (size + self._values.bytes) // COPIES))


def too_many_values() -> ApiError:
    """What would take far more memory, once it is read, than it has bytes."""
    return ApiError(400, "The body holds too many values.", code="invalid_json", close=True)


def _too_large(most: int) -> ApiError:
    limit = most // 2**20
    return ApiError(
        413, f"The body is larger than {limit} MiB.", code="request_too_large", close=True
    )


def _check_headers(headers: Mapping[bytes, bytes], most: int) -> int:
    """The size that the headers state, else the largest that may be."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ApiError(415, "The body must not be compressed.", code="unsupported_encoding")
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        return most
    size = int(length[:20])
    if size > most:
        raise _too_large(most)
    return size


def request_id(headers: Mapping[bytes, bytes]) -> bytes:
    """The client's `x-request-id` if it is a plain word, else a new one."""
    told = headers.get(b"x-request-id")
    if told and len(told) <= 128 and told.isascii():
        text = told.decode("ascii")
        if text.isprintable() and " " not in text:
            return told
    return new_request_id()


def new_request_id() -> bytes:
    """An id for a request that brought none: to tell requests apart, not to keep a secret."""
    return b"req_%024x" % random.getrandbits(96)
