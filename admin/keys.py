"""The keys that the owner makes for others: HTTP in, HTTP out."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from admin.auth import Gate
from admin.routes import answering, body_of, json_of


class Team(Protocol):
    """What the routes show and do. Failures are exceptions that the application answers."""

    async def every(self) -> dict[str, Any]: ...
    async def make(self, body: bytes) -> dict[str, Any]: ...
    async def change(self, name: str | None, body: bytes) -> dict[str, Any]: ...
    async def own(self, name: str | None) -> dict[str, Any]: ...
    async def revoke(self, name: str | None) -> dict[str, Any]: ...


def key_routes(team: Team, gate: Gate) -> list[Route]:
    """Look at all keys, make, change, revoke one; look at one's own. All behind `gate`."""

    async def keys(request: Request) -> Response:
        match request.method:
            case "POST":
                return json_of(await team.make(await body_of(request)))
            case "PATCH":
                changed = await body_of(request)
                return json_of(await team.change(request.query_params.get("name"), changed))
            case "DELETE":
                return json_of(await team.revoke(request.query_params.get("name")))
        return json_of(await team.every())

    async def own(request: Request) -> Response:
        who = await gate.who(request)
        return json_of(await team.own(who.name if who else None))

    methods = ["GET", "POST", "PATCH", "DELETE"]
    return [
        Route("/admin/api/keys", answering(keys, gate), methods=methods),
        Route("/admin/api/me", answering(own, gate, members=True)),
    ]
