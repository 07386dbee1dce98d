"""A request as the bytes of HTTP/1.1. Pure; refuses what a server could read in two ways."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from adapters.upstream import Content

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TARGET = bytes([*range(0x21, 0x7F), *range(0x80, 0x100)])
_FIELD_VALUE = bytes([0x09, 0x20]) + _TARGET
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})


class Outgoing(NamedTuple):
    """The head with its blank line, and the body, which is None where it comes from the stream.

    `length` is what content-length promises, None where the body goes out in chunks; `close`
    tells that the request asks for the connection to end with it, `is_head` that no body answers.
    """

    head: bytes
    body: Content | None
    length: int | None
    close: bool = False
    is_head: bool = False


class _Framing(NamedTuple):
    length: int | None
    chunked: bool
    close: bool


def encode(request: httpx.Request) -> Outgoing:
    """The bytes of `request`. Raises httpx.LocalProtocolError for one that must not be sent."""
    try:
        return _encode(request)
    except _RefusedError as error:
        raise httpx.LocalProtocolError(str(error), request=request) from None


def prefix(request: httpx.Request) -> bytes:
    """The head of `request`, which has no body, up to the number that is its content-length."""
    return encode(request).head.removesuffix(b"0\r\n\r\n")


def posted(prefix: bytes, body: Content, passed: bytes = b"") -> Outgoing:
    """A request made of what `prefix` gave, of its body, and of one more header, if any."""
    size = len(body) if isinstance(body, bytes) else sum(map(len, body))
    return Outgoing(b"%b%d\r\n%b\r\n" % (prefix, size, passed), body, size)


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; empty data is the body's end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class _RefusedError(ValueError):
    """What is wrong with the request."""


def _encode(request: httpx.Request) -> Outgoing:
    headers = request.headers.raw
    framing = _framing(headers)
    head = _head(request, headers)
    is_head = request.method == "HEAD"
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise TypeError("the body of the request is not an async stream")
    if not isinstance(request.stream, httpx.ByteStream):
        if framing.length is None and not framing.chunked:
            raise _RefusedError("a streamed body needs content-length or transfer-encoding")
        return Outgoing(head, None, framing.length, framing.close, is_head)
    body = b"".join(request.stream)
    if framing.chunked:
        body = chunk(body) + chunk(b"") if body else chunk(b"")
    elif len(body) != (framing.length or 0):
        raise _RefusedError(f"content-length is {framing.length}, the body has {len(body)} bytes")
    return Outgoing(head, body, framing.length, framing.close, is_head)


def _head(request: httpx.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    # `translate` with deletion leaves what is not allowed: one pass in C over all names, one over
    # all values, an eighth of what a regular expression a header costs.
    names = [name for name, _ in headers]
    if b"".join(names).translate(None, _TOKEN) or b"" in names:
        raise _RefusedError("a header name holds a character that is not allowed there")
    if b"".join([value for _, value in headers]).translate(None, _FIELD_VALUE):
        raise _RefusedError("a header value holds a control character")
    method = request.method.encode("utf-8")
    if not method or method.translate(None, _TOKEN) or method == b"CONNECT":
        raise _RefusedError(f"the method {request.method!r} cannot be sent")
    target = request.extensions.get("target") or request.url.raw_path
    if target.translate(None, _TARGET):
        raise _RefusedError("the request target holds a character that is not allowed there")
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, b"".join(lines))


def _framing(headers: list[tuple[bytes, bytes]]) -> _Framing:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in _FRAMING:
            continue
        if found.setdefault(lower, value) is not value:
            raise _RefusedError(f"more than one {lower.decode()} header")
    if b"host" not in found:
        raise _RefusedError("no host header")
    length = found.get(b"content-length")
    coding = found.get(b"transfer-encoding")
    if length is not None and (coding is not None or not length.isdigit()):
        raise _RefusedError("content-length is not a number or stands beside transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise _RefusedError("the only transfer-encoding is chunked")
    return _Framing(
        length=None if length is None else int(length),
        chunked=coding is not None,
        close=b"close" in found.get(b"connection", b"").lower(),
    )
