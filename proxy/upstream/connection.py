"""One socket to an origin: what comes in goes to the exchange that owns it, and one deadline."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol, cast

import httpx

HIGH_WATER_BYTES = 64 * 1024
"""Unread body at which reading pauses; one read, of 256 KiB at most, may come on top."""

LATE_S = 0.5
"""A timer that fires so late has not run while the process did not."""
GRACE_S = 0.1
_TIMER_RESOLUTION_S = 0.001


class Origin(NamedTuple):
    """Where connections can be shared: `secure` stands for https.

    `name` is what its certificate must be for, where `host` is an address that was looked up.
    """

    secure: bool
    host: str
    port: int
    name: str | None = None


class Owner(Protocol):
    """What a connection tells the pool it belongs to."""

    def adopt(self, connection: Connection) -> None:
        """It is open."""

    def release(self, connection: Connection) -> None:
        """Its response is complete and it may serve again."""

    def forget(self, connection: Connection) -> None:
        """Its socket is closed."""


class Served(Protocol):
    """What a connection knows of the exchange that it serves."""

    complete: bool
    reusable: bool
    sending: bool
    error: httpx.TransportError | None
    buffered: int

    def feed(self, data: bytes) -> None: ...
    def wake(self) -> None: ...
    def end(self, error: Exception | None) -> None: ...
    def time_out(self, error: type[httpx.TimeoutException], timeout_s: float) -> None: ...


class Connection(asyncio.Protocol):
    """Serves one exchange at a time: `begin` … until it is complete, or `abort`.

    A deadline costs no timer of its own: the one timer of the connection stays armed from wait
    to wait, and looks when it fires whether the deadline has moved on since.
    """

    __slots__ = (
        "_deadline",
        "_early",
        "_exchange",
        "_is_closed",
        "_loss",
        "_owner",
        "_timeout",
        "_timer",
        "_timer_at",
        "_transport",
        "has_served",
        "idle_since",
        "is_open",
        "loop",
        "origin",
        "reading_paused",
        "writing_paused",
    )

    def __init__(self, origin: Origin, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.loop = loop
        self.is_open = False
        self.has_served = False
        self.idle_since = 0.0
        self.reading_paused = False
        self.writing_paused = False
        self._owner = owner
        self._transport: asyncio.Transport
        self._exchange: Served | None = None
        self._is_closed = False
        self._loss: Exception | None = None
        self._early = b""
        self._deadline: float | None = None
        self._timeout: tuple[type[httpx.TimeoutException], float] = (httpx.ReadTimeout, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # -- for the exchange and the pool --------------------------------------------------------

    @property
    def is_usable(self) -> bool:
        """Whether nothing speaks against sending a request on it."""
        return not self._is_closed

    def begin(self, exchange: Served) -> None:
        """Give the socket to `exchange`, and what came in before anyone asked."""
        self._exchange = exchange
        if self._early:
            early, self._early = self._early, b""
            self.resume_reading(exchange)
            self.data_received(early)
        if self._is_closed:
            self._end_exchange(self._loss)

    def write(self, data: bytes | memoryview) -> None:
        """Send `data`; nothing happens on a closed connection, the exchange knows already."""
        if not self._is_closed:
            self._transport.write(data)

    def resume_reading(self, exchange: Served) -> None:
        """Read on, if `exchange` still owns the socket."""
        if exchange is self._exchange and self.reading_paused:
            self._resume_reading()

    def abort(self, exchange: Served | None = None) -> None:
        """Close the socket now; with `exchange`, only if that still owns it."""
        if exchange is not self._exchange:
            return
        self._exchange = None
        self._close()

    def cut(self, message: str) -> None:
        """Close the socket; an exchange under way fails with `message`."""
        if self._exchange is not None:
            self._end_exchange(ConnectionAbortedError(message))
        self._close()

    # -- the deadline -------------------------------------------------------------------------

    def arm(self, timeout_s: float, error: type[httpx.TimeoutException]) -> None:
        """From now on the exchange may stand still for `timeout_s`, then it fails with `error`."""
        self._deadline = deadline = self.loop.time() + timeout_s
        self._timeout = (error, timeout_s)
        if self._timer is None or self._timer_at > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._start_timer(deadline)

    def disarm(self, exchange: Served) -> None:
        """Stop waiting, if `exchange` still owns the socket: another may wait on it already."""
        if exchange is self._exchange:
            self._deadline = None

    def _start_timer(self, when: float) -> None:
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._deadline is None or self._exchange is None:
            return
        left_s = self._deadline - self.loop.time()
        if left_s < -LATE_S:
            # The process was paused, and a timer comes before what is read: look for that first.
            self._deadline += GRACE_S - left_s
            left_s = GRACE_S
        if left_s > _TIMER_RESOLUTION_S:
            self._start_timer(self._deadline)
            return
        self._exchange.time_out(*self._timeout)
        self.abort(self._exchange)

    # -- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        self._owner.adopt(self)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._take_unasked(data)
            return
        exchange.feed(data)
        if exchange.complete:
            self._finish(exchange)
        elif exchange.error is not None:
            self.abort(exchange)
        elif exchange.buffered > HIGH_WATER_BYTES and not self.reading_paused:
            self.reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        if self._exchange is not None:
            self._end_exchange(None)
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_open:
            return  # the TLS handshake failed: the pool has never heard of us
        self._loss = exc
        if self._exchange is not None:
            self._end_exchange(exc)
        self._close()
        self._owner.forget(self)

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._exchange is not None:
            self._exchange.wake()

    # -- ends ---------------------------------------------------------------------------------

    def _take_unasked(self, data: bytes) -> None:
        if self.has_served or self._is_closed:
            self._close()
            return
        # Some servers answer (503, 408) before they have read: on a connection that never served
        # that can only be meant for the request about to be sent.
        self._early += data
        self.reading_paused = True
        self._transport.pause_reading()

    def _finish(self, exchange: Served) -> None:
        self._exchange = None
        self._deadline = None
        if not exchange.reusable or exchange.sending:
            self._close()
            return
        if self.reading_paused:
            self._resume_reading()
        self.has_served = True
        self._owner.release(self)

    def _resume_reading(self) -> None:
        self.reading_paused = False
        if not self._is_closed:
            self._transport.resume_reading()

    def _end_exchange(self, error: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.end(error)

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_closed:
            self._is_closed = True
            self._transport.abort()
