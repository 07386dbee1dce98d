"""How much an answer may hold: choices, calls, items, texts, numbers, each with its bound. Pure.

Readers take indexes, counts, words and lists through here; `Tally` adds up one whole answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.base import Annotation, Logprobs, Media, Start, ToolCall, Usage
from adapters.wire.json_size import is_deeper_than
from adapters.wire.pieces import sliced

MAX_CHOICES = 128
MAX_CALLS = 512
MAX_ANNOTATIONS = 2000
MAX_MEDIA = 256
MAX_LOGPROBS = 50_000
MAX_ITEMS = 10_000
"""Entries of one list."""
MAX_EVENTS = 10_000
"""Of what comes at once: choices, calls, citations and parts of a whole answer are far fewer."""
MAX_COUNT = 2**31 - 1
MAX_SUM = 2**53
MAX_TIME_S = 2**40
MAX_WORD = 256
MAX_DEPTH = 64


_DIGITS = re.compile(r"\d{1,10}", re.ASCII)


class OutOfBoundsError(ValueError):
    """More than an answer can mean, or of a kind that could not be handed on."""


def choice_index(value: Any) -> int:
    """The number of a choice, which a few write as text. Raises OutOfBoundsError."""
    if type(value) is str:
        value = count(value)
    if type(value) is int and 0 <= value < MAX_CHOICES:
        return value
    raise OutOfBoundsError("a choice's index")


def count(value: Any) -> int | None:
    """How many; some write them as 3.0, or as text."""
    if value is None:
        return None
    if (type(value) is float and value.is_integer()) or (
        type(value) is str and _DIGITS.fullmatch(value)
    ):
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def unix_time(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_TIME_S else None


def iso_time(value: Any) -> int | None:
    """RFC 3339, of UTC where it names no zone, in Unix seconds; None for what cannot be read."""
    if type(value) is not str:
        return None
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return unix_time(int(seconds))


def word(value: Any, most: int = MAX_WORD) -> str | None:
    """An id, a name or a code: on one line and cut to what such a word may need."""
    if type(value) is not str or not value:
        return None
    if len(value) <= most and value.isprintable():
        return value
    return "".join(c if c.isprintable() else " " for c in value[:most])


def items(value: Any, most: int = MAX_ITEMS) -> Sequence[Any]:
    """The entries of a list that may be left out. Raises OutOfBoundsError."""
    if value is None:
        return ()
    if type(value) is not list or len(value) > most:
        raise OutOfBoundsError("a list")
    return value


class Tally:
    """What one answer has brought so far, except its text, which is bounded by its bytes."""

    __slots__ = ("_annotations", "_calls", "_logprobs", "_media")

    def __init__(self) -> None:
        self._calls: set[str | int] = set()
        self._annotations = self._logprobs = self._media = 0

    def take(self, event: Any) -> None:
        """Count an event. Raises OutOfBoundsError for one that is too much, or no JSON."""
        kind: Any = type(event)
        if kind is Usage:
            is_within = 0 <= event.prompt <= MAX_SUM and 0 <= event.completion <= MAX_SUM
            is_within = is_within and 0 <= (event.reasoning or 0) <= MAX_SUM
            _check(is_within and 0 <= (event.cached or 0) <= MAX_SUM, event.extra)
        elif kind is Start:
            words = (event.id, event.model, event.system_fingerprint, event.request_id)
            if len("".join(filter(None, words))) > 5 * MAX_WORD:
                raise OutOfBoundsError("words")
        elif kind is ToolCall:
            self._calls.add(event.key)
            _check(len(self._calls) <= MAX_CALLS, event.extra)
        elif kind is Annotation:
            self._annotations += 1
            _check(self._annotations <= MAX_ANNOTATIONS, event.value)
        elif kind is Logprobs:
            self._logprobs += len(items(event.content, MAX_LOGPROBS))
            _check(self._logprobs <= MAX_LOGPROBS, event.content)
        elif kind is Media:
            self._media += 1
            _check(self._media <= MAX_MEDIA and _is_base64(event))


COUNTED = frozenset({ToolCall, Annotation, Logprobs, Media, Usage, Start})
"""The events that a tally looks at; the others cannot be too much by themselves."""


def _check(is_within: bool, value: object = None) -> None:
    if not is_within or (value and is_deeper_than(MAX_DEPTH, value)):
        raise OutOfBoundsError("more than an answer can hold")


def _is_base64(media: Media) -> bool:
    """Pieces of audio are put together, which takes them apart."""
    if media.mime_type.startswith("audio/"):
        try:
            for piece in sliced(media.data):
                base64.b64decode(piece, validate=True)
        except ValueError:
            return False
        return "=" not in media.data[:-2]
    return True
