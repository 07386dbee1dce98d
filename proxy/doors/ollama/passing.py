"""What would change a machine, passed on to the real server if the owner has said so.

An application of its own, and no door: files go through as they come, however large they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import httpx
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.upstream import Upstream
from proxy.doors.ollama.errors import OllamaErrors
from proxy.doors.ollama.local import CHANGING, PULL
from proxy.doors.ollama.real import Real
from proxy.errors import ApiError
from proxy.gate.body import WATCH
from proxy.reply import Header

PASSED: Mapping[str, tuple[Sequence[str], str]] = {PULL: (("POST",), "pull models"), **CHANGING}
TIMEOUTS: Mapping[str, float] = {"connect": 3.0, "read": 600.0, "write": 60.0, "pool": 5.0}
_BODIED = frozenset({b"content-length", b"transfer-encoding"})
KEPT = frozenset({b"content-type", b"content-length"})


def passage_routes(
    real: Real, upstream: Upstream, is_member: Callable[[str | None], bool]
) -> list[Route]:
    """All that is passed on, though for no app that changes nothing."""
    passage = Passage(real, upstream.transport, is_member)
    return [Route(path, passage, methods=list(methods)) for path, (methods, _) in PASSED.items()]


class Passage:
    """For programs on this machine alone, and for no page."""

    def __init__(
        self,
        real: Real,
        transport: httpx.AsyncBaseTransport,
        is_member: Callable[[str | None], bool] = lambda _app: False,
    ) -> None:
        self._real = real
        self._transport = transport
        self._is_member = is_member

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; a client that leaves ends it there, too."""
        told = _Told(send)
        task = asyncio.current_task()
        watch = scope.get("extensions", {}).get(WATCH, {}).get("watch", lambda _: None)
        watch(lambda: told.leave(task))
        try:
            _check(scope, is_member=self._is_member(scope["state"].get("app")))
            await self._pass(scope, receive, told)
        except ApiError as error:
            reply = OllamaErrors().refusal(error)
            await told.start(reply.status, reply.head())
            await told.say(reply.body, more=False)
        except asyncio.CancelledError:
            if not told.has_left:
                raise
        finally:
            watch(None)

    async def _pass(self, scope: Scope, receive: Receive, told: _Told) -> None:
        given: Mapping[bytes, bytes] = scope["state"]["headers"]
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        request = httpx.Request(
            scope["method"],
            f"{self._real.url}{path.partition('?')[0]}",
            headers=[
                *self._real.headers(),
                *((name.decode(), given[name].decode("latin-1")) for name in KEPT & given.keys()),
            ],
            content=_body(receive) if _BODIED & given.keys() else b"",
            extensions={"timeout": TIMEOUTS},
        )
        try:
            answer = await self._transport.handle_async_request(request)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise ApiError(
                502, "the real server cannot be reached", code="upstream_error"
            ) from None
        try:
            kept = [line for line in answer.headers.raw if line[0].lower() in KEPT]
            await told.start(answer.status_code, kept)
            with contextlib.suppress(httpx.HTTPError):
                async for piece in answer.aiter_raw():
                    await told.say(piece)
            await told.say(b"", more=False)
        finally:
            await answer.aclose()


class _Told:
    """What the client is told, and whether it is still there."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_left = False

    def leave(self, task: asyncio.Task[None] | None) -> None:
        self.has_left = True
        if task is not None:
            task.cancel()

    async def start(self, status: int, headers: list[Header]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def say(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise httpx.ReadError("the client has left")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def _check(scope: Scope, *, is_member: bool) -> None:
    """Raises ApiError 403 for pages, for other machines, and for members."""
    if is_member:
        raise ApiError(403, "a member's key changes nothing here", code="not_from_here")
    headers = scope["state"]["headers"]
    address = (scope.get("client") or ("",))[0]
    with contextlib.suppress(ValueError):
        is_page = b"origin" in headers or b"sec-fetch-site" in headers
        if ipaddress.ip_address(address).is_loopback and not is_page:
            return
    raise ApiError(403, "this is only for programs on the machine itself", code="not_from_here")
