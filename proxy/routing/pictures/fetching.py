"""Images and files that a request names by URL, fetched for providers that want bytes.

A URL in a request is a stranger's word, so that fetching it must not reach what only this machine
can reach: the name is resolved here, every address is judged, and the judged address is the one
connected to, so that a second DNS answer changes nothing (OWASP, "Server-Side Request Forgery").
"""

from __future__ import annotations

import asyncio
import ipaddress
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

from adapters.base import Json
from proxy.routing.pictures.conversion import Painter
from proxy.routing.pictures.kinds import sniffed
from proxy.routing.pictures.remote_parts import Remote, kind_of_file, remote_parts, replaced
from proxy.upstream.names import Names
from proxy.upstream.transport import Transport

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_REQUEST_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
MAX_ADDRESSES = 3
MAX_IMAGES = 100
"""By URL in one request: a connection each, to whomever the request names."""
MAX_CONNECTIONS = 200
"""Of all requests: each is a file, and whoever is named may hold one open."""
AT_ONCE = 16
"""Of one request."""
ENCODED_BYTES = 3 * 64 * 1024
"""Become base64 in one go: 10 MiB would hold others up for 50 ms."""
MAX_LOOKUPS = 2
"""At once. The system looks up a few names at a time, and the providers' are among them."""

ACCEPTED: Mapping[bool, str] = {
    False: "image/png, image/jpeg, image/gif, image/webp, image/*;q=0.5",
    True: "application/pdf, text/*;q=0.8, application/json;q=0.8, */*;q=0.1",
}
"""Of pictures, and of files."""
HEADERS: Mapping[str, str] = {
    "accept-encoding": "identity",
    "user-agent": "pointsman",
}

IPV4_SPECIAL = tuple(
    ipaddress.ip_network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24")  # protocol assignments, 6to4 relays
)
IPV6_UNICAST = ipaddress.ip_network("2000::/3")
IPV6_SPECIAL = tuple(
    ipaddress.ip_network(net)
    for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo, docs, 6to4, docs
)
ISATAP, ISATAP_MASK = 0x5EFE, 0xFDFF_FFFF
"""In the third quarter of an address, whatever its prefix: an IPv4 address follows (RFC 5214)."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


class ImageFetchError(Exception):
    """What cannot be had; `param` says which, `message` why. Both are for the client."""

    def __init__(self, message: str, *, param: str, what: str = "image") -> None:
        super().__init__(f"{param}: {message}")
        self.code = f"invalid_{what}_url"
        self.message = message
        self.param = param


class _Refused(Exception):
    """Why something is not fetched; becomes an ImageFetchError once it is known which one it is."""


def is_public(address: str) -> bool:
    """Whether `address` is a global unicast one that no translation leads back from.

    For IPv6 that leaves 2000::/3 without Teredo, 6to4 and ISATAP: what embeds an IPv4 address
    (mapped, NAT64, these) could stand for a private one. Source: IANA special-purpose registries.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in IPV4_SPECIAL)
    if int(ip) >> 32 & ISATAP_MASK == ISATAP:
        return False
    return ip in IPV6_UNICAST and not any(ip in net for net in IPV6_SPECIAL)


def by_system(names: Names) -> Resolve:
    """The addresses of a host in the system's order of preference; OSError if there are none."""

    async def resolve(host: str, port: int) -> list[str]:
        found = await names.addresses(host, port)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))

    return resolve


