"""A large value becomes JSON piece by piece, so that no step of it holds up everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import orjson

from adapters.wire.json_size import BYTES_OF_CONTAINER, BYTES_OF_ITEM
from adapters.wire.pieces import PIECE_BYTES

IN_PIECES: ContextVar[bool] = ContextVar("in_pieces", default=False)
"""Whether what is at work is large, beside others who wait for the interpreter."""
MAX_DEPTH = 254
"""So many objects and lists in one another orjson writes."""
ROW = 4096
"""Values whose kinds are looked at together."""

_NUMBERS = frozenset({int, float})


def dumps(value: Any) -> bytes:
    """What orjson.dumps gives, in steps where what is at work is large.

    Raises orjson.JSONEncodeError.
    """
    return b"".join(written(value)) if IN_PIECES.get() else orjson.dumps(value)


def dumps_text(value: Any, piece_bytes: int = PIECE_BYTES) -> str:
    """The same as text, which a call's arguments are."""
    if not IN_PIECES.get():
        return orjson.dumps(value).decode()
    return "".join(piece.decode() for piece in written(value, piece_bytes))


def weight_of_value(value: Any) -> int:
    """About how many bytes of memory it takes, read off without writing it."""
    return _Writer(PIECE_BYTES).weigh(value, 0)


def written(value: Any, piece_bytes: int = PIECE_BYTES) -> list[bytes]:
    """What orjson.dumps gives, in pieces of about `piece_bytes`, each made in a step of its own.

    Raises orjson.JSONEncodeError.
    """
    writer = _Writer(piece_bytes)
    writer.weigh(value, 0)
    pieces: list[bytes] = []
    few, size = [], 0
    for part in writer.parts(value):
        few.append(part)
        size += len(part)
        if size >= piece_bytes:
            pieces.append(b"".join(few))
            few, size = [], 0
    return [*pieces, b"".join(few)]


class _Writer:
    """Knows what each object and list counts for, and which are nothing but numbers."""

    def __init__(self, piece_bytes: int) -> None:
        self._most = piece_bytes
        self._weights: dict[int, int] = {}
        self._numbers: set[int] = set()

    def weigh(self, value: Any, depth: int) -> int:
        """About how much memory it takes; so much text takes no less time to write."""
        kind = type(value)
        if kind is str:
            return len(value)
        if kind is not dict and kind is not list and kind is not tuple:
            return BYTES_OF_ITEM
        if depth == MAX_DEPTH:
            raise orjson.JSONEncodeError("Recursion limit reached")
        depth += 1
        weight = BYTES_OF_CONTAINER
        if kind is dict:
            for key, item in value.items():
                if type(key) is not str:
                    raise orjson.JSONEncodeError("Dict key must be str")
                weight += len(key) + self.weigh(item, depth)
        elif _NUMBERS.issuperset(map(type, value[:ROW])) and self._are_numbers(value):
            self._numbers.add(id(value))
            weight += len(value) * BYTES_OF_ITEM
        else:
            for item in value:
                weight += self.weigh(item, depth)
        self._weights[id(value)] = weight
        return weight

    def _are_numbers(self, value: Any) -> bool:
        rows = range(ROW, len(value), ROW)
        return all(_NUMBERS.issuperset(map(type, value[at : at + ROW])) for at in rows)

    def parts(self, value: Any) -> Iterator[bytes]:
        """The JSON text of what has been weighed."""
        most = self._most
        if type(value) is str and len(value) > most:
            yield b'"'
            for at in range(0, len(value), most):
                yield orjson.dumps(value[at : at + most])[1:-1]
            yield b'"'
        elif self._of(value) <= most or not value:
            yield orjson.dumps(value)
        elif id(value) in self._numbers:
            mark, many = b"[", most // BYTES_OF_ITEM
            for at in range(0, len(value), many):
                yield mark
                yield orjson.dumps(value[at : at + many])[1:-1]
                mark = b","
            yield b"]"
        else:
            yield from self._inner(value)

    def _inner(self, value: Any) -> Iterator[bytes]:
        """A large object or list: what is small of it together, what is large alone."""
        is_dict = type(value) is dict
        make: Any = dict if is_dict else list
        few: list[Any] = []
        mark, weight = b"{" if is_dict else b"[", 0
        for one in value.items() if is_dict else value:
            more = len(one[0]) + self._of(one[1]) if is_dict else self._of(one)
            if few and weight + more > self._most:
                yield mark + orjson.dumps(make(few))[1:-1]
                mark, few, weight = b",", [], 0
            if more <= self._most:
                few.append(one)
                weight += more
                continue
            yield mark
            mark = b","
            if is_dict:
                yield from self.parts(one[0])
                yield b":"
            yield from self.parts(one[1] if is_dict else one)
        if few:
            yield mark + orjson.dumps(make(few))[1:-1]
        yield b"}" if is_dict else b"]"

    def _of(self, value: Any) -> int:
        return len(value) if type(value) is str else self._weights.get(id(value), BYTES_OF_ITEM)
