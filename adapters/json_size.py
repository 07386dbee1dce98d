"""What a JSON text costs once it is read: three bytes of text can make an object of 230."""

from __future__ import annotations

from typing import Any

MAX_CONTAINERS = 300_000
MAX_ITEMS = 2_000_000
BYTES_OF_CONTAINER = 240
BYTES_OF_ITEM = 32

_CONTAINERS = frozenset({dict, list})


def has_too_many_values(text: bytes | bytearray, *, most: int = MAX_CONTAINERS) -> bool:
    """Whether a text would be far larger, and slow, once it is read.

    What stands in strings counts as well: telling it apart would mean to read it.
    """
    if len(text) <= most:
        return False
    return _containers(text) > most or text.count(b",") > MAX_ITEMS


def read_bytes(text: bytes) -> int:
    """About how many bytes of memory a JSON text takes when it is read, itself included."""
    items = text.count(b",") * BYTES_OF_ITEM
    return len(text) + _containers(text) * BYTES_OF_CONTAINER + items


def _containers(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


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
