"""What all routes of the page have in common: the gate before them, a body in, JSON out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from admin.auth import Gate
from admin.site import HEADERS

MAX_BODY_BYTES = 256 * 1024
"""More than any choice takes; what is larger would be read while everybody waits."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

Endpoint = Callable[[Request], Awaitable[Response]]
Told = dict[str, Any] | orjson.Fragment
Answer = Callable[[Mapping[str, str], bytes], Told | Awaitable[Told]]
"""What is told to who asks this, by the query and the path, with this body."""


def json_route(path: str, gate: Gate, **by_method: Answer) -> Route:
    """A path behind the gate, and what each method of it answers; HEAD gets the head of GET's."""

    async def answer(request: Request) -> Response:
        body = await body_of(request) if request.method in WITH_BODY else b""
        answer = by_method["GET" if request.method == "HEAD" else request.method]
        told = answer({**request.query_params, **request.path_params}, body)
        return json_of(await told if isawaitable(told) else told)

    return Route(path, guarded(answer, gate), methods=[*by_method])


def guarded(endpoint: Endpoint, gate: Gate | None, *, members: bool = False) -> Endpoint:
    """The endpoint behind `gate`; what it could not read to the end needs no answer."""

    async def behind(request: Request) -> Response:
        if gate is not None:
            await gate.check(request, members=members)
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=499)

    return behind


async def body_of(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises 413 above `most` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"The body is larger than {most:,} bytes.")
    return bytes(body)


def json_of(told: Told) -> Response:
    return Response(orjson.dumps(told), headers=HEADERS, media_type="application/json")
