"""What a JSON text costs once it is read: three bytes of text can make an object of 230."""

from __future__ import annotations

from typing import Any

from adapters.wire.pieces import sliced

MAX_CONTAINERS = 100_000
"""Of a request: all its messages, with their parts and calls, and its schemas have fewer."""
MAX_ANSWER_CONTAINERS = 150_000
"""Probabilities of many tokens are as many."""
KEYS_OF_CONTAINER = 2
"""How many keys there may be, by how many containers: no two alike, they are slow to read."""
MAX_ITEMS = 500_000
MAX_ANSWER_ITEMS = 2_000_000
"""Vectors are lists of very many numbers."""
BYTES_OF_CONTAINER = 240
BYTES_OF_ITEM = 32
FEW = 10_000

_CONTAINERS = frozenset({dict, list})
_MARKS = frozenset(b"[{,:")
_NO_MARKS = bytes(sorted(frozenset(range(256)) - _MARKS))
_OTHERS = bytes(sorted(frozenset(range(256)) - _MARKS - frozenset(b'"')))
_SLICE = 256 * 1024


class Values:
    """Counts the values of a JSON text as it comes, without reading it.

    What stands in strings is no value: a pasted JSON file is one text.
    """

    __slots__ = ("_in_string", "_is_escaped", "containers", "items", "keys")

    def __init__(self) -> None:
        self.containers = self.items = self.keys = 0
        self._in_string = self._is_escaped = False

    def feed(self, piece: bytes | bytearray) -> None:
        """Count what comes next of the text."""
        if not piece:
            return
        if self._is_escaped:
            piece = piece[1:]
        end = piece[-64:]
        run = len(end) - len(end.rstrip(b"\\"))
        if run == 64:  # as no text has them
            run = len(piece) - len(piece.rstrip(b"\\"))
        self._is_escaped = run % 2 == 1
        if self._is_escaped:
            piece = piece[:-1]
        if self._in_string and b'"' not in piece:  # most of a picture: found at memory's speed
            return
        marks = piece.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _OTHERS)
        if self._in_string:
            marks = b'"' + marks
        parts = marks.replace(b'""', b"").split(b'"')  # by turns what is bare and what is a string
        self._in_string = len(parts) % 2 == 0
        bare = b"".join(parts[::2])
        self.containers += bare.count(b"[") + bare.count(b"{")
        self.items += bare.count(b",")
        self.keys += bare.count(b":")

    def are_more_than(self, most: int, items: int = MAX_ITEMS) -> bool:
        """Whether there are more containers than that, or as much else."""
        return self.weight > most or self.items > items

    @property
    def weight(self) -> int:
        """How many containers take as long to read."""
        return max(self.containers, -(-self.keys // KEYS_OF_CONTAINER))

    @property
    def load(self) -> int:
        """The same, of its other values too: a request has no more than `MAX_CONTAINERS`."""
        return max(self.weight, -(-self.items * MAX_CONTAINERS // MAX_ITEMS))

    @property
    def bytes(self) -> int:
        """About how much memory they take when they are read, beside the text."""
        return self.containers * BYTES_OF_CONTAINER + self.items * BYTES_OF_ITEM


def values_of(text: bytes | bytearray) -> Values:
    """What a whole text holds."""
    values = Values()
    for piece in sliced(text, _SLICE):  # what each step makes of a slice is let go of again
        values.feed(piece)
    return values


def has_too_many_values(
    text: bytes | bytearray, *, most: int = MAX_CONTAINERS, items: int = MAX_ITEMS
) -> bool:
    """Whether a text would be far larger, and slow, once it is read."""
    if len(text) <= most:
        return False
    marks = _marks(text)
    is_bare = marks.count(b",") <= items and marks.count(b":") <= KEYS_OF_CONTAINER * most
    if is_bare and _containers(marks) <= most:
        return False
    return values_of(text).are_more_than(most, items)


def read_bytes(text: bytes | bytearray) -> int:
    """About how many bytes of memory a JSON text takes when it is read, itself included."""
    marks = _marks(text)
    if (containers := _containers(marks)) > FEW:
        return len(text) + values_of(text).bytes
    return len(text) + containers * BYTES_OF_CONTAINER + marks.count(b",") * BYTES_OF_ITEM


def _marks(text: bytes | bytearray) -> bytes | bytearray:
    """What begins and parts values, and what looks like it in strings.

    Counting one kind of byte takes as long as to leave out all that are none of them. In slices,
    or 30 MB would keep everybody waiting.
    """
    if len(text) <= _SLICE:
        return text.translate(None, _NO_MARKS)
    return b"".join(piece.translate(None, _NO_MARKS) for piece in sliced(text, _SLICE))


def _containers(marks: bytes | bytearray) -> int:
    return marks.count(b"[") + marks.count(b"{")


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
