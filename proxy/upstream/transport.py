"""What httpx calls: a request in, a response out, over the pool."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import httpx

from adapters.upstream import HOP, PASSED, Content, count_again
from proxy.upstream.connection import Connection, Origin
from proxy.upstream.dial import Dialer
from proxy.upstream.exchange import Exchange, Timeouts
from proxy.upstream.outgoing import Outgoing, encode, posted, prefix
from proxy.upstream.pool import Pool

if TYPE_CHECKING:
    import ssl

_LINE = HOP.encode() + b": %b\r\n"

log = logging.getLogger("pointsman.transport")

_NO_TIMEOUTS: Timeouts = {}


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over keep-alive connections; raises httpx's own exceptions, `request` set.

    Timeouts are read from `request.extensions["timeout"]` as httpx's client sets them, and from
    "sni_hostname" what name a certificate must be for that is not the URL's host. A request
    whose body is bytes is sent a second time, on a new connection, when a kept one turns out to
    be dead before the first byte of a response. `ssl_context` must verify (ValueError if not);
    None stands for httpx's default, made in a thread when https is first used.
    """

    def __init__(
        self,
        *,
        max_connections: int = 2000,
        max_keepalive: int = 100,
        keepalive_expiry_s: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = Pool(
            Dialer(ssl_context),
            max_connections=max_connections,
            max_keepalive=max_keepalive,
            keepalive_expiry_s=keepalive_expiry_s,
            clock=clock,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response as soon as its head is here; its stream must be read up or closed."""
        outgoing = encode(request)
        timeouts = request.extensions.get("timeout", _NO_TIMEOUTS)
        exchange = await self.run(_origin(request), outgoing, timeouts, request)
        return httpx.Response(
            exchange.status,
            headers=exchange.headers,
            stream=exchange,
            extensions={
                "http_version": exchange.http_version,
                "reason_phrase": exchange.reason,
            },
        )

    def target(
        self, url: httpx.URL, headers: Sequence[tuple[bytes, bytes]], timeouts: Timeouts
    ) -> Target:
        """What posts to `url`; checked and encoded once. `headers` lack only content-length."""
        return Target(self, url, headers, timeouts)

    async def run(
        self,
        origin: Origin,
        outgoing: Outgoing,
        timeouts: Timeouts,
        request: httpx.Request | None = None,
    ) -> Exchange:
        """The exchange, its response's head here; errors name `request`."""
        connection = self.pool.take(origin) or await self._acquire(origin, request, timeouts)
        exchange = Exchange(connection, request, outgoing, timeouts)
        try:
            await exchange.run()
        except httpx.TransportError:
            if not _may_repeat(exchange, connection, outgoing):
                raise
            count_again()
            log.info("a kept connection to %s was dead: sent once more on another", origin.host)
            connection = await self._acquire(origin, request, timeouts)
            exchange = Exchange(connection, request, outgoing, timeouts)
            await exchange.run()
        return exchange

    async def aclose(self) -> None:
        """End everything: idle connections, running exchanges and waiting requests."""
        await self.pool.aclose()

    async def _acquire(
        self, origin: Origin, request: httpx.Request | None, timeouts: Timeouts
    ) -> Connection:
        try:
            return await self.pool.acquire(
                origin,
                pool_timeout_s=timeouts.get("pool"),
                connect_timeout_s=timeouts.get("connect"),
            )
        except httpx.TransportError as error:
            if request is not None:
                error.request = request
            raise


class Target:
    """One URL that is posted to again and again."""

    def __init__(
        self,
        transport: Transport,
        url: httpx.URL,
        headers: Sequence[tuple[bytes, bytes]],
        timeouts: Timeouts,
    ) -> None:
        bare = httpx.Request("POST", url, headers=[*headers, (b"content-length", b"0")])
        self.url = url
        self._origin = _origin(bare)
        self._prefix = prefix(bare)
        self._transport = transport
        self._timeouts = timeouts

    async def post(self, content: Content) -> Exchange:
        """The response as soon as its head is here; it must be read up or closed."""
        passed = PASSED.get()
        outgoing = posted(self._prefix, content, passed and _LINE % passed)
        return await self._transport.run(self._origin, outgoing, self._timeouts)


def _may_repeat(exchange: Exchange, connection: Connection, outgoing: Outgoing) -> bool:
    return connection.has_served and exchange.is_untouched and outgoing.body is not None


def _origin(request: httpx.Request) -> Origin:
    url = request.url
    scheme = url.raw_scheme
    secure = scheme == b"https"
    if not secure and scheme != b"http":
        word = f"an unsupported protocol '{url.scheme}://'" if scheme else "no protocol"
        raise httpx.UnsupportedProtocol(f"the request's URL has {word}", request=request)
    host, name = url.raw_host.decode("ascii"), request.extensions.get("sni_hostname")
    return Origin(secure, host, url.port or (443 if secure else 80), name)
