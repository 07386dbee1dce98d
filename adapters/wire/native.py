"""One exchange with a provider: a prepared call goes out, its bytes come back as events.

The same for every HTTP provider. What differs is a `Dialect`: how the bytes of an answer read, and
what a refusal means. Whoever is a `Mender` may have a refused call sent once more, in other words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, Self

import httpx
import orjson

from adapters.base import NativeCall
from adapters.errors import (
    AFTER_CONTENT,
    BEFORE_CONTENT,
    AdapterError,
    ErrorKind,
    Phase,
    Scope,
    not_promised,
    unsent,
)
from adapters.events import Event, Warn, has_content
from adapters.upstream import Content, Headers, Reply, Target, count_again
from adapters.wire.aside import LARGE_BYTES, WEIGHT, aside
from adapters.wire.bounds import COUNTED, MAX_EVENTS, OutOfBoundsError, Tally
from adapters.wire.broken import HTTPX_ERRORS, TOO_LARGE, transport_error
from adapters.wire.json_size import MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS, has_too_many_values
from adapters.wire.lines import LineTooLongError
from adapters.wire.portions import portions
from adapters.wire.reading import (
    MAX_ANSWER_BYTES,
    MAX_ERROR_BYTES,
    MAX_STREAM_BYTES,
    read_begin,
    read_whole,
    unpacked,
)
from adapters.wire.writing import IN_PIECES, written

MAX_STREAM_S = 30 * 60.0
MAX_WORDLESS_S = 5 * 60.0
"""A stream that has begun may go on for so long with comments before it counts as stalled.

Up to its first content the request's own deadline holds.
"""
TURN_BYTES = 8 * 1024
"""Of a stream's lines, read before everybody else has a turn: a few ms where they are short."""
DRAIN_S = 1.0
MAX_ERROR_VALUES = 20_000
SILENT = "no answer in time: only a stream shows that one is on its way"

STREAM_TYPES = (
    *("text/event-stream", "application/x-ndjson"),
    "application/vnd.amazon.eventstream",
)
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a reader stumbles with over values that no provider promises; `Tally` raises the first."""


class Dialect(Protocol):
    """How one answer is read. A dialect lives as long as its exchange and keeps its state."""

    provider: str

    def head(self, headers: Mapping[str, str]) -> list[Event]:
        """What the headers of a good answer say (rate limits), before any of its body."""

    def whole(self, body: bytes | bytearray) -> list[Event]:
        """The events of an answer that came in one piece. Raises AdapterError."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that the next bytes of a stream complete. Raises AdapterError."""

    def end(self) -> list[Event]:
        """What is left at the end; AdapterError if the provider's end mark has not come."""

    @property
    def done(self) -> bool:
        """True once the provider's end mark has been read, so that only what comes at once is."""

    def refusal(self, response: httpx.Response) -> AdapterError | list[Event]:
        """The error that an answer of status 300 or above means, or the answer hidden in it.

        Its body has been read.
        """


class Mender(Protocol):
    """Who knows of calls that are not refused, and is asked for one at most so often."""

    most: int

    def amended(self, call: NativeCall, error: AdapterError) -> NativeCall | None:
        """The call to send instead, if there is one."""


async def exchange(
    target: Target | Callable[[], Awaitable[Target]],
    call: NativeCall,
    dialect: Dialect,
    *menders: Mender,
) -> AsyncGenerator[list[Event], None]:
    """Send `call` and yield the events of each network read. Raises AdapterError and nothing else.

    A `target` that is called first may have to make the SDK's client for that.
    The first of the `menders` that has another call for a refused one is followed.
    What the call's warnings say comes first, as `Warn` events. The upstream response is closed
    when the generator is: close it, and the provider stops.
    """
    call, reply = await _answered(target, call, dialect, menders)
    if isinstance(reply, list):
        yield [*map(Warn, call.warnings), *reply]
        return
    try:
        headers = Headers(reply.headers)
        if head := [*map(Warn, call.warnings), *dialect.head(headers)]:
            yield head
        body = unpacked(aiter(reply), headers.get("content-encoding", "identity"))
        most = MAX_STREAM_BYTES if call.stream else MAX_ANSWER_BYTES
        with _Stream(dialect, asyncio.get_running_loop().time, most) as stream:
            if _is_whole(call, headers.get("content-type", "")):
                size, events = await _whole(body, stream, dialect)
                if size <= LARGE_BYTES:
                    yield events
                    return
                rest = _portioned(events)
            else:
                data = b""
                async for data in body:
                    if data[TURN_BYTES:] or stream.waiting > LARGE_BYTES:
                        break
                    if events := stream.read(data):
                        yield events
                    data = b""
                    if dialect.done:
                        break
                rest = _rest(data, body, stream, dialect)
            async with contextlib.aclosing(rest) as batches:
                async for events in batches:
                    yield events
    finally:
        await reply.aclose()


