"""Rows of JSON values, and the frames that streams of them come in: events, or one array."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from proxy.doors.frames.sse import HEADERS
from proxy.reply import Header


class Frame(Struct, frozen=True):
    """What stands before the first value of a row, before each other one, and behind each.

    `end` is the end of a row, `nothing` a row without any value.
    """

    headers: Sequence[Header]
    first: bytes
    next: bytes
    after: bytes = b""
    end: bytes = b""
    nothing: bytes = b""


EVENTS = Frame(HEADERS, b"data: ", b"data: ", b"\r\n\r\n")
"""Server-sent events, their lines ended as the standard's first reading has it."""

ARRAY = Frame(
    ((b"content-type", b"application/json; charset=UTF-8"), *HEADERS[1:]),
    *(b"[", b",\r\n", b"", b"]", b"[]"),
)
