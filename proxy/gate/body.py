"""A request's body and id, read off ASGI with every limit held while reading."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial

from starlette.types import Message, Receive, Scope

from adapters.wire.json_size import MAX_CONTAINERS, Values, has_too_many_values, read_bytes
from proxy.errors import ApiError
from proxy.gate.room import SMALL_BODY_BYTES, Place

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_FORM_BYTES = 100 * 1024 * 1024
"""Of a form, which brings a file along."""

STEADY_S = 1.0
STEADY_BYTES_A_S = 256 * 1024
"""Who sends a large body at this pace keeps the room for all of it; others hold what has come."""
COPIES = 3
"""How often a body is in memory, which the room's size has in it already."""

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
) -> bytes:
    """The whole body; a large one waits until `place` has room for it.

    What counts is the memory that it takes when it is read: many small values are as large as a
    long text. Raises ApiError 413 above `MAX_BODY_BYTES` (`MAX_FORM_BYTES`), 415 if encoded, 503
    without room; ClientLeft.
    """
    most = MAX_FORM_BYTES if is_form else MAX_BODY_BYTES
    told = _check_headers(headers, most)
    message = await receive()
    pieces: list[bytes] = []
    size = 0
    pace: _Pace | None = None
    while True:
        if message["type"] != "http.request":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise _too_large(most)
        if place is not None and size > SMALL_BODY_BYTES:
            if pace is None:
                await place.hold_body(told)
                pace = _Pace(place)
                pace.values.feed(b"".join(pieces[:-1]))
            if not is_form:
                pace.values.feed(pieces[-1])
            await place.hold_body(size)
        if not message.get("more_body"):
            break
        message = await (receive() if pace is None else pace.next(receive, size))
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if place is not None:
        # One of too many values is refused before they are read, so that they take nothing.
        if pace is not None:
            values = 0 if pace.values.are_more_than(MAX_CONTAINERS) else size + pace.values.bytes
        else:
            is_bomb = size > MAX_CONTAINERS and has_too_many_values(body)
            values = 0 if is_form or is_bomb else read_bytes(body)
        await place.weigh_body(max(size, values // COPIES))
    return body


class _Pace:
    """A large body on its way. Who sends it slowly holds no more room than for what has come.

    Its values are counted piece by piece, which keeps nobody waiting.
    """

    def __init__(self, place: Place) -> None:
        self.values = Values()
        self._place = place
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