async def _answered(
    target: Target | Callable[[], Awaitable[Target]],
    call: NativeCall,
    dialect: Dialect,
    menders: Sequence[Mender],
) -> tuple[NativeCall, Reply | list[Event]]:
    """The good answer and the call that it answers, or the answer hidden in a refusal."""
    target = await _aimed(target, dialect.provider) if callable(target) else target
    asked: list[Mender] = []
    while True:
        reply = await _send(target, call, dialect.provider, is_second=bool(asked))
        if reply.status < 300:
            return call, reply
        refused = dialect.refusal(await _read_refusal(reply, target))
        if isinstance(refused, list):
            return call, refused
        for mender in menders:
            may_mend = asked.count(mender) < mender.most
            if may_mend and (mended := mender.amended(call, refused)):
                break
        else:
            raise refused.but()  # another than the one that is held here, with all that was asked
        asked.append(mender)
        call = mended


async def or_else(
    first: AsyncGenerator[list[Event], None],
    other: Callable[[AdapterError], AsyncGenerator[list[Event], None] | None],
) -> AsyncGenerator[list[Event], None]:
    """The answer, or where it fails what `other` makes of its error, if that is anything."""
    try:
        async with contextlib.aclosing(first) as batches:
            async for batch in batches:
                yield batch
    except AdapterError as error:
        second = other(error)
        if second is None:
            raise
    else:
        return
    async with contextlib.aclosing(second) as batches:
        async for batch in batches:
            yield batch


def _is_whole(call: NativeCall, content_type: str) -> bool:
    """Some gateways answer a plain call with a stream, which folds to the same message."""
    if content_type.startswith("application/json"):
        return True
    return not (call.stream or content_type.startswith(STREAM_TYPES))


async def _aimed(target: Callable[[], Awaitable[Target]], provider: str) -> Target:
    try:
        return await target()
    except (*HTTPX_ERRORS, ValueError) as error:
        message = "its key or base URL cannot be used; `pointsman doctor` tells why"
        raise unsent(provider, ErrorKind.NETWORK, message, scope=Scope.PROVIDER) from error


async def _send(target: Target, call: NativeCall, provider: str, *, is_second: bool) -> Reply:
    if (weight := WEIGHT.get()) > LARGE_BYTES:
        content = await aside(weight, _encoded, call, provider)
    else:
        content = _encoded(call, provider)
    try:
        if is_second:
            count_again()
        return await target.post(content)
    except HTTPX_ERRORS as error:
        failure = transport_error(error, provider, Phase.BEFORE_SEND)
        is_silent = failure.kind is ErrorKind.TIMEOUT_FIRST_BYTE and not call.stream
        raise failure.but(message=SILENT) if is_silent else failure from error


def _encoded(call: NativeCall, provider: str) -> Content:
    if call.content is not None:
        return call.content
    try:
        return written(call.body) if IN_PIECES.get() else b"%b" % orjson.dumps(call.body)
    except orjson.JSONEncodeError:
        # Arguments and schemas come as text inside the client's JSON, which no limit has looked at.
        message = "the request holds a value that is too deep or too large to be sent"
        raise unsent(provider, ErrorKind.BAD_REQUEST, message) from None


class _Stream:
    """Reads an answer as it comes, up to its limits; what breaks within it is told in our words."""

    __slots__ = (
        *("_clock", "_dialect", "_ends_at", "_most", "_quiet_since", "_tally"),
        *("phase", "size", "waiting"),
    )

    def __init__(self, dialect: Dialect, clock: Callable[[], float], most: int) -> None:
        self.phase = BEFORE_CONTENT
        self.size = 0
        self.waiting = 0  # bytes of which nothing has come yet
        self._dialect = dialect
        self._clock = clock
        self._ends_at = clock() + MAX_STREAM_S
        self._most = most
        self._quiet_since: float | None = None
        self._tally = Tally()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, HTTPX_ERRORS):
            raise transport_error(error, self._dialect.provider, self.phase) from error

    def read(self, data: bytes) -> list[Event]:
        """The events that the next bytes complete. Raises AdapterError, httpx.ReadTimeout."""
        size = len(data)
        self.size += size
        now = self._clock()
        if self.size > self._most or now > self._ends_at:
            raise _too_large(self._dialect.provider)
        if events := self.told(self._dialect.feed, data):
            self.waiting = 0
            self._quiet_since = None
            if self.phase is BEFORE_CONTENT and has_content(events):
                self.phase = AFTER_CONTENT
            return events
        self.waiting += size
        if self._quiet_since is None:
            self._quiet_since = now
        elif self.phase is AFTER_CONTENT and now > self._quiet_since + MAX_WORDLESS_S:
            raise httpx.ReadTimeout("only comments")
        return events

    def told(self, read: Callable[..., list[Event]], *data: bytes | bytearray) -> list[Event]:
        """What the dialect reads, if that and all before it is no more than an answer can hold."""
        try:
            events = read(*data)
            if len(events) > MAX_EVENTS:
                raise OutOfBoundsError("too many events")
            for event in events:
                if type(event) in COUNTED:  # what nearly all are costs no call
                    self._tally.take(event)
        except LineTooLongError:
            raise _too_large(self._dialect.provider) from None
        except UNREADABLE as error:
            message = "the answer is not what the provider's API promises"
            raise not_promised(self._dialect.provider, message, self.phase) from error
        return events


