"""What was said, while the owner wants it kept: HTTP in, HTTP out."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from admin.auth import Gate
from admin.routes import answering, body_of, json_of


class Kept(Protocol):
    """What the routes show and do. Failures are exceptions that the application answers."""

    def state(self) -> dict[str, Any]: ...
    def keep(self, body: bytes) -> dict[str, Any]: ...
    def forget(self) -> dict[str, Any]: ...
    def said(self, request_id: str) -> dict[str, Any]: ...


class ForClients(Protocol):
    """The same of what clients may go on from, or get again."""

    async def state(self) -> dict[str, Any]: ...
    async def forget(self) -> dict[str, Any]: ...


def kept_routes(kept: Kept, *, responses: ForClients, cache: ForClients, gate: Gate) -> list[Route]:
    """Whether talks are kept, and each of them; how much else is; behind `gate`."""

    async def switch(request: Request) -> Response:
        match request.method:
            case "PUT":
                return json_of(kept.keep(await body_of(request)))
            case "DELETE":
                return json_of(kept.forget())
        return json_of(kept.state())

    async def said(request: Request) -> Response:
        return json_of(kept.said(request.path_params["id"]))

    def counted(path: str, these: ForClients) -> Route:
        async def answer(request: Request) -> Response:
            is_over = request.method == "DELETE"
            return json_of(await (these.forget() if is_over else these.state()))

        return Route(path, answering(answer, gate), methods=["GET", "DELETE"])

    methods = ["GET", "PUT", "DELETE"]
    return [
        counted("/admin/api/responses", responses),
        counted("/admin/api/cache", cache),
        Route("/admin/api/kept", answering(switch, gate), methods=methods),
        Route("/admin/api/kept/{id:path}", answering(said, gate)),
    ]
