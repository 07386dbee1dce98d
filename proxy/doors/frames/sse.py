"""Server-sent events: the frame around what a door says."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.base import Json
from adapters.wire.writing import dumps
from proxy.reply import Header

HEADERS: Sequence[Header] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store"),
    (b"x-accel-buffering", b"no"),
)

WAITING = b": waiting\n\n"
"""A comment, which every reader of server-sent events passes over."""


def sse(payload: Json) -> bytes:
    return b"data: " + dumps(payload) + b"\n\n"


def named_sse(name: str, payload: Json) -> bytes:
    """The same, of an event that is named."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), dumps(payload))
