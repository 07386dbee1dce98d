"""Who may speak to the server at all: one pure ASGI middleware, before any routing.

A page that the user visits can make the browser send requests to this machine, and a name of the
attacker's can be made to resolve to it. What gives such requests away is Host, Origin,
Sec-Fetch-Site and the content type; SDKs and curl notice nothing of these checks. Everything is
judged by the raw headers and `scope["path"]`, never by a URL put together from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import chain

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.upstream import PASSED
from proxy.errors import UNKNOWN_URL, ApiError, shutting_down
from proxy.gate.body import request_id
from proxy.gate.keys import KEY_HEADERS, Keys, shown_key
from proxy.gate.life import Life, Stage
from proxy.reply import Speller, SpellerOf, refused

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_HOSTS_SEEN = 64
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST_OF_CONTAINERS = frozenset(
    {"host.docker.internal", "gateway.docker.internal", "host.containers.internal"}
)
"""What Docker and Podman call this machine inside of containers. Elsewhere who answers for names
on a network may give them to a page of theirs first, so that no page may use them.
"""
WRITING_METHODS = frozenset({"POST", "PUT", "PATCH"})
"""Those with a body; a DELETE no page can send without asking first, which it is refused."""
ONCE = frozenset(
    {
        *(b"host", b"origin", b"sec-fetch-site"),
        *(b"authorization", *KEY_HEADERS),
        *(b"content-type", b"content-encoding", b"content-length", b"transfer-encoding"),
    }
)
"""Sent twice, they could mean one thing here and another elsewhere."""
APP_KEY_PREFIX = b"app-"
JSON = b"application/json"
DESKTOP_ORIGIN = re.compile(r"(app|tauri|vscode-webview|vscode-file)://[a-z0-9._-]*", re.ASCII)
"""Of programs that are made of web pages: no page of the web can have any of these."""
FORM = b"multipart/form-data"

HOP = b"x-pointsman-hop"
MAX_HOPS = 5

_HOP_ID = re.compile(rb"[0-9a-f]{16}")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?", re.ASCII)


Headers = Mapping[bytes, bytes]
"""By name; those that decide are there at most once."""


class Guard:
    """Refuses what no SDK would send; lets in who shows a key, where keys are configured.

    What is at or beneath one of `own_paths` asks for no key here: it has a guard of its own. A path
    with one of `form_ends` takes a form, any other JSON. Only where `paths` have a name may one
    hold what is written with `%`: who stands before us may forbid a path by its text. `speller_of`
    tells in whose words a refusal is told, `for_desktops` at which paths programs ask that are made
    of web pages, or that name no content type. `hop` is our id in `HOP`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        origins: Collection[str],
        keys: Keys,
        own_paths: Collection[str],
        form_ends: Collection[str],
        paths: Collection[re.Pattern[str]],
        life: Life,
        speller_of: SpellerOf,
        for_desktops: Callable[[str], bool],
        hop: str,
    ) -> None:
        self._app = app
        self._hop = hop.encode()
        self._for_desktops = for_desktops
        self._speller_of = speller_of
        self._life = life
        self._hosts_seen: set[str] = set()  # and found allowed, whatever the port
        self._hosts = LOCAL_NAMES | {host.lower() for host in hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins if origin)
        self._own_paths = frozenset(own_paths)
        self._form_ends = tuple(form_ends)
        self._paths = tuple(paths)
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        headers = dict(scope["headers"])
        new_id = request_id(headers)
        answer = _Answer(send, new_id)
        try:
            _check_lines(scope, headers)
            if (path := scope.get("raw_path") or b"").find(b"%") >= 0:
                self._check_path(path.decode("latin-1"), scope["path"])
            if origin := self._check_origin(scope, headers):
                if scope["method"] == "OPTIONS":
                    await _preflight(send, origin)
                    return
                answer.origin = origin
            if self._keys.reading and not self._is_unguarded(scope["path"]):
                await self._keys.reading()
            app = self._check(scope, headers)
            if HOP in headers:
                PASSED.set(self._passed(scope))  # for the task that answers this request alone
            # A state of its own: the server hands every request a copy of the lifespan's.
            scope["state"] = {
                "request_id": new_id,
                "app": app,
                "headers": headers,
                "client": self._client(scope, app),
            }
        except ApiError as error:
            await self._refuse(error, scope, answer)
            return
        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            if self._life.stage is not Stage.OVER:
                raise
            await self._cut_short(shutting_down(), scope, answer)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server's own life goes on to the application; no other protocol is spoken."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _refuse(self, error: ApiError, scope: Scope, answer: _Answer) -> None:
        reply = refused(self._speller(scope), error, answer.request_id)
        head = {"type": "http.response.start", "status": reply.status, "headers": reply.head()}
        await answer(head)
        await answer({"type": "http.response.body", "body": reply.body})

    def _speller(self, scope: Scope) -> Speller:
        return self._speller_of(scope["path"], dict(scope["headers"]))

    async def _cut_short(self, error: ApiError, scope: Scope, answer: _Answer) -> None:
        """End loudly what cannot be answered any more."""
        if answer.head is None:
            await self._refuse(error, scope, answer)
        elif b"content-length" not in dict(answer.head):
            last = self._speller(scope).cut(error)
            with contextlib.suppress(RuntimeError):  # the last word had been said
                await answer.send({"type": "http.response.body", "body": last})

    def _check_path(self, raw: str, path: str) -> None:
        """Raises ApiError 404 for a path that is another one once it is decoded."""
        at = [known for known in self._paths if known.match(path)]
        if not at or at != [known for known in self._paths if known.match(raw)]:
            message = "Nothing is served at a path that is written with '%'."
            raise ApiError(404, message, code=UNKNOWN_URL)

    def _check_origin(self, scope: Scope, headers: Headers) -> str | None:
        """The configured origin that this request comes from, or None; ApiError 403 or 400."""
        if b"host" not in headers:
            raise ApiError(400, "A request must have exactly one Host header.", close=True)
        host = headers[b"host"].decode("latin-1").lower()
        if host not in self._hosts_seen and not self._is_allowed_host(host, scope, headers):
            raise ApiError(
                403,
                "This host name is not allowed. POINTSMAN_ALLOWED_HOSTS adds names.",
                code="host_not_allowed",
            )
        if b"origin" not in headers and not _is_fetched_by_another(headers):
            return None
        # Bytes outside ASCII match nothing that is allowed.
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        is_same_name = origin.partition("://")[2] == host  # behind what adds TLS, say
        if origin in self._origins and (is_same_name or not self._is_own(scope["path"])):
            return origin
        if DESKTOP_ORIGIN.fullmatch(origin) and self._for_desktops(scope["path"]):
            return origin
        is_own = not origin or origin == f"{scope['scheme']}://{host}"
        if not is_own or _is_fetched_by_another(headers):
            raise ApiError(
                403,
                "Web pages of other origins may not use this server."
                " POINTSMAN_ALLOWED_ORIGINS adds origins.",
                code="origin_not_allowed",
            )
        return None

    def _is_allowed_host(self, host: str, scope: Scope, headers: Headers) -> bool:
        if not _HOST.fullmatch(host):
            return False
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name in self._hosts or name.endswith(".localhost"):
            if len(self._hosts_seen) < MAX_HOSTS_SEEN:
                self._hosts_seen.add(host)
            return True
        if name in HOST_OF_CONTAINERS:
            return b"origin" not in headers and not self._is_own(scope["path"])
        # Bound to a network's address (which needs keys), that address is a name for it too.
        address = (scope.get("server") or ("", 0))[0]
        return self._keys.needed and name.strip("[]") == address

    def _check(self, scope: Scope, headers: Headers) -> str | None:
        """The name of the app that asks, if it gives one. Raises ApiError 400, 415 or 401."""
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or b"content-length" in headers):
            raise ApiError(
                400, "Transfer-Encoding may be chunked, without a Content-Length.", close=True
            )
        if self._life.draining and scope["path"] not in OPEN_PATHS:
            raise shutting_down()
        if scope["method"] in WRITING_METHODS:
            content_type = headers.get(b"content-type", b"")
            wanted = FORM if scope["path"].endswith(self._form_ends) else JSON
            is_wanted = content_type == wanted or _named_type(content_type) == wanted
            if not is_wanted and not self._takes_any_type(scope, headers) and self._is_known(scope):
                raise ApiError(
                    415,
                    f"The content type must be {wanted.decode()}.",
                    code="unsupported_media_type",
                )
        return self._app_name(scope, headers)

    def _passed(self, scope: Scope) -> bytes:
        """The ids of those of us that it has come by. Raises ApiError 508 where it goes round."""
        told = b",".join(value for name, value in scope["headers"] if name == HOP)
        ids = [one.strip() for one in told.split(b",")]
        if not all(_HOP_ID.fullmatch(one) for one in ids):
            raise ApiError(400, f"The header {HOP.decode()} holds no ids of ours.")
        if self._hop in ids or len(ids) > MAX_HOPS:
            raise ApiError(
                508,
                "loop detected: a provider's address leads back to this server."
                " The setting <PROVIDER>_BASE_URL names where the provider itself is.",
                type_="api_error",
                code="loop_detected",
                should_retry=False,
            )
        return b", ".join(ids)

    def _takes_any_type(self, scope: Scope, headers: Headers) -> bool:
        """Whether the body may be called anything: no browser sends it without one of these two."""
        is_of_browser = b"origin" in headers or b"sec-fetch-site" in headers
        return not is_of_browser and self._for_desktops(scope["path"])

    def _is_known(self, scope: Scope) -> bool:
        """Whether anything is served there: who asks elsewhere is told that, whatever is sent."""
        return any(one.match(scope["path"]) for one in self._paths)

    def _app_name(self, scope: Scope, headers: Headers) -> str | None:
        """Who is asking, by the key it shows; ApiError 401 where a key is needed and none fits."""
        shown = shown_key(scope, headers)
        if self._keys.needed and not self._is_unguarded(scope["path"]):
            return self._keys.name_of(shown)
        is_app = shown.startswith(APP_KEY_PREFIX)
        return _text(shown.removeprefix(APP_KEY_PREFIX)) or None if is_app else None

    def _client(self, scope: Scope, app: str | None) -> str:
        """Who shares what there is with others: by its key, else by its address."""
        if self._keys.needed and app and not self._is_own(scope["path"]):
            return f"key {app}"
        address = scope.get("client")
        return address[0] if address else ""

    def _is_unguarded(self, path: str) -> bool:
        """Whether no key of a client's is asked for there."""
        return path in OPEN_PATHS or self._is_own(path)

    def _is_own(self, path: str) -> bool:
        """Whether the path guards itself: one of `own_paths`, or beneath one."""
        return any(f"{path}/".startswith(f"{own}/") for own in self._own_paths)


