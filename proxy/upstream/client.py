"""The one httpx client: how many connections it keeps, for how long, and a proxy's on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from adapters.upstream import Upstream, count_again, timeouts
from adapters.wire.reading import Bounded
from proxy.settings import Settings, bypasses_proxy, proxies_of_environment
from proxy.upstream.exchange import MAX_PIECES
from proxy.upstream.transport import Transport

MAX_CONNECTIONS = 2000
MAX_IDLE_CONNECTIONS = 100
IDLE_CONNECTION_S = 30.0
TURN_PIECES = 100
LEAST_PIECE_BYTES = 8
"""Of chunks on average, once there are very many."""


def upstream_of(settings: Settings) -> Upstream:
    """The upstream that the settings and the environment's proxies ask for."""
    proxies = proxies_of_environment()
    return open_upstream(settings.transport, proxies=proxies, bypass=bypasses_proxy)


def open_upstream(
    kind: str, *, proxies: Mapping[str, str], bypass: Callable[[str], bool]
) -> Upstream:
    """A client and its transport, which the caller closes with `client.aclose()`.

    What the client reads is small; only who asks the transport itself may read more.

    `kind` is POINTSMAN_TRANSPORT; `auto` means ours, or httpx's where `proxies` (URLs by scheme)
    has any, as only httpx's speaks to proxies. Hosts that `bypass` them are reached directly.
    """
    transport: httpx.AsyncBaseTransport
    if proxies:
        behind = {scheme: _HttpxTransport(url) for scheme, url in proxies.items()}
        transport = _ByUrl(_HttpxTransport(), behind, bypass)
    elif kind == "httpx":
        transport = _HttpxTransport()
    else:
        transport = Transport(
            max_connections=MAX_CONNECTIONS,
            max_keepalive=MAX_IDLE_CONNECTIONS,
            keepalive_expiry_s=IDLE_CONNECTION_S,
        )
    # trust_env would mount transports of its own for proxies, and read .netrc for every request.
    client = httpx.AsyncClient(
        transport=Bounded(transport),
        timeout=httpx.Timeout(**timeouts(60.0)),
        follow_redirects=False,
        trust_env=False,
    )
    return Upstream(client=client, transport=transport)


class _HttpxTransport(httpx.AsyncHTTPTransport):
    """httpx's own, which like ours asks once more where a kept connection has gone stale."""

    def __init__(self, proxy: str | None = None) -> None:
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_CONNECTION_S,
        )
        super().__init__(limits=limits, proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response; a request whose body is bytes goes out again until it gets a connection of
        its own, as long as nothing came back over a kept one.
        """
        while True:
            way = _Way()
            request.extensions["trace"] = way
            try:
                async with asyncio.timeout(None) as way.tunnelling:
                    response = await super().handle_async_request(request)
            except TimeoutError:
                raise httpx.ConnectTimeout("the proxy opened no tunnel", request=request) from None
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if way.is_new or not isinstance(request.stream, httpx.ByteStream):
                    raise
                count_again()
            else:
                assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - is async
                response.stream = _ByTurns(response.stream)
                return response


@dataclass(frozen=True, slots=True)
class _ByTurns(httpx.AsyncByteStream):
    """A body in chunks, which httpx's hands out one by one: others have their turn in between."""

    body: httpx.AsyncByteStream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = count = 0
        async for piece in self.body:
            yield piece
            size, count = size + len(piece), count + 1
            if count > MAX_PIECES and size < count * LEAST_PIECE_BYTES:
                raise httpx.RemoteProtocolError("a body in chunks of a few bytes")
            if count % TURN_PIECES == 0:
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self.body.aclose()


class _Way:
    """What httpcore reports of a request on its way: whether a connection was opened for it.

    A proxy's answer to CONNECT is part of connecting; httpcore gives it the time of an answer.
    """

    tunnelling: asyncio.Timeout

    def __init__(self) -> None:
        self.is_new = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.is_new |= event.startswith("connection.connect")
        if event.endswith("send_request_headers.started") and info["request"].method == b"CONNECT":
            longest_s = info["request"].extensions["timeout"]["connect"]
            self.tunnelling.reschedule(asyncio.get_running_loop().time() + longest_s)
        elif event.endswith("start_tls.started"):
            self.tunnelling.reschedule(None)


@dataclass(frozen=True, slots=True)
class _ByUrl(httpx.AsyncBaseTransport):
    """Sends what bypasses the proxies directly: an Ollama on this machine is behind none."""

    direct: httpx.AsyncBaseTransport
    behind: Mapping[str, httpx.AsyncBaseTransport]
    bypass: Callable[[str], bool]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        proxied = None if self.bypass(url.host) else self.behind.get(url.scheme)
        return await (proxied or self.direct).handle_async_request(request)

    async def aclose(self) -> None:
        for transport in (self.direct, *self.behind.values()):
            await transport.aclose()
