"""What Starlette answers where no endpoint does: errors, unknown paths, faults of our own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

from proxy.doors import speller_of
from proxy.doors.serving.nowhere import LONGEST_PATH, nothing_at
from proxy.errors import UNKNOWN_URL, ApiError, internal_error
from proxy.reply import refused

log = logging.getLogger("pointsman")
UNSTORED: Mapping[str, str] = {"cache-control": "no-store"}


async def api_error(request: Request, error: Exception) -> Response:
    """A failure that was foreseen, in the words of the protocol that is spoken at the path."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type alone
    state = request.scope["state"]
    speller = speller_of(request.scope["path"], state["headers"])
    reply = refused(speller, error, state["request_id"])
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers)


async def http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    path = request.scope["path"]
    if path == "/" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/admin", headers=UNSTORED)
    message, code = error.detail, None
    if error.status_code == 404:
        if there := _without_slash(request):
            return RedirectResponse(there, headers=UNSTORED)
        code = UNKNOWN_URL
        message = nothing_at(path, [route.path for route in request.app.routes])
    elif error.status_code == 405:
        message = f"{request.method} is not allowed at {path}."
    if error.status_code in (404, 405):  # an app that needs what is not served shows itself here
        log.info("%d %s %s", error.status_code, request.method, path[:LONGEST_PATH])
    response = await api_error(request, ApiError(error.status_code, message, code=code))
    response.headers.update(error.headers or {})
    return response


def _without_slash(request: Request) -> str | None:
    """What is served at the path without the slash at its end, as a path alone.

    Starlette would name the scheme, too, and behind TLS that is not the one that the client sees.
    """
    path = request.scope["path"]
    if not path.endswith("/") or path.startswith("//"):  # which would be another host's
        return None
    scope = {**request.scope, "path": path.rstrip("/")}
    if not path.strip("/") or all(
        route.matches(scope)[0] is Match.NONE for route in request.app.routes
    ):
        return None
    url = URL(scope=scope)
    return f"{url.path}?{url.query}" if url.query else url.path


async def own_error(request: Request, error: Exception) -> Response:
    """A fault of our own, of which the client learns nothing more."""
    log.error("failed inside the proxy at %s", request.scope["path"], exc_info=error)
    response = await api_error(request, internal_error())
    response.headers["connection"] = "close"  # which the server does after an exception
    return response


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: api_error,
    HTTPException: http_error,
    Exception: own_error,
}
