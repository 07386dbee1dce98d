"""What a JSON text costs once it is read: three bytes of text can make an object of 230."""

from __future__ import annotations

from typing import Any

SMALL_BYTES = 1024 * 1024
MAX_CONTAINERS = 300_000
MAX_ITEMS = 2_000_000
_CONTAINERS = frozenset({dict, list})


def has_too_many_values(text: bytes | bytearray) -> bool:
    """Whether a text that is not small would be far larger, and slow, once it is read.

    What stands in strings counts as well: telling it apart would mean to read it.
    """
    if len(text) <= SMALL_BYTES:
        return False
    return text.count(b"[") + text.count(b"{") > MAX_CONTAINERS or text.count(b",") > MAX_ITEMS


def is_deeper_than(levels: int, value: object) -> bool:
    """Whether objects and lists stand in one another more than `levels` deep in what was read."""
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(levels):
        level = [
            inner
            for container in level
            for inner in (container.values() if type(container) is dict else container)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return False
    return bool(level)
