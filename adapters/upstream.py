"""How an adapter reaches its provider: a target made once, and a reply as raw header and bytes.

An adapter's own calls go past httpx's request and response objects, which cost more than the
transport beneath them; the SDKs' go through `Upstream.client` as they always do.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import httpx

HOP = "x-pointsman-hop"
"""The header that holds the id of each of us that a request has passed: in a loop, one twice."""
PASSED: ContextVar[bytes] = ContextVar("passed", default=b"")
"""Those that the request being answered had passed before it came here."""

AGAIN: ContextVar[Callable[[], float]] = ContextVar("again", default=lambda: 0.0)
"""Counts a call that is sent once more, as the provider may; else gives the wait for its room."""

CONNECT_TIMEOUT_S = 3.0
WRITE_TIMEOUT_S = 10.0
POOL_TIMEOUT_S = 5.0

Lines = Sequence[tuple[bytes, bytes]]
"""Header lines as they stand on the wire."""


Content = bytes | Sequence[bytes | memoryview]
"""A body; a large one in pieces, which nobody need put together."""


class NoRoomError(httpx.TransportError):
    """A call is not sent once more: a limit has no room for that before `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("the limit has no room for a second try")
        self.wait_s = wait_s


def count_again() -> None:
    """Before a call is sent once more. Raises NoRoomError where a limit forbids it."""
    if (wait_s := AGAIN.get()()) > 0:
        raise NoRoomError(wait_s)


class Reply(Protocol):
    """A response whose head is here; its body comes a network read at a time, once."""

    status: int

    @property
    def headers(self) -> Lines: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class Target(Protocol):
    """Where a provider's calls go, with everything that is the same for each of them."""

    @property
    def url(self) -> httpx.URL: ...

    async def post(self, content: Content) -> Reply:
        """Send one call. Raises what httpx raises."""


@runtime_checkable
class Aiming(Protocol):
    """A transport that has a way of its own around httpx's request and response objects."""

    def target(self, url: httpx.URL, headers: Lines, timeouts: Mapping[str, float]) -> Target: ...


@dataclass(frozen=True, slots=True)
class Upstream:
    """What an adapter sends with: `client` is for the SDKs, `transport` is that client's own.

    `hop` is this server's id, by which it knows a request that it has sent itself.
    """

    client: httpx.AsyncClient
    transport: httpx.AsyncBaseTransport
    hop: str = field(default_factory=lambda: secrets.token_hex(8))

    def target(self, url: httpx.URL, headers: Lines, timeouts: Mapping[str, float]) -> Target:
        """What posts to `url`: made once, since a request of httpx's own costs 25 µs more.

        `headers` are complete but for content-length; `timeouts` is httpx's extension of that name.
        Who speaks plain HTTP may be one of us, and is told who asks.
        """
        if self.hop and url.scheme == "http":
            headers = [*headers, (HOP.encode(), self.hop.encode())]
        if isinstance(self.transport, Aiming):
            return self.transport.target(url, headers, timeouts)
        return _HttpxTarget(self.transport, url, headers, timeouts)

    async def fetched(
        self, url: str, headers: Mapping[str, str], silence_s: float
    ) -> httpx.Response:
        """What a GET gives, whatever its status; a list of models, say. Raises httpx's errors."""
        told = {HOP: self.hop} if self.hop and url.startswith("http:") else {}
        return await self.client.get(
            url,
            headers={**headers, **told, "accept-encoding": "identity"},
            timeout=httpx.Timeout(**timeouts(silence_s)),
            follow_redirects=False,
        )


@dataclass(frozen=True, slots=True)
class _HttpxTarget:
    """Any transport of httpx. The request is built bare: no cookie, no redirect, no auth."""

    transport: httpx.AsyncBaseTransport
    url: httpx.URL
    headers: Lines
    timeouts: Mapping[str, float]

    async def post(self, content: Content) -> Reply:
        content = content if isinstance(content, bytes) else b"".join(content)
        passed = [(HOP.encode(), ids)] if (ids := PASSED.get()) else []
        request = httpx.Request(
            "POST",
            self.url,
            headers=[*self.headers, *passed, (b"content-length", b"%d" % len(content))],
            stream=httpx.ByteStream(content),
            extensions={"timeout": self.timeouts},
        )
        return _HttpxReply(await self.transport.handle_async_request(request))


class _HttpxReply:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers.raw
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - what async transports give
        return aiter(stream)

    async def aclose(self) -> None:
        await self._response.aclose()


class Headers(Mapping[str, str]):
    """Header lines by their names in lower case, decoded when one is asked for."""

    def __init__(self, lines: Lines) -> None:
        self._values = {name.lower(): value for name, value in lines}
        if len(self._values) < len(lines):
            for name in self._values:
                same = [value for other, value in lines if other.lower() == name]
                self._values[name] = b", ".join(same)

    def __getitem__(self, name: str) -> str:
        return self._values[name.encode("ascii")].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`; as `Mapping` has it, but in a tenth of the time."""
        value = self._values.get(name.encode("ascii"))
        return default if value is None else value.decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode("ascii") in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)


def timeouts(silence_s: float) -> dict[str, float]:
    """All four of httpx's timeouts, in seconds; `silence_s` is the longest wait for a byte."""
    return {
        "connect": min(CONNECT_TIMEOUT_S, silence_s),
        "read": silence_s,
        "write": WRITE_TIMEOUT_S,
        "pool": POOL_TIMEOUT_S,
    }


def raw_headers(
    headers: Mapping[str, str], *, host: str, content_type: str = "application/json"
) -> tuple[tuple[bytes, bytes], ...]:
    """Header lines as the transport wants them: host first, and the answer uncompressed."""
    kept = {name.lower(): value for name, value in headers.items()}
    for name in ("host", "content-length", "connection"):
        kept.pop(name, None)
    kept["accept-encoding"] = "identity"
    kept["content-type"] = content_type
    return (
        (b"host", host.encode("ascii")),
        *((name.encode("ascii"), value.encode("latin-1")) for name, value in kept.items()),
    )
