"""What Starlette answers where no endpoint does: errors, unknown paths, faults of our own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proxy.doors import speller_of
from proxy.doors.serving.nowhere import LONGEST_PATH, nothing_at
from proxy.errors import UNKNOWN_URL, ApiError, internal_error
from proxy.reply import refused

log = logging.getLogger("pointsman")


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
        return RedirectResponse("/admin", headers={"cache-control": "no-store"})
    message, code = error.detail, None
    if error.status_code == 404:
        code = UNKNOWN_URL
        message = nothing_at(path, [route.path for route in request.app.routes])
    elif error.status_code == 405:
        message = f"{request.method} is not allowed at {path}."
    if error.status_code in (404, 405):  # an app that needs what is not served shows itself here
        log.info("%d %s %s", error.status_code, request.method, path[:LONGEST_PATH])
    response = await api_error(request, ApiError(error.status_code, message, code=code))
    response.headers.update(error.headers or {})
    return response


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
