"""How much memory a JSON text may turn into: three bytes of text can make an object of 230."""

from __future__ import annotations

SMALL_BYTES = 1024 * 1024
MAX_CONTAINERS = 300_000
MAX_ITEMS = 2_000_000


def has_too_many_values(text: bytes | bytearray) -> bool:
    """Whether a text that is not small would be far larger, and slow, once it is read.

    What stands in strings counts as well: telling it apart would mean to read it.
    """
    if len(text) <= SMALL_BYTES:
        return False
    return text.count(b"[") + text.count(b"{") > MAX_CONTAINERS or text.count(b",") > MAX_ITEMS
