"""Images that a request names by URL, fetched for providers that want bytes.

A URL in a request is a stranger's word, so that fetching it must not reach what only this machine
can reach: the name is resolved here, every address is judged, and the judged address is the one
connected to, so that a second DNS answer changes nothing (OWASP, "Server-Side Request Forgery").
"""

from __future__ import annotations

import asyncio
import ipaddress
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import httpx

from adapters.base import Json
from proxy.routing.conversion import Painter
from proxy.routing.pictures import sniffed
from proxy.upstream.names import Names

MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_REQUEST_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
MAX_ADDRESSES = 3
MAX_IMAGES = 100
"""By URL in one request: a connection each, to whomever the request names."""
MAX_LOOKUPS = 2
"""At once. The system looks up a few names at a time, and the providers' are among them."""

HEADERS: Mapping[str, str] = {
    "accept": "image/png, image/jpeg, image/gif, image/webp, image/*;q=0.5",
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
    """An image that cannot be had; `param` says which, `message` why. Both are for the client."""

    code = "invalid_image_url"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(f"{param}: {message}")
        self.message = message
        self.param = param


class _Refused(Exception):
    """Why an image is not fetched; becomes an ImageFetchError once it is known which one it is."""


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
    """The bytes that the images of one request may take together."""

    def __init__(self) -> None:
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
        painter: Painter | None = None,
    ) -> None:
        self.painter = painter or Painter()
        names = {_bare(name) for name in policy.split(",")} - {""}
        self._public = "off" not in names
        self._allowed = names - {"off", "public"}
        self._resolve = resolve or by_system(Names())
        self._transport = transport
        self._timeout_s = timeout_s
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)

    async def inline(self, messages: Sequence[Json], cache: dict[str, str]) -> Sequence[Json]:
        """`messages` with a data URI in place of every http(s) image URL; the same if none is.

        `cache` keeps what was fetched, by URL, for the next provider that the request is tried at.
        Raises ImageFetchError.
        """
        places = list(_remote_images(messages))
        if not places:
            return messages
        wanted: dict[str, str] = {}
        for at, place, url in places:
            if url not in cache:
                wanted.setdefault(url, f"messages[{at}].content[{place}].image_url.url")
                if len(wanted) > MAX_IMAGES:
                    raise ImageFetchError(
                        f"A request may name at most {MAX_IMAGES} images by URL.",
                        param=wanted[url],
                    )
        allowance = _Allowance()
        try:
            async with asyncio.TaskGroup() as group:
                for url, param in wanted.items():
                    group.create_task(self._into(cache, url, param, allowance))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return _replaced(messages, places, cache)

    async def aclose(self) -> None:
        """Close the connections that are open."""
        if self._transport is not None:
            await self._transport.aclose()

    async def _into(
        self, cache: dict[str, str], url: str, param: str, allowance: _Allowance
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                cache[url] = await self._fetch(url, allowance)
        except _Refused as refused:
            reason = str(refused)
        except (TimeoutError, httpx.TimeoutException):
            reason = f"its server took longer than {self._timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            reason = "its server could not be reached safely (name, connection or certificate)"
        else:
            return
        raise ImageFetchError(f"The image was not fetched: {reason}.", param=param)

    async def _fetch(self, url: str, allowance: _Allowance) -> str:
        target = _parsed(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(target, await self._addresses(target))
            try:
                if not response.has_redirect_location:
                    return await _data_uri(response, allowance)
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
            raise _Refused(
                "POINTSMAN_FETCH_IMAGES does not allow it; send the image as a data: URI"
            )
        if url.scheme != "https" or url.port is not None:
            raise _Refused("only https on port 443 is allowed, but for hosts that are configured")

    async def _get(self, url: httpx.URL, addresses: Sequence[str]) -> httpx.Response:
        """The response of the first of `addresses` that takes the connection."""
        if self._transport is None:
            # No connection is kept: the pool knows them by address, so that one whose certificate
            # was checked for one name would serve another name at the same address.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._transport = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
        *others, last = addresses
        for address in others:
            try:
                return await self._transport.handle_async_request(_pinned(url, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._transport.handle_async_request(_pinned(url, last))


def _pinned(url: httpx.URL, address: str) -> httpx.Request:
    """A request to `address` that names and, with TLS, verifies the host of `url`."""
    name = url.raw_host.decode("ascii").rstrip(".")
    timeouts = dict.fromkeys(("read", "write", "pool"), TIMEOUT_S)
    return httpx.Request(
        "GET",
        url.copy_with(host=address),
        headers={"host": url.netloc.decode("ascii"), **HEADERS},
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


async def _data_uri(response: httpx.Response, allowance: _Allowance) -> str:
    if response.status_code != httpx.codes.OK:
        raise _Refused(f"its server answered {response.status_code}")
    declared = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not declared.startswith("image/") or declared.startswith("image/svg"):
        raise _Refused("it is no picture by its content type")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("its server compressed it, unasked")
    data = bytearray()
    async for piece in response.aiter_raw():
        allowance.spend(len(piece))
        if len(data) + len(piece) > MAX_IMAGE_BYTES:
            raise _Refused(f"it is larger than {MAX_IMAGE_BYTES // 1024**2} MiB")
        data += piece
    if (kind := sniffed(data)) is None:
        raise _Refused("it is no picture of a known kind by its first bytes")
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"


def _bare(host: str) -> str:
    return host.strip().lower().strip("[]").rstrip(".")


def _remote_images(messages: Sequence[Json]) -> Iterator[tuple[int, int, str]]:
    """Where an http(s) image is: index of the message, index of the part, URL."""
    for at, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        for place, part in enumerate(content):
            url = _image_url(part)
            if url[:6].lower().startswith(("http:", "https:")):
                yield at, place, url


def _image_url(part: object) -> str:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return url.strip()
        case _:
            return ""


def _replaced(
    messages: Sequence[Json], places: Sequence[tuple[int, int, str]], cache: dict[str, str]
) -> Sequence[Json]:
    copy = list(messages)
    for at in {at for at, _, _ in places}:
        copy[at] = {**messages[at], "content": list(messages[at]["content"])}
    for at, place, url in places:
        part = copy[at]["content"][place]
        copy[at]["content"][place] = {
            **part,
            "image_url": {**part["image_url"], "url": cache[url]},
        }
    return copy
