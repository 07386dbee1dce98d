"""What a JSON text costs once it is read: three bytes of text can make an object of 230."""

from __future__ import annotations

import re
from typing import Any

MAX_CONTAINERS = 100_000
"""Of a request: all its messages, with their parts and calls, and its schemas have fewer."""
MAX_ANSWER_CONTAINERS = 300_000
"""Probabilities of many tokens are as many."""
MAX_ITEMS = 2_000_000
BYTES_OF_CONTAINER = 240
BYTES_OF_ITEM = 32
FEW = 10_000

_CONTAINERS = frozenset({dict, list})
_STRING = re.compile(rb'"[^"]*"')
_OTHERS = bytes(sorted(frozenset(range(256)) - frozenset(b'"[{,')))


def has_too_many_values(text: bytes | bytearray, *, most: int = MAX_CONTAINERS) -> bool:
    """Whether a text would be far larger, and slow, once it is read."""
    if len(text) <= most:
        return False
    if _containers(text) <= most and text.count(b",") <= MAX_ITEMS:
        return False
    bare = _bare(text)
    return _containers(bare) > most or bare.count(b",") > MAX_ITEMS


def read_bytes(text: bytes) -> int:
    """About how many bytes of memory a JSON text takes when it is read, itself included."""
    bare: bytes | bytearray = text
    if (containers := _containers(text)) > FEW:
        bare = _bare(text)
        containers = _containers(bare)
    return len(text) + containers * BYTES_OF_CONTAINER + bare.count(b",") * BYTES_OF_ITEM


def _containers(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


def _bare(text: bytes | bytearray) -> bytes | bytearray:
    """What begins and parts values, without what stands in strings: told apart without reading."""
    marks = text.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _OTHERS)
    return _STRING.sub(b"", marks.replace(b'""', b""))


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
