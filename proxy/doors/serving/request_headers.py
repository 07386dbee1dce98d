"""What the headers of a request say to this server, beside what they say to whom it asks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Headers = Mapping[bytes, bytes]

FALLBACK = b"x-pointsman-fallback"
# The SDKs tell their read timeout; a second less lets our error arrive before they hang up.
TIMEOUTS: Mapping[bytes, Callable[[float], float]] = {
    b"x-request-timeout-ms": lambda told: told / 1000,
    b"x-server-timeout": lambda told: told,
    b"x-stainless-read-timeout": lambda told: told - 1 if told > 2 else told / 2,
}


def deadline_of(headers: Headers, longest_s: float) -> float:
    """Seconds for this request: no more than the client itself will wait."""
    for name, seconds in TIMEOUTS.items():
        if name in headers and (told := _number(headers[name])):
            told = seconds(told)
            longest_s = told if told < longest_s else longest_s
    return longest_s


def fallback_of(headers: Headers, own: Any) -> bool | None:
    """Whether the request itself says if others may answer it: by header, or in its body."""
    word: object = headers[FALLBACK].decode("latin-1") if FALLBACK in headers else None
    match own:
        case {"fallback": said}:
            word = word or said
    return {"off": False, "on": True, False: False, True: True}.get(word)


def _number(value: bytes) -> float | None:
    """A positive, finite number of a header, or None."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
