"""How long a client waits, as far as its headers tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def deadline_s(headers: Mapping[bytes, bytes], longest_s: float) -> float:
    """Seconds for this request: no more than the client itself will wait.

    The SDKs tell their read timeout; a second less lets our error arrive before they hang up.
    """
    told_ms = _number(headers.get(b"x-request-timeout-ms"))
    if told_ms:
        longest_s = min(longest_s, told_ms / 1000)
    read_s = _number(headers.get(b"x-stainless-read-timeout"))
    if read_s:
        longest_s = min(longest_s, read_s - 1 if read_s > 2 else read_s / 2)
    return longest_s


def _number(value: bytes | None) -> float | None:
    """A positive, finite number of a header, or None."""
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