class _Allowance:
    """The bytes that the images of one request may take together; each is fetched in its turn."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(AT_ONCE)
        self._left = MAX_REQUEST_BYTES

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _Refused("the images of this request are too large together")


class ImageFetcher:
    """Fetches images under a policy, the value of POINTSMAN_FETCH_IMAGES.

    `public` takes https from public addresses on port 443; `off` takes nothing; a comma list names
    hosts that are taken besides, on any port and address, and by http too.
    """

    def __init__(
        self,
        policy: str = "public",
        *,
        resolve: Resolve | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.painter = Painter()
        names = {_bare(name) for name in policy.split(",")} - {""}
        self._public = "off" not in names
        self._allowed = names - {"off", "public"}
        self._resolve = resolve or by_system(Names())
        self._transport = transport
        self._timeout_s = timeout_s
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)

    async def inline(
        self, messages: Sequence[Json], cache: dict[str, str], *, images: bool = True
    ) -> Sequence[Json]:
        """`messages` with a data URI in place of every file's URL, and of every http(s) image's
        if `images` are to come as bytes; the same if there is none.

        `cache` keeps what was fetched for the next provider that the request is tried at.
        Raises ImageFetchError.
        """
        places = list(remote_parts(messages, images=images))
        if not places:
            return messages
        wanted: dict[str, Remote] = {}
        for one in places:
            if one.key not in cache:
                wanted.setdefault(one.key, one)
                if len(wanted) > MAX_IMAGES:
                    raise ImageFetchError(
                        f"A request may name at most {MAX_IMAGES} images and files by URL.",
                        param=one.param,
                        what=one.what,
                    )
        allowance = _Allowance()
        try:
            async with asyncio.TaskGroup() as group:
                for one in wanted.values():
                    group.create_task(self._into(cache, one, allowance))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return replaced(messages, places, cache)

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    async def _into(self, cache: dict[str, str], one: Remote, allowance: _Allowance) -> None:
        try:
            async with allowance.turn, asyncio.timeout(self._timeout_s):
                cache[one.key] = await self._fetch(one, allowance)
        except _Refused as refused:
            reason = str(refused)
        except (TimeoutError, httpx.TimeoutException):
            reason = f"its server took longer than {self._timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            reason = "its server could not be reached safely (name, connection or certificate)"
        else:
            return
        message = f"The {one.what} was not fetched: {reason}."
        raise ImageFetchError(message, param=one.param, what=one.what)

    async def _fetch(self, one: Remote, allowance: _Allowance) -> str:
        target = _parsed(one.url)
        for _ in range(MAX_REDIRECTS + 1):
            accept = ACCEPTED[one.is_file]
            response = await self._get(target, await self._addresses(target), accept)
            try:
                if not response.has_redirect_location:
                    return await _data_uri(response, allowance, is_file=one.is_file)
                target = _parsed(response.headers["location"], base=target)
            finally:
                await response.aclose()
        raise _Refused(f"its server redirects more than {MAX_REDIRECTS} times")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """The addresses to connect to for `url`, each of them judged."""
        allowed = _bare(url.host) in self._allowed
        if not allowed:
            self._judge(url)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await self._look_up(url.raw_host.decode("ascii"), port)
        except UnicodeError as error:  # a label that is empty or too long
            raise _Refused("its host is not a valid name") from error
        if not found:
            raise _Refused("its host has no address")
        if not allowed and not all(map(is_public, found)):
            raise _Refused("its host is not a public one; POINTSMAN_FETCH_IMAGES can allow it")
        return found[:MAX_ADDRESSES]

    async def _look_up(self, host: str, port: int) -> list[str]:
        await self._lookups.acquire()
        # It takes up its place until it ends, even when nobody waits for it any more.
        lookup = asyncio.ensure_future(self._resolve(host, port))
        lookup.add_done_callback(lambda _: self._lookups.release())
        return await asyncio.shield(lookup)

    def _judge(self, url: httpx.URL) -> None:
        """Refuse what can be refused before any name is looked up."""
        if not self._public:
            raise _Refused("POINTSMAN_FETCH_IMAGES does not allow it; send it as a data: URI")
        if url.scheme != "https" or url.port is not None:
            raise _Refused("only https on port 443 is allowed, but for hosts that are configured")

    async def _get(self, url: httpx.URL, addresses: Sequence[str], accept: str) -> httpx.Response:
        """The response of the first of `addresses` that takes the connection."""
        if self._transport is None:
            self._transport = Transport(max_connections=MAX_CONNECTIONS, max_keepalive=0)
        *others, last = addresses
        for address in others:
            try:
                return await self._transport.handle_async_request(_pinned(url, address, accept))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._transport.handle_async_request(_pinned(url, last, accept))


def _pinned(url: httpx.URL, address: str, accept: str) -> httpx.Request:
    """A request to `address` that names and, with TLS, verifies the host of `url`."""
    name = url.raw_host.decode("ascii").rstrip(".")
    timeouts = dict.fromkeys(("read", "write", "pool"), TIMEOUT_S)
    return httpx.Request(
        "GET",
        url.copy_with(host=address),
        headers={"host": url.netloc.decode("ascii"), "accept": accept, **HEADERS},
        extensions={
            "sni_hostname": name,
            "timeout": {**timeouts, "connect": CONNECT_TIMEOUT_S},
        },
    )


def _parsed(text: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """`text` as the URL of a host that can mean one thing only."""
    if "\\" in text or not text.isprintable() or " " in text:
        raise _Refused("its URL has characters that a URL cannot have")
    try:
        url = base.join(text) if base else httpx.URL(text)
        host, port = _bare(url.raw_host.decode("ascii")), url.port or 0
        _ = url.host  # which raises where the name is no IDN
    except (httpx.InvalidURL, ValueError) as error:
        raise _Refused("its URL is not valid") from error
    if url.scheme not in ("https", "http") or not host or "%" in host:
        raise _Refused("its URL is not one of a web server")
    if url.userinfo:
        raise _Refused("its URL holds a user name")
    if port > 65535 or _is_disguised_address(host):
        raise _Refused("its host or port is not a valid one")
    return url


def _is_disguised_address(host: str) -> bool:
    """Whether `host` is an IPv4 address in another dress: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.

    As WHATWG URL has it, a host whose last label is a number is an address or nothing.
    """
    last = host.rpartition(".")[2]
    if not (last.isdigit() or last.startswith("0x")):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


async def _data_uri(response: httpx.Response, allowance: _Allowance, *, is_file: bool) -> str:
    if response.status_code != httpx.codes.OK:
        raise _Refused(f"its server answered {response.status_code}")
    declared = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not is_file and (not declared.startswith("image/") or declared.startswith("image/svg")):
        raise _Refused("it is no picture by its content type")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("its server compressed it, unasked")
    data = bytearray()
    async for piece in response.aiter_raw():
        allowance.spend(len(piece))
        if len(data) + len(piece) > MAX_IMAGE_BYTES:
            raise _Refused(f"it is larger than {MAX_IMAGE_BYTES // 1024**2} MiB")
        data += piece
    if (kind := kind_of_file(declared, data) if is_file else sniffed(data)) is None:
        what = "neither a PDF nor a text" if is_file else "no picture of a known kind"
        raise _Refused(f"it is {what} by its first bytes")
    pieces = [f"data:{kind};base64,"]
    for at in range(0, len(data), ENCODED_BYTES):
        pieces.append(b64encode(data[at : at + ENCODED_BYTES]).decode("ascii"))
        await asyncio.sleep(0)
    return "".join(pieces)


def _bare(host: str) -> str:
    return host.strip().lower().strip("[]").rstrip(".")
