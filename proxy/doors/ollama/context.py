"""The `context` of `/api/generate`: what was said, as numbers that a client sends back. Pure.

A real server puts tokens of one model there. Ours hold the dialogue itself, so that whoever answers
next can go on from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import orjson

MARK = b"\x00pmn1"
MAX_BYTES = 256 * 1024
MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_CHARS = 512 * 1024
"""Packed in 10 ms, while everybody waits; 28 MB would take half a second."""
QUICKLY = 1
ROLES = ("user", "assistant")

Said = tuple[str, str]
"""A role, and what it has said."""


def numbers_of(dialogue: Sequence[Said]) -> list[int] | None:
    """The dialogue as numbers; without its beginning where it is too long for that."""
    while dialogue:
        if sum(len(words) for _, words in dialogue) <= MAX_CHARS:
            packed = zlib.compress(orjson.dumps(dialogue), QUICKLY)
            if len(packed) <= MAX_BYTES:
                return [*MARK, *packed]
        dialogue = dialogue[len(dialogue) // 2 + 1 :]
    return None


def dialogue_of(numbers: Sequence[int]) -> list[Said] | None:
    """What was said, if the numbers are ours."""
    if len(numbers) > MAX_BYTES + len(MARK) or list(numbers[: len(MARK)]) != list(MARK):
        return None
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(bytes(numbers[len(MARK) :]), MAX_TEXT_BYTES)
        said = orjson.loads(text)
    except (ValueError, zlib.error):
        return None
    if not isinstance(said, list):
        return None
    found: list[Said] = []
    for one in said:
        match one:
            case [str(role), str(words)] if role in ROLES:
                found.append((role, words))
            case _:
                return None
    return found