async def _whole(
    body: AsyncIterator[bytes], stream: _Stream, dialect: Dialect
) -> tuple[int, list[Event]]:
    """How many bytes a plain answer has, and what it brings."""
    whole = await _read_whole(body, dialect.provider)
    size = len(whole)
    if size <= LARGE_BYTES:
        return size, stream.told(dialect.whole, whole)
    return size, await aside(size, stream.told, dialect.whole, whole)


async def _rest(
    data: bytes, body: AsyncIterator[bytes], stream: _Stream, dialect: Dialect
) -> AsyncGenerator[list[Event], None]:
    """What comes of a stream from its first large read on, or behind its end mark, to its end.

    Between the parts of a read all others have a turn: it may hold very many lines, of which each
    takes its time. What is one long line is left whole. Behind an end mark nothing is waited for.
    """
    while data or (data := await (_soon(body) if dialect.done else anext(body, b""))):
        if stream.waiting > LARGE_BYTES:
            async for portion in _portioned(await aside(stream.waiting, stream.read, data)):
                yield portion
            data = b""
        else:
            events = stream.read(data[:TURN_BYTES])
            data = data[TURN_BYTES:]
            await asyncio.sleep(0)
            if events:
                yield events
    if stream.size <= LARGE_BYTES:
        if events := stream.told(dialect.end):
            yield events
    elif events := await aside(stream.size, stream.told, dialect.end):
        async for portion in _portioned(events):
            yield portion


async def _portioned(events: list[Event]) -> AsyncGenerator[list[Event], None]:
    """What was read of a large piece; others have a turn between its portions."""
    for portion in portions(events):
        yield portion
        await asyncio.sleep(0)


async def _soon(pieces: AsyncIterator[bytes]) -> bytes:
    """More of a body that seems to have said all it had to, if that comes soon; else nothing.

    It is read to its end, so that its connection is kept.
    """
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_S):
            return await anext(pieces, b"")
    return b""


async def _read_whole(body: AsyncIterator[bytes], provider: str) -> bytearray:
    """The body, without the byte order mark that some gateways put before it."""
    try:
        whole = await read_whole(body, MAX_ANSWER_BYTES, MAX_ANSWER_CONTAINERS, MAX_ANSWER_ITEMS)
    except HTTPX_ERRORS as error:  # here, as its frames would hold all that was asked
        raise transport_error(error, provider, Phase.BEFORE_CONTENT) from error
    if whole.startswith(b"\xef\xbb\xbf"):
        del whole[:3]
    return whole


async def _read_refusal(reply: Reply, target: Target) -> httpx.Response:
    """The response with its body read, at most `MAX_ERROR_BYTES` of it, and closed."""
    body = bytearray()  # where it cannot be read, the status says enough
    try:
        coding = Headers(reply.headers).get("content-encoding", "identity")
        read = await read_begin(unpacked(aiter(reply), coding), MAX_ERROR_BYTES)
        body = bytearray() if has_too_many_values(read, most=MAX_ERROR_VALUES) else read
    except HTTPX_ERRORS:
        pass
    finally:
        await reply.aclose()
    headers = [
        (name, value)
        for name, value in reply.headers
        if name.lower() not in (b"content-encoding", b"transfer-encoding", b"content-length")
    ]
    request = httpx.Request("POST", target.url)
    return httpx.Response(reply.status, headers=headers, content=bytes(body), request=request)


def _too_large(provider: str) -> AdapterError:
    return AdapterError(ErrorKind.RESPONSE_TOO_LARGE, TOO_LARGE, provider=provider)
