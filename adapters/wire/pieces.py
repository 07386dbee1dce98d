"""A large JSON text is read piece by piece, so that no step of it holds up everybody else.

Whether a text is JSON, and what it means, says orjson alone: `[a, b]` is good where `[a]` and `[b]`
are. So the pattern here has but to find commas between items: whatever else it lets pass is refused
with its piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import orjson

Whole = TypeVar("Whole", str, bytes, bytes | bytearray)
PIECE_BYTES = 64 * 1024
"""Read in one step: 2 ms where it is nothing but empty objects, 0.1 ms where it is text."""
LEVELS = 8
"""So many are read together with what holds them; into what is deeper the reader goes."""

MAX_DEPTH = 1024 - LEVELS
"""So many objects and lists in one another are gone into: orjson reads 1024."""
FLAT = 32
"""In fewer objects and lists what may be a long list of what is alike is tried as one."""
LUCK = 3
"""Where that fails so many times in a row it is not tried any more."""

JOINED = 16
"""Pieces of a text that are put to it together."""

_DIGITS = tuple(b"-0123456789"[at : at + 1] for at in range(11))
_STRING = rb'"[^"]*+"'
_INNER = rb"(?:[^\"\[\]{}]++|%b)*+" % _STRING
for _ in range(LEVELS - 1):
    _INNER = rb"(?:[^\"\[\]{}]++|%b|[\[{]%b[\]}])*+" % (_STRING, _INNER)
_ITEM = rb"(?:[^\"\[\]{},]++|%b|[\[{]%b[\]}])*+" % (_STRING, _INNER)
_RUN: Any = re.compile(rb"(?:%b,)*+(?:%b[\]}])?+" % (_ITEM, _ITEM))
"""All items, or members, that are whole: each with its comma, and the end where that is there."""
_LAST: Mapping[bytes, bytes] = {
    b"{": b"},",
    b"[": b"],",
    b'"': b'",',
    **dict.fromkeys(_DIGITS, b","),
}
"""How an item ends that begins so, where another comes behind it."""
_SPACE: Any = re.compile(rb"[ \t\n\r]*+")
_WORD: Any = re.compile(rb"[^\s\"\[\]{},:]*+")
_HIGH = re.compile(rb"\\u[dD][89abAB]..", re.DOTALL)
"""The first of two escapes that are one character."""
_ENDS: Mapping[Any, bytes] = {dict: b"}", list: b"]"}
_BEGINS: Mapping[Any, bytes] = {dict: b"{", list: b"["}


def loads(text: str | bytes | bytearray, piece_bytes: int = PIECE_BYTES) -> Any:
    """What orjson.loads gives; of a large text in steps of at most `piece_bytes` (32 or more).

    Raises orjson.JSONDecodeError; also for a number as long as that, and a few levels sooner.
    """
    if len(text) <= 2 * piece_bytes:
        return orjson.loads(text)
    if isinstance(text, str):
        slices = sliced(text, piece_bytes)
        text = b"".join([each.encode("utf-8", "surrogatepass") for each in slices])
    return _Reader(text, piece_bytes).read()


def sliced(whole: Whole, size: int = PIECE_BYTES) -> Iterator[Whole]:
    """All of it, in slices of `size` bytes or characters; the last may be shorter."""
    for at in range(0, len(whole), size):
        yield whole[at : at + size]


class _Reader:
    """Goes through a text once, up to `_at`; `_open` is what it is in, the innermost last."""

    def __init__(self, text: bytes | bytearray, piece_bytes: int) -> None:
        self._text: Any = text
        self._most = piece_bytes
        self._at = 0
        self._open: list[Any] = []
        self._luck = LUCK
        self._is_first = True  # nothing stands before it in what was opened last
        self._from = 0  # where `_seen` begins
        self._seen: Any = b""

    def read(self) -> Any:
        self._skip_space()
        value = self._value()
        while self._open:
            if not self._take_many():
                self._take_one()
        self._skip_space()
        if self._at < len(self._text):
            raise _refused("unexpected content after document")
        return value

    def _take_many(self) -> bool:
        """Take all that is whole of what comes next; whether that was anything."""
        inside = self._open[-1]
        self._skip_space()
        if type(inside) is list and self._luck and len(self._open) < FLAT and self._take_alike():
            return True
        begin = self._look(self._at)
        end = _RUN.match(self._seen, begin, begin + self._most).end()
        if end == begin:
            return False
        is_end = self._seen[end - 1 : end] != b","
        run = self._text[self._at : self._from + end - (not is_end)]
        closer = b"" if is_end else _ENDS[type(inside)]
        items = orjson.loads(b"%b%b%b" % (_BEGINS[type(inside)], run, closer))
        if not items and not (is_end and self._is_first):
            raise _refused("unexpected character")  # a comma with nothing before or behind it
        self._add(items)
        self._at = self._from + end
        if is_end:
            self._open.pop()
            self._go_on()
        return True

    def _take_alike(self) -> bool:
        """Take items as far as one of their kind may end: so it is in a long list of what is alike.

        It may also be in a text, or deeper: then orjson refuses them, or they make several lists.
        """
        end = _LAST.get(self._next(), b"")
        at = self._text.rfind(end, self._at, self._at + self._most) if end else -1
        if at < 0:
            self._luck -= bool(end)  # it was looked for in all of a step
            return False
        run = self._text[self._at : at + len(end) - 1]
        around = len(self._open)  # which count in how deep it may be
        self._luck -= 1
        try:
            lists = orjson.loads(b"%b%b%b" % (b"[" * around, run, b"]" * around))
        except orjson.JSONDecodeError:
            return False
        for _ in range(around - 1):
            if len(lists) > 1:
                return False
            [lists] = lists
        self._add(lists)
        self._at += len(run) + 1
        self._luck = LUCK
        return True

    def _add(self, items: Any) -> None:
        inside = self._open[-1]
        if type(inside) is dict:
            inside.update(items)
        else:
            inside += items
        self._is_first = False

    def _take_one(self) -> None:
        """Take an item that is large or deep, or go into it."""
        inside = self._open[-1]
        self._skip_space()
        if self._is_first and self._next() == _ENDS[type(inside)]:
            self._go_on()
            return
        key = ""
        if type(inside) is dict:
            key = self._string()
            self._skip_space()
            if self._next() != b":":
                raise _refused("unexpected character")
            self._at += 1
            self._skip_space()
        opened = self._value()
        if type(inside) is dict:
            inside[key] = opened
        else:
            inside.append(opened)
        if self._open[-1] is inside:
            self._go_on()
        else:
            self._is_first = True

    def _value(self) -> Any:
        """What begins here: all of it, or if it holds others what they will be put into."""
        match self._next():
            case b'"':
                return self._string()
            case b"{" | b"[" as begin:
                value: Any = {} if begin == b"{" else []
                self._open.append(value)
                if len(self._open) > MAX_DEPTH:
                    raise _refused("depth limit exceeded")
                self._at += 1
                return value
        at = self._at
        self._at = _WORD.match(self._text, at, at + self._most).end()
        if self._at == at + self._most:
            raise _refused("number is too long")
        return orjson.loads(self._text[at : self._at])

    def _string(self) -> str:
        if self._next() != b'"':
            raise _refused("unexpected character")
        text, parts = "", []
        self._at += 1
        is_end = False
        while not is_end:
            begin = self._look(self._at)
            end = self._seen.find(b'"', begin, begin + self._most)
            is_end = end >= 0
            if not is_end:
                end = self._cut(begin + self._most)
            parts.append(orjson.loads(b'"%b"' % self._text[self._at : self._from + end]))
            self._at = self._from + end + is_end
            if is_end or len(parts) == JOINED:
                text += "".join(parts)  # it grows where it is, as nobody else has it
                parts.clear()
        return text

    def _cut(self, end: int) -> int:
        """Where a string may be cut before `end`: in no character, escape, or pair of them."""
        seen = self._seen
        if self._from + end >= len(self._text):
            raise _refused("unexpected end of data")
        escape = seen.rfind(b"\\", end - 5, end)
        if escape >= 0 and (escape == end - 1 or seen[escape + 1 : escape + 2] == b"u"):
            end = escape
        if _HIGH.match(seen, end - 6, end):
            end -= 6
        for _ in range(3):
            if self._text[self._from + end] & 0xC0 == 0x80:
                end -= 1
        return end

    def _look(self, at: int) -> int:
        """Have as much as a step takes in `_seen`, with no escape's quote; where `at` is in it.

        `at` is in no escape. Looked at are two steps at a time, so that short ones cost little.
        """
        if not self._seen or at > self._from + self._most:
            seen = self._text[at : at + 2 * self._most]
            if b"\\" in seen:
                seen = seen.replace(rb"\\", rb"\_").replace(rb"\"", rb"\_")
            self._from, self._seen = at, seen
        return at - self._from

    def _next(self) -> bytes:
        return bytes(self._text[self._at : self._at + 1])

    def _skip_space(self) -> None:
        at = -1
        while at < self._at:
            at = self._at
            self._at = _SPACE.match(self._text, at, at + self._most).end()

    def _go_on(self) -> None:
        """Behind a value: over a comma, and out of whatever ends."""
        self._is_first = False
        while self._open:
            self._skip_space()
            mark = self._next()
            self._at += 1
            if mark == b",":
                return
            if mark != _ENDS[type(self._open.pop())]:
                raise _refused("unexpected character")


def _refused(why: str) -> orjson.JSONDecodeError:
    return orjson.JSONDecodeError(why, "", 0)
