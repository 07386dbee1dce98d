"""The admin page, its API, `/api/user/preferences` and `/metrics`: HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from importlib import import_module

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.answering import body_of, guarded, json_of, json_route
from admin.auth import WRONG, Gate
from admin.site import HEADERS, LOGIN_ASSETS, asset, page
from proxy.console.console import Console
from proxy.console.kept import Kept
from proxy.console.ledger import Ledger
from proxy.console.stock import Stock
from proxy.console.team import Team

MAX_LOGIN_BYTES = 4096
"""Of those that have not shown yet who they are."""
OWN_PATHS = ("/", "/admin", "/api/user/preferences", "/metrics")
"""The paths that this package guards by itself, by the admin token instead of a client's key."""
METRICS_LIBRARY = "prometheus_client"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def site_routes(gate: Gate, chat: ASGIApp) -> list[Route]:
    """The page; `chat` answers its playground, which has no client's key to show."""
    site = _Site(gate)
    return [
        Route("/admin", site.page),
        Route("/admin/assets/{name}", site.asset),
        Route("/admin/api/login", guarded(site.log_in, None), methods=["POST"]),
        Route("/admin/api/logout", guarded(site.log_out, gate, members=True), methods=["POST"]),
        Route("/admin/api/chat", _GuardedApp(chat, gate), methods=["POST"]),
    ]


def console_routes(console: Console, gate: Gate) -> list[Route]:
    """What is so at the moment, and what may be chosen."""

    async def events(request: Request) -> Response:
        if request.method == "HEAD":  # the head of an answer whose body never ends
            return Response(headers=HEADERS, media_type="text/event-stream")
        feed = _while_admitted(console, gate, request)
        return StreamingResponse(feed, headers=HEADERS, media_type="text/event-stream")

    async def explain(request: Request) -> Response:
        query, state = request.query_params, request.scope["state"]
        door = query.get("door", "chat")
        return json_of(await console.explain(query.get("app"), door, state, request.receive))

    return [
        json_route(
            "/api/user/preferences",
            gate,
            GET=lambda asked, _: console.preference(asked.get("app")),
            PUT=lambda asked, body: console.change(asked.get("app"), body),
            DELETE=lambda asked, _: console.forget(asked.get("app")),
        ),
        json_route("/admin/api/status", gate, GET=lambda *_: orjson.Fragment(console.status())),
        Route("/admin/api/events", guarded(events, gate)),
        json_route("/admin/api/test", gate, POST=lambda _, body: console.test(body)),
        json_route("/admin/api/again", gate, POST=lambda _, body: console.again(body)),
        json_route("/admin/api/verdict", gate, POST=lambda _, body: console.judge(body)),
        Route("/admin/api/explain", guarded(explain, gate), methods=["POST"]),
    ]


def usage_routes(ledger: Ledger, metrics: Callable[[], bytes], gate: Gate) -> list[Route]:
    """Sums, the request log, receipts, exports, and Prometheus' metrics."""

    async def in_csv(request: Request) -> Response:
        pieces = await ledger.export(request.query_params, as_csv=True)
        return _file(pieces, "text/csv; charset=utf-8", "requests.csv")

    async def in_json(request: Request) -> Response:
        pieces = await ledger.export(request.query_params, as_csv=False)
        return _file(pieces, "application/json", "requests.json")

    async def told_prometheus(_request: Request) -> Response:
        await asyncio.to_thread(import_module, METRICS_LIBRARY)  # the first time it takes too long
        return Response(metrics(), headers={**HEADERS, "content-type": METRICS_TYPE})

    return [
        json_route("/admin/api/usage", gate, GET=lambda asked, _: ledger.usage(asked)),
        json_route("/admin/api/arms", gate, GET=lambda asked, _: ledger.arms(asked)),
        json_route("/admin/api/requests", gate, GET=lambda asked, _: ledger.requests(asked)),
        Route("/admin/api/requests.csv", guarded(in_csv, gate)),
        Route("/admin/api/requests.json", guarded(in_json, gate)),
        json_route(
            "/admin/api/requests/{id:path}", gate, GET=lambda asked, _: ledger.request(asked["id"])
        ),
        Route("/metrics", guarded(told_prometheus, gate)),
    ]


def key_routes(team: Team, gate: Gate) -> list[Route]:
    """All keys that the owner has made, and one's own."""

    async def own(request: Request) -> Response:
        who = await gate.who(request)
        return json_of(await team.own(who.name if who else None))

    return [
        json_route(
            "/admin/api/keys",
            gate,
            GET=lambda *_: team.every(),
            POST=lambda _, body: team.make(body),
            PATCH=lambda asked, body: team.change(asked.get("name"), body),
            DELETE=lambda asked, _: team.revoke(asked.get("name")),
        ),
        Route("/admin/api/me", guarded(own, gate, members=True)),
    ]


def kept_routes(kept: Kept, *, responses: Stock, cache: Stock, gate: Gate) -> list[Route]:
    """Whether talks are kept, and each of them; how much else is kept."""

    def counted(path: str, stock: Stock) -> Route:
        return json_route(
            path, gate, GET=lambda *_: stock.state(), DELETE=lambda *_: stock.forget()
        )

    return [
        counted("/admin/api/responses", responses),
        counted("/admin/api/cache", cache),
        json_route(
            "/admin/api/kept",
            gate,
            GET=lambda *_: kept.state(),
            PUT=lambda _, body: kept.keep(body),
            DELETE=lambda *_: kept.forget(),
        ),
        json_route("/admin/api/kept/{id:path}", gate, GET=lambda asked, _: kept.said(asked["id"])),
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


class _GuardedApp:
    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate.check(Request(scope))
        await self._app(scope, receive, send)


async def _while_admitted(
    console: Console, gate: Gate, request: Request
) -> AsyncGenerator[bytes, None]:
    async with aclosing(console.events()) as events:
        async for event in events:
            if not gate.still_admits(request):
                return
            yield event


def _token(body: bytes) -> str:
    try:
        token = orjson.loads(body)["token"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) else ""


def _file(pieces: AsyncGenerator[bytes, None], media_type: str, name: str) -> Response:
    headers = {**HEADERS, "content-disposition": f'attachment; filename="pointsman-{name}"'}
    return StreamingResponse(pieces, headers=headers, media_type=media_type)
