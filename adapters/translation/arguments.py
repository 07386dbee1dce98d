"""The arguments of a call as an object, which models do not always write. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from adapters.base import Json
from adapters.wire.json_size import has_too_many_values
from adapters.wire.pieces import loads
from adapters.wire.writing import dumps_text

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
MAX_VALUES = 5000
"""Objects and lists in the arguments of one call: more are left the text that they are."""

MOST_MENDED = 64 * 1024
_LENIENT = json.JSONDecoder(strict=False)
MOST_PIECES, MOST_CHARACTERS = 50_000, 1_000_000
"""Of a call's arguments that are looked at for where they end."""


def arguments_object(text: str) -> Json | None:
    """The object that the text of a call's arguments means; None where it cannot be read."""
    if not text.strip():
        return {}
    if len(text) > MAX_VALUES and has_too_many_values(text.encode(), most=MAX_VALUES):
        return None
    try:
        return as_object(loads(text))
    except orjson.JSONDecodeError:
        return None


def arguments_or_text(text: str) -> Json:
    """The same; what cannot be read is kept under a key of its own."""
    found = arguments_object(text)
    return {"_raw": text} if found is None else found


def arguments_text(text: str) -> str:
    """The same as text: vLLM and others read what goes back to them, and refuse what is no object.

    A model that once wrote a broken call would otherwise have ended the talk.
    """
    return text if _is_object(text) else dumps_text(arguments_or_text(text))


def _is_object(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def are_whole(pieces: Sequence[str]) -> bool:
    """Whether the pieces of a call's arguments are complete JSON by now."""
    try:
        loads("".join(pieces))
    except orjson.JSONDecodeError:
        return False
    return True


def mended(text: str) -> str:
    """Arguments that all came at once as an object's text, where they only mean to be one.

    Models leave line ends as they are, begin anew behind an empty object, or write a text of it.
    """
    if len(text) > MOST_MENDED or text[-1:] not in ("}", '"') or _is_object(text):
        return text
    try:
        value = _LENIENT.decode(text.removeprefix("{}"))
        value = _LENIENT.decode(value) if isinstance(value, str) else value
        return dumps_text(value) if isinstance(value, dict) else text
    except (ValueError, TypeError, RecursionError):  # or nothing that can be written again
        return text


def are_cut(pieces: Sequence[str]) -> bool:
    """Whether arguments break off: a text or a bracket in them is still open.

    What would take more than a few milliseconds to look at is taken for whole.
    """
    if len(pieces) > MOST_PIECES or sum(map(len, pieces)) > MOST_CHARACTERS or are_whole(pieces):
        return False
    rest = _STRING.sub("", "".join(pieces))
    return '"' in rest or sum(map(rest.count, "{[")) > sum(map(rest.count, "}]"))


def as_object(value: Any) -> Json:
    """Any JSON value as an object: "null" is written for a call without parameters."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}
