"""One request and its response on a connection; the response's body is read from it as a stream.

Parsing is llhttp's, strict as it comes; added here are the limits it does not have and the few
forms it lets pass. A parser lives for one response, so nothing of it can reach the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy

import httpx
from httptools import HttpParserError, HttpResponseParser

from proxy.upstream.connection import Connection
from proxy.upstream.outgoing import Outgoing, chunk

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_INTERIM = 100
"""Heads of 1xx before the response: a server that is slow sends one every few seconds."""
SLICE_BYTES = 64 * 1024
MAX_PIECES = 4000
"""Chunks in so much of what a large read brings."""

Timeouts = Mapping[str, float | None]
"""httpx's `connect`, `read`, `write`, `pool` in seconds; None or absent is without end."""

_H = ord("H")


class _RefusedError(Exception):
    """Stops the parser; what was wrong stands in `Exchange.error`."""


class Exchange(httpx.AsyncByteStream):
    """Sends a request, collects its response, and gives the body out a network read at a time.

    After `run`: `status`, `reason`, `headers`, `http_version`. `complete` tells that the whole
    response is here, `error` what ended it before that; `reusable` whether the connection may
    serve again. The connection calls `feed`, `end` and `fail`.
    """

    def __init__(
        self,
        connection: Connection,
        request: httpx.Request | None,
        outgoing: Outgoing,
        timeouts: Timeouts,
    ) -> None:
        self.status = 0
        self.reason = b""
        self.http_version = b"HTTP/1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.reusable = not outgoing.close
        self.sending = True
        self.lost = False
        self.error: httpx.TransportError | None = None
        self.buffered = 0
        self._connection = connection
        self._request = request
        self._outgoing = outgoing
        self._read_timeout_s = timeouts.get("read")
        self._write_timeout_s = timeouts.get("write")
        self._pieces: list[bytes] = []
        self._quiet = self._interim = self._lines = 0
        self._chunked = False
        self._waiter: asyncio.Future[None] | None = None
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    # -- sending ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send the request and return when the response's head is here."""
        outgoing = self._outgoing
        try:
            self._connection.begin(self)
            if outgoing.body is None:
                await self._send_stream()
            elif not self._is_answered:
                body = outgoing.body
                if isinstance(body, bytes) and len(body) <= SLICE_BYTES:
                    self._connection.write(outgoing.head + body)
                else:
                    await self._send_slices([body] if isinstance(body, bytes) else body)
                if self._connection.writing_paused:
                    await self._drained()
            self.sending = False
            while not self.status:
                await self._changed(self._read_timeout_s, httpx.ReadTimeout)
        except BaseException:
            self._drop()
            raise

    async def _send_slices(self, body: Sequence[bytes | memoryview]) -> None:
        """Send a large body: of all at once, the transport would keep a copy."""
        self._connection.write(self._outgoing.head)
        for piece in body:
            view = memoryview(piece)
            for at in range(0, len(view), SLICE_BYTES):
                if self._is_answered:
                    return
                self._connection.write(view[at : at + SLICE_BYTES])
                await self._drained()

    async def _send_stream(self) -> None:
        left = self._outgoing.length
        self._connection.write(self._outgoing.head)
        assert self._request is not None  # noqa: S101 - the stream is its own
        pieces = aiter(self._request.stream)  # type: ignore[arg-type]
        try:
            async for piece in pieces:
                if self._is_answered:
                    return
                if left is not None:
                    left -= len(piece)
                    if left < 0:
                        raise self._local_error("the body is longer than its content-length")
                if piece:
                    self._connection.write(piece if left is not None else chunk(piece))
                await self._drained()
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()
        if left:
            raise self._local_error("the body is shorter than its content-length")
        if left is None:
            self._connection.write(chunk(b""))

    @property
    def _is_answered(self) -> bool:
        """Whether the rest of the body is not worth sending. A 2xx may well come before it."""
        answered = self.complete or self.status >= 300 or self.error is not None
        if answered:
            self.reusable = False
        return answered

    async def _drained(self) -> None:
        while self._connection.writing_paused and not self._is_answered:
            await self._changed(self._write_timeout_s, httpx.WriteTimeout)

    def _local_error(self, message: str) -> httpx.LocalProtocolError:
        return httpx.LocalProtocolError(message, request=self._request)

    # -- the body as a stream -----------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.complete:
                raise StopAsyncIteration
            try:
                await self._changed(self._read_timeout_s, httpx.ReadTimeout)
            except BaseException:
                self._drop()
                raise
        pieces, self._pieces = self._pieces, []
        self.buffered = 0
        if self._connection.reading_paused:
            self._connection.resume_reading(self)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Let go of the response; a body that is not all here yet ends with its connection."""
        self._pieces = []
        if not self.complete:
            self.fail(httpx.ReadError("the response was closed", request=self._request))
            self._drop()

    def _drop(self) -> None:
        self._parser = None
        self._connection.abort(self)

    # -- waiting ------------------------------------------------------------------------------

    async def _changed(self, timeout_s: float | None, error: type[httpx.TimeoutException]) -> None:
        """Return when the connection has news, raise what ended the exchange.

        Past `timeout_s` that is an `error`.
        """
        if self.error is not None:
            # Another than the one that is held here: its frames hold this, and all that was sent.
            raise copy(self.error)
        connection = self._connection
        self._waiter = waiter = connection.loop.create_future()
        if timeout_s is not None:
            connection.arm(timeout_s, error)
        try:
            await waiter
        finally:
            self._waiter = None
            connection.disarm(self)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: httpx.TransportError) -> None:
        """End the exchange; what has arrived can still be read, then `error` is raised."""
        if self.error is None and not self.complete:
            self.error = error
            self._parser = None
        self.wake()

    def time_out(self, error: type[httpx.TimeoutException], timeout_s: float) -> None:
        self.fail(error(f"nothing moved for {timeout_s:g} s", request=self._request))

    # -- bytes in -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        before = self.buffered
        if not self._quiet and not self.status and data[0] != _H:
            # llhttp reads RTSP and ICE too, and skips blank lines.
            self._refuse("the response does not begin with HTTP/")
            return
        size = len(data)
        self._quiet += size
        try:
            if size <= SLICE_BYTES:
                parser.feed_data(data)
            else:
                self._feed_slices(parser, data)
        except HttpParserError as error:
            self.reusable = False
            if not self.complete and self.error is None:
                self._refuse(f"not an HTTP response: {error}")
        if self.buffered != before:
            self._quiet = 0
        elif self._quiet > MAX_HEAD_BYTES and not self.complete:
            self._refuse(f"more than {MAX_HEAD_BYTES} bytes of head, trailers or chunk extensions")
        if self.complete:
            self._parser = None  # it holds our methods: a cycle that only the collector would end
        self.wake()

    def _feed_slices(self, parser: HttpResponseParser, data: bytes) -> None:
        """Parse a large read; what is in chunks of a few bytes would take far too long."""
        for at in range(0, len(data), SLICE_BYTES):
            before = len(self._pieces)
            parser.feed_data(data[at : at + SLICE_BYTES])
            if len(self._pieces) - before > MAX_PIECES:
                self._refuse("a body in chunks of a few bytes")
            if self.error is not None:
                return

    def end(self, error: Exception | None) -> None:
        """Take that the connection is gone: closed by the peer, or broken by `error`."""
        if self.complete:
            return
        self.lost = True
        if error is not None:
            kind = httpx.WriteError if self.sending else httpx.ReadError
            self.fail(kind(f"the connection broke: {error}", request=self._request))
        elif self.status and not self._chunked and not self._has_length:
            self.complete = True
            self._parser = None
            self.wake()
        elif self.status:
            self._refuse("the server closed the connection in the middle of the response")
        else:
            self._refuse("the server disconnected without sending a response")

    @property
    def is_untouched(self) -> bool:
        """Whether the connection was lost before the first byte of the response."""
        return self.lost and not self.status and not self._quiet

    @property
    def _has_length(self) -> bool:
        return any(name.lower() == b"content-length" for name, _ in self.headers)

    def _refuse(self, message: str) -> None:
        self.fail(httpx.RemoteProtocolError(message, request=self._request))

    # -- llhttp's callbacks -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise _RefusedError  # bytes behind the response: nobody asked for them

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines += 1
        if self._lines > MAX_HEADERS:
            self._refuse(f"more than {MAX_HEADERS} header lines, or trailers")
            raise _RefusedError
        if self.status:
            return  # a trailer
        if len(name) == 17 and name.lower() == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":
                self._refuse("a transfer-encoding other than chunked")
                raise _RefusedError
            self._chunked = True
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None:
            raise _RefusedError
        status = parser.get_status_code()
        version = parser.get_http_version()
        self._lines = 0
        self._check_head(status, version)
        if status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._refuse(f"more than {MAX_INTERIM} interim responses")
                raise _RefusedError
            self.headers = []
            self.reason = b""
            self._chunked = False
            return
        self.status = status
        if version == "1.0":
            self.http_version = b"HTTP/1.0"
            self.reusable = False
        elif not parser.should_keep_alive():
            self.reusable = False
        if self._outgoing.is_head:
            self.complete = True

    def _check_head(self, status: int, version: str) -> None:
        if version not in ("1.1", "1.0"):
            self._refuse(f"a response of HTTP/{version}")
        elif status == 101:
            self._refuse("101: no upgrade was asked for")
        elif self._quiet > MAX_HEAD_BYTES and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(f"a head of more than {MAX_HEAD_BYTES} bytes")
        if self.error is not None:
            raise _RefusedError

    @property
    def _head_bytes(self) -> int:
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len("HTTP/1.1 200 \r\n\r\n") + len(self.reason) + lines

    def on_body(self, data: bytes) -> None:
        if self.complete:
            raise _RefusedError  # a body behind the head that answers HEAD
        self._pieces.append(data)
        self.buffered += len(data)

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True
