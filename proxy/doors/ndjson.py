"""Lines of JSON: the frame around what a door says. No line is ever empty."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from adapters.base import Json
from proxy.reply import Header

HEADERS: Sequence[Header] = (
    (b"content-type", b"application/x-ndjson"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


def line(payload: Json) -> bytes:
    """One line that holds `payload`."""
    return orjson.dumps(payload, option=orjson.OPT_APPEND_NEWLINE)
