"""The admin page, its API, and `/api/user/preferences`: HTTP in, HTTP out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.auth import WRONG, Gate
from admin.site import HEADERS, LOGIN_ASSETS, asset, page

MAX_BODY_BYTES = 256 * 1024
"""More than any choice takes; what is larger would be read while everybody waits."""
MAX_LOGIN_BYTES = 4096
"""Of those that have not shown yet who they are."""
OWN_PATHS = ("/", "/admin", "/api/user/preferences", "/metrics")
"""The paths that this package guards by itself, by the admin token instead of a client's key."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Console(Protocol):
    """What the routes show and do. Failures are exceptions that the application answers."""

    def status(self) -> bytes: ...
    def events(self) -> AsyncGenerator[bytes, None]: ...
    async def preference(self, app: str | None) -> dict[str, Any]: ...
    async def change(self, app: str | None, body: bytes) -> dict[str, Any]: ...
    async def forget(self, app: str | None) -> dict[str, Any]: ...
    async def test(self, body: bytes) -> dict[str, Any]: ...
    async def again(self, body: bytes) -> dict[str, Any]: ...
    async def judge(self, body: bytes) -> dict[str, Any]: ...
    async def explain(
        self, app: str | None, door: str, state: Mapping[str, Any], receive: Receive
    ) -> dict[str, Any]: ...


def admin_routes(console: Console, gate: Gate, chat: ASGIApp) -> list[Route]:
    """All routes. `chat` answers the page's playground, which has no client's key to show."""
    site, api = _Site(gate), _Api(console, gate)
    return [
        Route("/admin", site.page),
        Route("/admin/assets/{name}", site.asset),
        Route("/admin/api/login", answering(site.log_in), methods=["POST"]),
        Route("/admin/api/logout", answering(site.log_out, gate, members=True), methods=["POST"]),
        Route("/admin/api/chat", _GuardedApp(chat, gate), methods=["POST"]),
        *(
            Route(path, answering(endpoint, gate), methods=methods)
            for path, methods, endpoint in (
                ("/api/user/preferences", ["GET", "PUT", "DELETE"], api.preferences),
                ("/admin/api/status", ["GET"], api.status),
                ("/admin/api/events", ["GET"], api.events),
                ("/admin/api/test", ["POST"], api.test),
                ("/admin/api/again", ["POST"], api.again),
                ("/admin/api/verdict", ["POST"], api.judge),
                ("/admin/api/explain", ["POST"], api.explain),
            )
        ),
    ]


class _Site:
    """What is sent before anyone has shown who they are."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def page(self, request: Request) -> Response:
        who = await self._gate.who(request)
        if who is None:
            return page("login.html", status=401)
        return page("index.html" if who.is_owner else "member.html")

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in LOGIN_ASSETS and await self._gate.who(request) is None:
            raise HTTPException(401, WRONG)
        return asset(name)

    async def log_in(self, request: Request) -> Response:
        response = json_of({"ok": True})
        token = _token(await body_of(request, MAX_LOGIN_BYTES))
        if not await self._gate.log_in(token, request, response):
            raise HTTPException(401, WRONG)
        return response

    async def log_out(self, request: Request) -> Response:
        response = json_of({"ok": True})
        await self._gate.log_out(request, response)
        return response


class _Api:
    def __init__(self, console: Console, gate: Gate) -> None:
        self._console = console
        self._gate = gate

    async def preferences(self, request: Request) -> Response:
        app = request.query_params.get("app")
        match request.method:
            case "PUT":
                return json_of(await self._console.change(app, await body_of(request)))
            case "DELETE":
                return json_of(await self._console.forget(app))
        return json_of(await self._console.preference(app))

    async def status(self, _request: Request) -> Response:
        return Response(self._console.status(), headers=HEADERS, media_type="application/json")

    async def events(self, request: Request) -> Response:
        if request.method == "HEAD":  # the head of an answer whose body never ends
            return Response(headers=HEADERS, media_type="text/event-stream")
        feed = self._while_admitted(request)
        return StreamingResponse(feed, headers=HEADERS, media_type="text/event-stream")

    async def _while_admitted(self, request: Request) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._console.events()) as events:
            async for event in events:
                if not self._gate.still_admits(request):
                    return
                yield event

    async def test(self, request: Request) -> Response:
        return json_of(await self._console.test(await body_of(request)))

    async def again(self, request: Request) -> Response:
        return json_of(await self._console.again(await body_of(request)))

    async def judge(self, request: Request) -> Response:
        return json_of(await self._console.judge(await body_of(request)))

    async def explain(self, request: Request) -> Response:
        app = request.query_params.get("app")
        door = request.query_params.get("door", "chat")
        state = request.scope["state"]
        return json_of(await self._console.explain(app, door, state, request.receive))


def answering(endpoint: Endpoint, gate: Gate | None = None, *, members: bool = False) -> Endpoint:
    """The endpoint behind `gate`; what it could not read to the end needs no answer."""

    async def guarded(request: Request) -> Response:
        if gate is not None:
            await gate.check(request, members=members)
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)

    return guarded


class _GuardedApp:
    """An ASGI application behind the gate."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate.check(Request(scope))
        await self._app(scope, receive, send)


async def body_of(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises 413 above `most` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"The body is larger than {most:,} bytes.")
    return bytes(body)


def _token(body: bytes) -> str:
    try:
        token = orjson.loads(body)["token"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) else ""


def json_of(value: dict[str, Any]) -> Response:
    """The answer that holds `value`."""
    return Response(orjson.dumps(value), headers=HEADERS, media_type="application/json")
