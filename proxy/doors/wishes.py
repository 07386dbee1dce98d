"""What the headers of a request say to this server, beside what they say to whom it asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Headers = Mapping[bytes, bytes]


def deadline_of(headers: Headers, longest_s: float) -> float:
    """Seconds for this request: no more than the client itself will wait.

    The SDKs tell their read timeout; a second less lets our error arrive before they hang up.
    """
    told_ms = _number(headers.get(b"x-request-timeout-ms"))
    if told_ms:
        longest_s = min(longest_s, told_ms / 1000)
    longest_s = min(longest_s, _number(headers.get(b"x-server-timeout")) or longest_s)
    read_s = _number(headers.get(b"x-stainless-read-timeout"))
    if read_s:
        longest_s = min(longest_s, read_s - 1 if read_s > 2 else read_s / 2)
    return longest_s


def fallback_of(headers: Headers, own: Any) -> bool | None:
    """Whether the request itself says if others may answer it: by header, or in its body."""
    word: object = headers.get(b"x-pointsman-fallback", b"").decode("latin-1")
    match own:
        case {"fallback": said}:
            word = word or said
    return {"off": False, "on": True, False: False, True: True}.get(word)


def _number(value: bytes | None) -> float | None:
    """A positive, finite number of a header, or None."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
