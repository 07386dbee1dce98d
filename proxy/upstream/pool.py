"""Which connection a request gets: the idle one used last, a new one, or a place in the queue.

Every step costs the same however many connections are open: an idle connection stands in the
stack of its origin and in one list of all, oldest first; a single timer watches that list.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import httpx

from proxy.upstream.connection import Connection, Origin
from proxy.upstream.dial import Dialer

_CLOSED = "the transport is closed"


class Pool:
    """At most `max_connections` open, at most `max_keepalive` of them idle, first come first
    served when none is free. `clock` gives seconds and tells how long a connection was idle.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        max_connections: int,
        max_keepalive: int,
        keepalive_expiry_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._dialer = dialer
        self._max_connections = max_connections
        self._max_keepalive = max_keepalive
        self._keepalive_expiry_s = keepalive_expiry_s
        self._clock = clock
        self._permits_used = 0  # open connections, and those being opened
        self._open: set[Connection] = set()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._idle_at: dict[Origin, dict[Connection, None]] = {}
        self._waiters: OrderedDict[asyncio.Future[Connection | None], Origin] = OrderedDict()
        self._dialing: set[asyncio.Timeout] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._is_closed = False

    @property
    def open_connections(self) -> int:
        return self._permits_used

    @property
    def idle_connections(self) -> int:
        return len(self._idle)

    @property
    def waiting_requests(self) -> int:
        return len(self._waiters)

    # -- in and out ---------------------------------------------------------------------------

    def take(self, origin: Origin) -> Connection | None:
        """The idle connection to `origin` that was used last, if it is still good."""
        while (stack := self._idle_at.get(origin)) is not None:
            connection = next(reversed(stack))
            self._remove_idle(connection)
            if self._clock() - connection.idle_since >= self._keepalive_expiry_s:
                connection.abort()
                return None  # the rest of the stack is older still: the sweeper takes it
            if connection.is_usable:
                return connection
        return None

    async def acquire(
        self, origin: Origin, *, pool_timeout_s: float | None, connect_timeout_s: float | None
    ) -> Connection:
        """A new connection, or one that has just become free.

        Raises httpx's PoolTimeout, ConnectTimeout, ConnectError.
        """
        while True:
            if self._is_closed:
                raise httpx.ConnectError(_CLOSED)
            if self._permits_used < self._max_connections:
                self._permits_used += 1
            else:
                connection = await self._wait(origin, pool_timeout_s)
                if connection is not None and connection.is_usable:
                    return connection
                if connection is not None:
                    continue
            return await self._open_connection(origin, connect_timeout_s)

    async def aclose(self) -> None:
        """End all connections, and with an error all that is going on over them or waits."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(httpx.ConnectError(_CLOSED))
        self._waiters.clear()
        for scope in self._dialing:
            scope.reschedule(0)
        for connection in tuple(self._open):
            connection.cut(_CLOSED)
        if self._open:
            # Their sockets close in the loop's next turn; who ends the loop now would warn.
            self._emptied = self._emptied or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._emptied)

    # -- what connections tell (connection.Owner) ---------------------------------------------

    def adopt(self, connection: Connection) -> None:
        self._open.add(connection)
        if self._is_closed:
            connection.abort()

    def release(self, connection: Connection) -> None:
        if self._is_closed:
            connection.abort()
        elif self._waiters:
            self._hand_over(connection)
        else:
            self._keep(connection)

    def forget(self, connection: Connection) -> None:
        if connection not in self._open:
            return
        self._open.remove(connection)
        if connection in self._idle:
            self._remove_idle(connection)
        self._return_permit()
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    # -- idle connections ---------------------------------------------------------------------

    def _keep(self, connection: Connection) -> None:
        connection.idle_since = self._clock()
        self._idle[connection] = None
        stack = self._idle_at.get(connection.origin)
        if stack is None:
            stack = self._idle_at[connection.origin] = {}
        stack[connection] = None
        if len(self._idle) > self._max_keepalive:
            self._drop_oldest()
        elif self._sweeper is None:
            self._watch(self._keepalive_expiry_s)

    def _remove_idle(self, connection: Connection) -> None:
        del self._idle[connection]
        stack = self._idle_at[connection.origin]
        del stack[connection]
        if not stack:
            del self._idle_at[connection.origin]

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._idle))
        self._remove_idle(oldest)
        oldest.abort()

    def _watch(self, delay_s: float) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(delay_s, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._clock()
        while self._idle:
            left_s = next(iter(self._idle)).idle_since + self._keepalive_expiry_s - now
            if left_s > 0:
                self._watch(left_s)
                return
            self._drop_oldest()

    # -- the queue ----------------------------------------------------------------------------

    async def _wait(self, origin: Origin, timeout_s: float | None) -> Connection | None:
        """A connection to `origin`, or None with the permit to open one."""
        if self._idle:
            self._drop_oldest()  # of another origin; its permit comes when its socket is closed
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = origin
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except BaseException as error:
            self._give_back(waiter)
            if isinstance(error, TimeoutError):
                raise httpx.PoolTimeout(f"no connection became free in {timeout_s:g} s") from None
            raise
        finally:
            self._waiters.pop(waiter, None)

    def _give_back(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Pass on what a waiter got in the moment it left."""
        if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._return_permit()
        elif connection.is_usable:
            self.release(connection)

    def _hand_over(self, connection: Connection) -> None:
        while self._waiters:
            waiter, origin = next(iter(self._waiters.items()))
            if waiter.done():
                del self._waiters[waiter]
            elif origin == connection.origin:
                del self._waiters[waiter]
                waiter.set_result(connection)
                return
            else:
                connection.abort()  # and its permit goes to the first in the queue
                return
        self._keep(connection)

    def _return_permit(self) -> None:
        self._permits_used -= 1
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                self._permits_used += 1
                waiter.set_result(None)
                return

    # -- opening ------------------------------------------------------------------------------

    async def _open_connection(self, origin: Origin, timeout_s: float | None) -> Connection:
        connection = Connection(origin, self, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(timeout_s) as scope:
                self._dialing.add(scope)
                try:
                    await self._dialer.dial(origin, connection)
                finally:
                    self._dialing.discard(scope)
        except BaseException as error:
            if connection in self._open:
                # Cancelled in the turn it was made: uvloop closes it without `connection_lost`.
                connection.abort()
                self.forget(connection)
            else:
                self._return_permit()
            raise self._connect_error(error, origin) from error
        return connection

    def _connect_error(self, error: BaseException, origin: Origin) -> BaseException:
        if self._is_closed and isinstance(error, TimeoutError):
            return httpx.ConnectError(_CLOSED)
        place = f"{origin.host}:{origin.port}"
        match error:
            case TimeoutError():
                return httpx.ConnectTimeout(f"no connection to {place} in time")
            case OSError() | UnicodeError():
                return httpx.ConnectError(f"no connection to {place}: {error}")
        return error
