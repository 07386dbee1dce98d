"""`options`, and what else of a request says how it is answered. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.base import Json, ResponseFormat, Thinking
from proxy.doors.reading.checks import json_object
from proxy.errors import ApiError, bad_request

DURATION = re.compile(r"-?(\d+|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)", re.ASCII)
LEVELS = ("high", "medium", "low", "max")
MOST = 2**31 - 1

FLOATS = frozenset(
    {
        *("temperature", "top_p", "min_p", "typical_p", "tfs_z", "repeat_penalty"),
        *("presence_penalty", "frequency_penalty", "mirostat_tau", "mirostat_eta"),
    }
)
INTEGERS = frozenset(
    {
        *("top_k", "seed", "num_predict", "repeat_last_n", "mirostat"),
        *("num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread"),
    }
)
BOUNDS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
"""What clouds take of these; a real server is told the number as it is."""
OF_WORDS = (
    *("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n"),
    *("mirostat", "mirostat_tau", "mirostat_eta"),
)
"""What else changes the words of an answer: who has no such thing says that it is lost."""


class Options:
    """The `options` of a request, checked. Raises ApiError."""

    def __init__(self, value: Any) -> None:
        given = json_object("options", {} if value is None else value)
        self.given: Json = {name: one for name, one in given.items() if one is not None}
        for name, one in self.given.items():
            _check(name, one)
        if "stop" in self.given:
            self.given["stop"] = _stops(self.given["stop"])

    @property
    def params(self) -> Json:
        """The parameters that everybody has."""
        found: Json = {}
        for name, (low, high) in BOUNDS.items():
            if name in self.given:
                found[name] = min(max(self.given[name], low), high)
        if "seed" in self.given:
            found["seed"] = max(-(2**63), min(int(self.given["seed"]), 2**63 - 1))
        return found

    @property
    def max_tokens(self) -> int | None:
        """How long the answer may be; less than 1 stands for no limit of its own."""
        most = int(self.given.get("num_predict", 0))
        return min(most, MOST) if most > 0 else None

    @property
    def stop(self) -> tuple[str, ...]:
        return tuple(filter(None, self.given.get("stop", ())))

    @property
    def others(self) -> Json:
        """What only some providers know."""
        return {name: self.given[name] for name in OF_WORDS if name in self.given}


def _check(name: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in FLOATS and not is_number:
        raise _mistyped(name, "float32")
    if name in INTEGERS and not (is_number and float(value).is_integer()):
        raise _mistyped(name, "integer")


def _stops(value: Any) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list):
        raise _mistyped("stop", "array")
    if not all(isinstance(one, str) for one in found):
        raise _mistyped("stop", "an array of strings")
    return found


def _mistyped(name: str, kind: str) -> ApiError:
    return bad_request(f'option "{name}" must be of type {kind}', param=f"options.{name}")


def response_format(value: Any) -> ResponseFormat | None:
    """`format`: JSON, or JSON by a schema. Raises ApiError."""
    match value:
        case None | "":
            return None
        case "json":
            return ResponseFormat()
        case dict():
            return ResponseFormat(schema=value)
        case _:
            raise bad_request(
                f'invalid format: {str(value)[:80]!r}; expected "json" or a valid JSON Schema'
                " object",
                param="format",
            )


def thinking(value: Any) -> Thinking:
    """`think`; without it a model thinks aloud as it does by itself. Raises ApiError."""
    match value:
        case None | "":
            return Thinking()
        case True:
            return Thinking(include=True)
        case False:
            return Thinking(effort="none", include=False)
        case str() if value in LEVELS:
            return Thinking(effort=value, include=True)
        case _:
            levels = ", ".join(f'"{level}"' for level in LEVELS)
            raise bad_request(
                f"invalid think value: {str(value)[:80]!r} (must be {levels}, true, or false)",
                param="think",
            )


def keep_alive(value: Any) -> Any:
    """How long a model stays loaded: seconds, or a duration. Raises ApiError."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or is_number or (isinstance(value, str) and DURATION.fullmatch(value)):
        return value
    raise bad_request(f'time: invalid duration "{str(value)[:80]}"', param="keep_alive")


def unloads(value: Any) -> bool:
    """Whether a `keep_alive` is over at once."""
    return str(value).strip().lstrip("-").rstrip("nsumµh") in ("0", "0.0")
