"""The one httpx client of the process, and the transport beneath it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from adapters.upstream import Upstream, timeouts
from proxy.transport import Transport

MAX_CONNECTIONS = 2000
MAX_IDLE_CONNECTIONS = 100
IDLE_CONNECTION_S = 30.0


def open_upstream(kind: str, *, proxy: str | None, bypass: Callable[[str], bool]) -> Upstream:
    """A client and its transport, which the caller closes with `client.aclose()`.

    `kind` is POINTSMAN_TRANSPORT; `auto` means ours, or httpx's where a `proxy` is set, as only
    httpx's speaks to proxies. Hosts that `bypass` the proxy are reached directly.
    """
    transport: httpx.AsyncBaseTransport
    if proxy:
        transport = _ByHost(_httpx_transport(), _httpx_transport(proxy), bypass)
    elif kind == "httpx":
        transport = _httpx_transport()
    else:
        transport = Transport(
            max_connections=MAX_CONNECTIONS,
            max_keepalive=MAX_IDLE_CONNECTIONS,
            keepalive_expiry_s=IDLE_CONNECTION_S,
        )
    # trust_env would mount transports of its own for proxies, and read .netrc for every request.
    client = httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(**timeouts(60.0)),
        follow_redirects=False,
        trust_env=False,
    )
    return Upstream(client=client, transport=transport)


def _httpx_transport(proxy: str | None = None) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_CONNECTION_S,
        ),
        proxy=proxy,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True)
class _ByHost(httpx.AsyncBaseTransport):
    """Sends what bypasses the proxy directly: an Ollama on this machine is behind no proxy."""

    direct: httpx.AsyncBaseTransport
    proxied: httpx.AsyncBaseTransport
    bypass: Callable[[str], bool]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chosen = self.direct if self.bypass(request.url.host) else self.proxied
        return await chosen.handle_async_request(request)

    async def aclose(self) -> None:
        await self.direct.aclose()
        await self.proxied.aclose()
