"""Checks of parameters: each gives the value, or raises ApiError with its name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.base import Json
from proxy.errors import ApiError, bad_request

Check = Callable[[str, Any], Any]
MAX_CHOICES = 4
MAX_TOOLS = 2000
MAX_STOPS = 256
"""More of both than OpenAI takes: it is each provider that has a bound of its own."""


def checked(data: Mapping[str, Any], name: str, check: Check) -> Any:
    """The parameter as `check` gives it, None where it is absent or null."""
    value = data.get(name)
    return None if value is None else check(name, value)


def member(data: Mapping[str, Any], path: str, name: str, check: Check) -> Any:
    """The same of an object that itself stands at `path`."""
    value = data.get(name)
    return None if value is None else check(f"{path}.{name}", value)


def wrong_type(param: str, expected: str) -> ApiError:
    return bad_request(f"'{param}' must be {expected}.", param=param, code="invalid_type")


def out_of_range(param: str, expected: str) -> ApiError:
    return bad_request(f"'{param}' must be {expected}.", param=param, code="invalid_value")


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(name, "true or false")
    return value


def string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "a string")
    return value


def json_object(name: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise wrong_type(name, "an object")
    return value


def json_list(name: str, value: Any, most: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        raise wrong_type(name, "a list")
    if most is not None and len(value) > most:
        raise out_of_range(name, f"a list of at most {most}")
    return value


def strings(name: str, value: Any) -> list[str]:
    return [string(name, item) for item in json_list(name, value)]


def anything(_name: str, value: Any) -> Any:
    return value


def integer(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)  # what languages write that know one kind of number
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an integer")
    return value


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number")
    return value


def between(low: float, high: float, read: Check = number) -> Check:
    """A number of this range, as `read` gives it."""

    def check(name: str, value: Any) -> Any:
        found = read(name, value)
        if not low <= found <= high:
            raise out_of_range(name, f"between {low} and {high}")
        return found

    return check


def whole(low: int, high: int) -> Check:
    return between(low, high, integer)


count = whole(1, 2**31 - 1)
choices = whole(1, MAX_CHOICES)

SAMPLING: Mapping[str, Check] = {
    "temperature": between(0, 2),
    "top_p": between(0, 1),
    "frequency_penalty": between(-2, 2),
    "presence_penalty": between(-2, 2),
    "seed": whole(-(2**63), 2**63 - 1),
    "logit_bias": json_object,
    "user": string,
}
"""How the next token is chosen, and for whom: OpenAI's words in chats and completions."""


def stops(value: Any) -> tuple[str, ...]:
    """OpenAI's `stop`: a string or several."""
    if value is None:
        return ()
    found = [value] if isinstance(value, str) else strings("stop", value)
    if len(found) > MAX_STOPS:
        raise out_of_range("stop", f"at most {MAX_STOPS} strings")
    return tuple(filter(None, found))  # an empty one would stop everywhere
