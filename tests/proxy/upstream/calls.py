"""One call of a transport and what came of it, in a form that two transports can be compared in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import httpx


class Outcome(NamedTuple):
    status: int
    version: bytes
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def request(
    url: str, method: str = "POST", *, read: float | None = 5.0, **options: Any
) -> httpx.Request:
    """A request with timeouts that no passing test comes near."""
    timeouts = {"connect": 5.0, "read": read, "write": 5.0, "pool": 5.0}
    timeouts |= options.pop("timeouts", {})
    extensions = {"timeout": timeouts} | options.pop("extensions", {})
    if method == "POST":
        options.setdefault("content", b"{}")
    return httpx.Request(method, url, extensions=extensions, **options)


async def fetch(transport: httpx.AsyncBaseTransport, message: httpx.Request) -> Outcome:
    """The whole response."""
    response = await transport.handle_async_request(message)
    try:
        body = b"".join([piece async for piece in response.stream])
    finally:
        await response.aclose()
    return Outcome(
        response.status_code,
        response.extensions["http_version"],
        response.extensions["reason_phrase"],
        response.headers.raw,
        body,
    )


async def outcome(
    transport: httpx.AsyncBaseTransport, message: httpx.Request
) -> Outcome | type[Exception]:
    """The whole response, or the class of what was raised instead."""
    try:
        return await fetch(transport, message)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return type(error)


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds."""
    for _ in range(500_000):  # turns and not seconds: a machine may stand still for some
        if condition():
            return
        await asyncio.sleep(0)
    raise TimeoutError
