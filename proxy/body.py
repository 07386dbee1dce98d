"""A request's body and id, read off ASGI with every limit held while reading."""

from __future__ import annotations

import secrets

from starlette.types import Receive, Scope

from proxy.errors import ApiError

MAX_BODY_BYTES = 32 * 1024 * 1024


class ClientLeft(Exception):
    """The client closed its connection; nobody is there to be answered."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises ApiError 413 above `MAX_BODY_BYTES`, 415 if encoded; ClientLeft."""
    _check_headers(scope)
    message = await receive()
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        message = await receive()


def _too_large() -> ApiError:
    limit = MAX_BODY_BYTES // 2**20
    return ApiError(
        413, f"The body is larger than {limit} MiB.", code="request_too_large", close=True
    )


def _check_headers(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise _too_large()
        if name == b"content-encoding" and value.lower() != b"identity":
            raise ApiError(415, "The body must not be compressed.", code="unsupported_encoding")


def request_id(scope: Scope) -> bytes:
    """The client's `x-request-id` if it is a plain word, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= 128 and value.isascii():
            text = value.decode("ascii")
            if text.isprintable() and " " not in text:
                return bytes(value)
    return b"req_" + secrets.token_hex(12).encode()
