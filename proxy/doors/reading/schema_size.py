"""How large a client's JSON Schema may be: bounded before any adapter works on it. Pure."""

from __future__ import annotations

from typing import Any

MAX_MEMBERS = 10_000
"""Keys and entries of lists, at all depths; OpenAI allows half as many properties."""
MAX_ALL_MEMBERS = 40_000
"""Of all the schemas in one request."""
MAX_CHARS = 512 * 1024
MAX_BRANCHES = 1000
"""Of `anyOf`, `oneOf`, `allOf` and lists of types together."""
MAX_REFERENCES = 1000

_BRANCHING = ("anyOf", "oneOf", "allOf", "type")


class SchemaTooLargeError(ValueError):
    """A schema with more in it than is worked on; the message says of what."""


class SchemaSize:
    """What has been counted so far, of one request."""

    def __init__(self) -> None:
        self._members = 0

    def add(self, schema: Any) -> None:
        """Count a schema in, once over. Raises SchemaTooLargeError."""
        members = chars = branches = references = 0
        waiting = [schema]
        while waiting:
            value = waiting.pop()
            if type(value) is dict:
                members += len(value)
                chars += sum(map(len, value))
                references += "$ref" in value
                for key in _BRANCHING:
                    if type(entries := value.get(key)) is list:
                        branches += len(entries)
                inner = list(value.values())
            elif type(value) is list:
                members += len(value)
                inner = value
            else:
                chars += len(value) if type(value) is str else 1
                continue
            _check(members, MAX_MEMBERS, "keys and values")
            waiting.extend(inner)
            _check(chars, MAX_CHARS, "characters")
            _check(branches, MAX_BRANCHES, "alternatives")
            _check(references, MAX_REFERENCES, "references")
        _check(chars, MAX_CHARS, "characters")
        self._members += members
        _check(self._members, MAX_ALL_MEMBERS, "keys and values in all schemas")


def _check(found: int, most: int, of_what: str) -> None:
    if found > most:
        raise SchemaTooLargeError(f"more than {most} {of_what}")
