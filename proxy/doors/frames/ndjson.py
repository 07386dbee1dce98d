"""Lines of JSON: the frame around what a door says. No line is ever empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from adapters.base import Json
from adapters.wire.writing import IN_PIECES, written
from proxy.reply import Header

HEADERS: Sequence[Header] = (
    (b"content-type", b"application/x-ndjson"),
    (b"cache-control", b"no-cache, no-store"),
    (b"x-accel-buffering", b"no"),
)


_BREAKS: Mapping[bytes, bytes] = {
    "\x85".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}
"""What some readers end a line at, in JSON's own words for it."""


def line(payload: Json) -> bytes:
    if IN_PIECES.get():
        return b"".join([*map(unbroken, written(payload)), b"\n"])
    return unbroken(orjson.dumps(payload)) + b"\n"


def unbroken(data: bytes) -> bytes:
    """JSON that is one line to everybody."""
    if data.isascii():
        return data
    for mark, words in _BREAKS.items():
        data = data.replace(mark, words)
    return data
