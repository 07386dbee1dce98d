"""How large a client's JSON Schema may be: bounded before any adapter works on it. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.wire.writing import IN_PIECES

MAX_MEMBERS = 10_000
"""Keys and entries of lists, at all depths; OpenAI allows half as many properties."""
MAX_ALL_MEMBERS = 40_000
"""Of all the schemas in one request."""
MAX_CHARS = 512 * 1024
MAX_BRANCHES = 1000
"""Of `anyOf`, `oneOf`, `allOf` and lists of types together."""
MAX_REFERENCES = 1000
MAX_SMALL = 1000
"""A schema of so few members, or so short a text, cannot have more of anything than it may."""

_BRANCHING = ("anyOf", "oneOf", "allOf", "type")


class SchemaTooLargeError(ValueError):
    """A schema with more in it than is worked on; the message says of what."""


class SchemaSize:
    """What has been counted so far, of one request.

    Nearly all schemas are small: how many members one has at most, its text says twenty times
    sooner than a walk through it. Only where that may be too many are they counted.
    """

    def __init__(self) -> None:
        self._members = 0
        self._small: list[Any] = []
        self._most = 0

    def add(self, schema: Any) -> None:
        """Count a schema in. Raises SchemaTooLargeError."""
        if not IN_PIECES.get():  # else its text may be so long that it is not written in one go
            most = _most_members(schema)
            if most <= MAX_SMALL and self._members + self._most + most <= MAX_ALL_MEMBERS:
                self._small.append(schema)
                self._most += most
                return
        small, self._small, self._most = self._small, [], 0
        for one in (*small, schema):
            self._members += _members(one)
            _check(self._members, MAX_ALL_MEMBERS, "keys and values in all schemas")


def _most_members(schema: Any) -> int:
    """No fewer than a schema has: each begins a container, or stands behind a comma."""
    text = orjson.dumps(schema)
    if len(text) <= MAX_SMALL:
        return len(text)
    if len(text) > MAX_CHARS:
        return MAX_ALL_MEMBERS
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _members(schema: Any) -> int:
    """How many a schema has, walked through once. Raises SchemaTooLargeError."""
    members = chars = branches = references = 0
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            members += len(value)
            _check(members, MAX_MEMBERS, "keys and values")
            chars += sum(map(len, value))
            references += "$ref" in value
            for key in _BRANCHING:
                if type(entries := value.get(key)) is list:
                    branches += len(entries)
            waiting += value.values()
        elif type(value) is list:
            members += len(value)
            _check(members, MAX_MEMBERS, "keys and values")
            waiting += value
        else:
            chars += len(value) if type(value) is str else 1
    _check(chars, MAX_CHARS, "characters")
    _check(branches, MAX_BRANCHES, "alternatives")
    _check(references, MAX_REFERENCES, "references")
    return members


def _check(found: int, most: int, of_what: str) -> None:
    if found > most:
        raise SchemaTooLargeError(f"more than {most} {of_what}")
