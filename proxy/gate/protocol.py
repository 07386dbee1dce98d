"""HTTP/1.1 as uvicorn speaks it, with the limits that it lacks.

No application can see a header that comes a byte at a time, or a client that stops reading. Each
connection knows since when it waits for what; `check`, called about once a second for all of them,
ends those that take too long. That is cheaper than a timer a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from proxy.errors import ApiError
from proxy.gate import internals as internals  # looks at import whether uvicorn is as it was
from proxy.gate.body import WATCH
from proxy.gate.guard import MAX_HEADERS
from proxy.gate.wire import UNTIL_CLOSED, Flow, Wire, refusal
from proxy.reply import NO_HEADERS, SpellerOf

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

HEAD_S = 10.0
BODY_S = 10.0
LEAST_BODY_BYTES = 10_000
"""What must come of a body in each `BODY_S`: 1 kB/s. A smaller one is there long before."""
LONGEST_BODY_S = 240.0
"""The longest that a whole body may take, except for the time that we do not read it."""
IDLE_S = 15.0
STUCK_S = 30.0
"""The longest that a client may leave what was written to it unread."""
LINGER_S = 5.0
MAX_LINGER_BYTES = 64 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
"""Of headers, and of what may stand between two pieces of a body or behind it."""

MAX_PIECES = 2000
"""Chunks of a body in one read: each of them costs as much as a thousand bytes."""
MAX_QUEUED = 4
"""Requests that may wait behind one on their connection; no more are read until they are begun."""
SLICE_BYTES = 1024
HEAD_END = b"\n\r\n"

OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})
"""Headers of an offer to go on in another protocol."""


class _Waits(Enum):
    """What a connection waits for: the next request, its parts, our own answer, or its end."""

    REQUEST = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    END = auto()


# An Enum's own attribute takes twenty times as long to look up, up to Python 3.11.
_REQUEST, _HEAD, _BODY, _ANSWER, _END = _Waits


class _RefusedError(Exception):
    """Stops the parser."""


class Protocol(HttpToolsProtocol):
    """One connection. What is refused here has been seen by no application.

    Refusals are in the words of who is spoken to at a path, by `speller_of`; `on_joined` is told of
    each new connection.
    """

    def __init__(
        self, speller_of: SpellerOf, on_joined: Callable[[], None], *given: Any, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._speller_of = speller_of
        self._on_joined = on_joined

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
        self._wire = Wire(transport, self.loop, self._hang_up)
        self._later = b""
        self._keeps_alive = False
        self._body_began = 0.0
        self._received = 0
        self._overhead = 0
        self._unread = 0
        self._on_left: Callable[[], None] | None = None
        self._is_lost = False
        self._is_offer = False
        # When something was last heard or said, and was last seen to be read.
        self._now = self._unread_since = self.loop.time()
        self._answering: RequestResponseCycle | None = None
        self._wait(_REQUEST)
        self._on_joined()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_lost = True
        answering = self._answering  # uvicorn tells the request that came last, which may wait
        if answering is not None and not answering.response_complete:
            answering.disconnected = True
            answering.message_event.set()
        if self._on_left is not None:
            self._on_left()
        self._let_go()

    def _let_go(self) -> None:
        """Forget what holds us in turn, whose owners may still be at work.

        Else each connection that has ended waits, with all it was made of, for the collector.
        """
        self.scope = self.cycle = self._wire = None  # type: ignore[assignment]  # as before the first
        self._answering = self._on_left = None
        self.pipeline.clear()

    def watch(self, on_left: Callable[[], None] | None) -> None:
        """Call `on_left` when the client leaves, or at once if it has; None ends that."""
        self._on_left = on_left
        if on_left is not None:
            self.flow.resume_reading()  # who does not read would not notice
            if self._is_lost:
                on_left()

    def data_received(self, data: bytes) -> None:
        self._now = self.loop.time()
        self._pieces_left = MAX_PIECES
        if self._waits is _END:
            self._received += len(data)
            if self._received > MAX_LINGER_BYTES:
                self.transport.abort()
        elif self.flow.holds:  # it was on its way when reading was paused
            self._later += data
        # A long body that holds no CR is passed over at memory's speed.
        elif data.count(HEAD_END, 0, data.rfind(b"\r") + 2) <= MAX_QUEUED:
            self._feed(data)
            if len(self.pipeline) >= MAX_QUEUED:
                self._hold(b"")
        else:
            self._feed_some(data)

    def _feed(self, data: bytes) -> None:
        size = len(data)
        self._received += size
        self._overhead += size
        self._parse(data)
        if self._overhead > MAX_HEAD_BYTES and self._waits in (_HEAD, _BODY):
            self._refuse(ApiError(431, "The headers are too large.", close=True))

    def _feed_some(self, data: bytes) -> None:
        """Read what may hold many requests, until enough of them wait."""
        at = 0
        while at < len(data) and self._waits is not _END and not self.transport.is_closing():
            if len(self.pipeline) >= MAX_QUEUED:
                self._hold(data[at:])
                return
            self._feed(data[at : at + SLICE_BYTES])
            at += SLICE_BYTES

    def _hold(self, later: bytes) -> None:
        self._later = later
        self.flow.holds = True
        self.flow.pause_reading()

    def _go_on(self) -> None:
        self._pieces_left = MAX_PIECES
        self.flow.holds = False
        self.flow.resume_reading()
        if self._later:
            later, self._later = self._later, b""
            self._feed_some(later)

    def _parse(self, data: bytes) -> None:
        """In place of uvicorn's, which loses what comes behind an offer to upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._is_offer:
                self._decline(data[offer.args[0] :])
            else:
                self.finish()  # CONNECT: what comes behind it is no HTTP
        except httptools.HttpParserError as error:
            refused = ApiError(400, "This is not a valid HTTP/1.1 request.", close=True)
            if isinstance(error.__context__, _RefusedError):
                (refused,) = error.__context__.args
            self._refuse(refused)

    def _decline(self, rest: bytes) -> None:
        """Read the request once more as if it had offered nothing (RFC 9110, 7.8); then hang up.

        The parser takes all behind such a head for the other protocol, the request's body too.
        """
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in OFFER]
        lines.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join([*lines, b"", rest]))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait(_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's, but counted while they come."""
        headers = self.headers
        if len(headers) > MAX_HEADERS:
            raise _RefusedError(ApiError(431, "The headers are too many.", close=True))
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_offer = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._is_offer:
            return
        if not self.url.startswith(b"/"):
            self._compare_host()
        super().on_headers_complete()
        self.scope["extensions"] = {WATCH: {"watch": self.watch}}
        self.headers = []  # what comes behind a body (trailers) is no part of what is judged
        self.cycle.transport = self._wire  # type: ignore[assignment] # all that a cycle uses of one
        self._wire.begins = True
        # Who is answered before the body has come would be read on without end.
        self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        if self.scope["http_version"] != "1.1":
            self._keeps_alive = False
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = UNTIL_CLOSED
        self._wait(_BODY)
        self._body_began = self._since

    def on_body(self, body: bytes) -> None:
        if self._pieces_left <= 0:
            raise _RefusedError(ApiError(400, "The body is in chunks of a few bytes.", close=True))
        self._pieces_left -= 1
        super().on_body(body)
        self._overhead = 0

    def on_message_complete(self) -> None:
        if self._is_offer:
            return
        self.cycle.keep_alive = self._keeps_alive
        super().on_message_complete()
        self._wait(_REQUEST if self.cycle.response_complete else _ANSWER)

    def on_response_complete(self) -> None:
        """In place of uvicorn's, which would set a timer for the next request."""
        self._now = self.loop.time()
        self.server_state.total_requests += 1
        self._wire.flush()  # the head of an answer to HEAD
        if self._waits is _END or self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._waits is _ANSWER:
            self._wait(_REQUEST)
        if not self.pipeline and self.flow.read_paused:
            self._go_on()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def waits_since(self) -> float | None:
        """Since when it asks nothing, or has not finished to ask; None while it is answered."""
        if self.pipeline or self._waits not in (_REQUEST, _HEAD, _BODY):
            return None
        return self._body_began if self._waits is _BODY else self._since

    def abort(self) -> None:
        self.transport.abort()

    def check(self, now: float) -> None:
        """Look whether the client takes too long; `now` is the loop's time."""
        self._now = now
        self._check_reader(now)
        if self.flow.read_paused and self._waits in (_HEAD, _BODY):
            self._body_began += now - self._since
            self._wait(self._waits)  # it is we who do not read
        waited_s = now - self._since
        match self._waits:
            case _Waits.REQUEST if waited_s > IDLE_S:
                self.transport.close()
            case _Waits.HEAD if waited_s > HEAD_S:
                self._refuse(_too_slow())
            case _Waits.BODY if waited_s > BODY_S:
                is_late = now - self._body_began > LONGEST_BODY_S
                if is_late or self._received < LEAST_BODY_BYTES:
                    self._refuse(_too_slow())
                else:
                    self._wait(_BODY)
            case _Waits.END if waited_s > LINGER_S:
                self.transport.close()

    def finish(self) -> None:
        """Answer what has been asked, and nothing more: the answer will say so."""
        self._keeps_alive = False
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    @property
    def unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _wait(self, what: _Waits) -> None:
        self._waits = what
        self._since = self._now
        self._received = self._overhead = 0

    def _compare_host(self) -> None:
        """A target that is a whole URL names the host, too; another one than Host makes it two."""
        authority = self.url.partition(b"://")[2].partition(b"/")[0].lower()
        told = [value.lower() for name, value in self.headers if name == b"host"]
        if told and authority and told[0] != authority:
            self.headers.append((b"host", authority))

    def _check_reader(self, now: float) -> None:
        # More of it may be read, only more slowly than it is written: up to where writing waits.
        unread = self.unsent_bytes
        if not unread or unread != self._unread:
            self._unread_since = now
        elif now - self._unread_since > STUCK_S:
            self.transport.abort()
        self._unread = unread

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the application, unless it is answering already; then hang up."""
        cycle = self.cycle
        if self.pipeline:  # the answer's turn would come after others that have not begun
            self.transport.close()
            return
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                self.finish()
                self._wait(_END)
                self._since = float("inf")  # until the answer has ended
                return
            cycle.disconnected = True
            cycle.message_event.set()
        if self._waits is not _BODY or not cycle.response_complete:  # else it was answered
            path = self.url.partition(b"?")[0].decode("latin-1") if cycle is not None else ""
            self.transport.write(refusal(self._speller_of(path, NO_HEADERS), error))
        self._linger()

    def _hang_up(self) -> None:
        if self._waits in (_HEAD, _BODY):
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """End our half, and take no notice of what still comes.

        Closed with bytes unread, the system would reset the connection, and the client might never
        see the answer.
        """
        self._wait(_END)
        self._later = b""
        self.flow.holds = False
        self.flow.resume_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()


def _too_slow() -> ApiError:
    return ApiError(408, "The request came too slowly.", code="request_timeout", close=True)


def speaking(speller_of: SpellerOf, on_joined: Callable[[], None] = lambda: None) -> type[Protocol]:
    """What uvicorn takes for the class of its connections."""
    return cast("type[Protocol]", partial(Protocol, speller_of, on_joined))