def _named_type(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _is_fetched_by_another(headers: Headers) -> bool:
    """Whether a browser says that another origin's page asks; a link on this machine may.

    Scripts, images and frames come without an Origin, so that only this tells.
    """
    site = headers.get(b"sec-fetch-site")
    if site is None or site in (b"same-origin", b"none"):
        return False
    return site != b"same-site" or headers.get(b"sec-fetch-dest") != b"document"


def _text(name: bytes) -> str:
    """An app's name as it was typed: in UTF-8, or what a client made of it that knows none."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _check_lines(scope: Scope, headers: Headers) -> None:
    """Raises ApiError 431 for too many or too large headers, 400 for one that is there twice."""
    lines = scope["headers"]
    count = len(lines)
    size = len(scope["path"]) + len(scope["query_string"])
    size += sum(map(len, chain.from_iterable(lines)))
    if count > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise ApiError(431, "The headers are too many or too large.", close=True)
    if len(headers) < count:
        names = [name for name, _ in lines if name in ONCE]
        if len(set(names)) < len(names):
            raise ApiError(400, "A header that may be there once is there twice.", close=True)


async def _preflight(send: Send, origin: str) -> None:
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", b"GET, POST, PUT"),
        (b"access-control-allow-headers", b"*, authorization"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"origin"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class _Answer(Struct):
    """`send` that adds what every answer carries: its id, and the origin that may read it.

    `head` are the headers, once they have been sent.
    """

    send: Send
    request_id: bytes
    origin: str | None = None
    head: list[tuple[bytes, bytes]] | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            return self._start(message)
        return self.send(message)

    async def _start(self, message: Message) -> None:
        headers = [*message.get("headers", ()), (b"x-request-id", self.request_id)]
        if self.origin:
            headers += [
                (b"access-control-allow-origin", self.origin.encode("latin-1")),
                (b"access-control-expose-headers", b"*"),
                (b"vary", b"origin"),
            ]
        await self.send({**message, "headers": headers})
        self.head = headers
