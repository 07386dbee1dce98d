"""Fields of Gemini's bodies: each may be spelled as JSON has it or as protobuf does. Pure.

`systemInstruction` and `system_instruction` are the same; null is as good as absent. A number may
come as text, as protobuf's JSON writes those of 64 bits. What users name themselves (arguments,
properties of a schema) is never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from adapters.base import Json
from adapters.translation.data_uris import is_base64
from proxy.doors.reading.checks import Check, between, out_of_range, wrong_type

STANDARD: Mapping[int, int] = str.maketrans("-_", "+/")
"""Out of the alphabet of base64 that is for URLs."""
NUMBERED: Mapping[str, Sequence[str]] = {
    "type": str.split("TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL"),
    "mode": str.split("MODE_UNSPECIFIED AUTO ANY NONE"),
    "responseModalities": str.split("MODALITY_UNSPECIFIED TEXT IMAGE AUDIO"),
    "taskType": str.split(
        "TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY "
        "CLASSIFICATION CLUSTERING QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY"
    ),
}
"""Enumerations by the field that holds one, in the order of protobuf's numbers."""


@lru_cache(maxsize=1024)
def snake(name: str) -> str:
    """`systemInstruction` as `system_instruction`."""
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def camel(name: str) -> str:
    """The other way round."""
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def field(data: Json, name: str) -> Any:
    """The value under `name` in either spelling, None where there is none."""
    value = data.get(name)
    return data.get(snake(name)) if value is None else value


def member(data: Json, path: str, name: str, check: Check) -> Any:
    """The value as `check` gives it, None where there is none; `path` is where `data` stands."""
    value = field(data, name)
    return None if value is None else check(f"{path}.{name}" if path else name, value)


def spelled(*names: str) -> frozenset[str]:
    return frozenset({*names, *map(snake, names)})


def strange(data: Json, known: Collection[str]) -> Iterator[str]:
    """The names that are set, and that nobody knows."""
    return (name for name, value in data.items() if name not in known and value is not None)


def objects(name: str, value: Any) -> list[Json]:
    """A list of objects; one that stands alone is a list of it."""
    found = [value] if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise wrong_type(name, "a list of objects")
    for i, one in enumerate(found):
        if not isinstance(one, dict):
            raise wrong_type(f"{name}[{i}]", "an object")
    return found


def named(name: str, value: Any) -> Any:
    """The word for a number of an enumeration, which Google's older clients send; else `value`."""
    known = NUMBERED.get(name.rpartition(".")[2], ())
    return known[value] if type(value) is int and 0 <= value < len(known) else value


def word(name: str, value: Any) -> str:
    """One word of an enumeration, in upper case."""
    value = named(name, value)
    if not isinstance(value, str):
        raise wrong_type(name, "a word")
    return value.upper()


def number(low: float, high: float) -> Check:
    return between(low, high, _any_number)


def whole(low: int, high: int) -> Check:
    return between(low, high, _integer)


def _any_number(name: str, value: Any) -> float:
    if (found := _number(value)) is None:
        raise wrong_type(name, "a number")
    return found


def _integer(name: str, value: Any) -> int:
    found = _number(value)
    if found is None or found != found // 1:
        raise wrong_type(name, "an integer")
    return int(found)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < float("inf") else None


def data_bytes(name: str, value: Any) -> str:
    """Bytes as standard base64, whichever alphabet they came in."""
    if not isinstance(value, str):
        raise wrong_type(name, "bytes in base64")
    if "-" in value or "_" in value:
        value = value.translate(STANDARD)
    padded: str = value + "=" * (-len(value) % 4)
    if not is_base64(padded):
        raise out_of_range(name, "bytes in base64")
    return padded
