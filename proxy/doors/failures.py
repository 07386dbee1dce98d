"""What Starlette answers where no endpoint does: errors, unknown paths, faults of our own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from proxy.doors.chat.write import error_object
from proxy.errors import ApiError, internal_error

log = logging.getLogger("pointsman")


async def api_error(_request: Request, error: Exception) -> Response:
    """A failure that was foreseen."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this type alone
    headers = {name.decode(): value.decode() for name, value in error.headers()}
    return Response(
        orjson.dumps(error_object(error)), error.status, headers, media_type="application/json"
    )


async def http_error(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    path = request.scope["path"]
    message = {
        404: f"There is nothing at {path}. The base URL ends in /v1.",
        405: f"{request.method} is not allowed at {path}.",
    }.get(error.status_code, error.detail)
    response = await api_error(request, ApiError(error.status_code, message))
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
