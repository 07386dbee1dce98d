"""Each parameter of OpenAI's, given wrongly, and the 400 that names it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Json
from proxy.doors.chat import read as parse
from proxy.doors.chat.read import parse_request
from proxy.doors.reading.checks import MAX_STOPS, MAX_TOOLS
from proxy.errors import ApiError
from tests.proxy.doors.chat.read.kit import (
    LIST,
    NUMBER,
    OBJECT,
    OPENAI_NAMES,
    TEXT,
    TOOL,
    USER,
    parsed,
    refusal,
)

NOT_TEXT = (NUMBER, True, OBJECT, LIST)
NOT_FLAG = ("true", NUMBER, OBJECT, LIST)
NOT_NUMBER = (TEXT, True, OBJECT, LIST)
NOT_INTEGER = (*NOT_NUMBER, 1.5)
NOT_OBJECT = (TEXT, NUMBER, True, LIST)
NOT_LIST = (TEXT, NUMBER, True, OBJECT)
WRONG: dict[str, tuple[Any, ...]] = {
    "model": NOT_TEXT,
    "messages": (*NOT_LIST, [], [TEXT], [NUMBER]),
    "stream": NOT_FLAG,
    "stream_options": (*NOT_OBJECT, {"include_usage": "yes"}, {"include_obfuscation": 1}),
    "max_tokens": (*NOT_INTEGER, 0, -2, 2**31),
    "max_completion_tokens": (*NOT_INTEGER, 0, -1.5, 2**40),
    "temperature": (*NOT_NUMBER, -0.1, 2.1, 1e300),
    "top_p": (*NOT_NUMBER, -0.1, 1.1),
    "n": (*NOT_INTEGER, 0, -1, 5, 2**70),
    "stop": (NUMBER, True, OBJECT, [1], ["a", None], ["a"] * (MAX_STOPS + 1)),
    "seed": (*NOT_INTEGER, 2**63, -(2**63) - 1),
    "frequency_penalty": (*NOT_NUMBER, -2.1, 2.1),
    "presence_penalty": (*NOT_NUMBER, -2.1, 2.1),
    "logit_bias": NOT_OBJECT,
    "logprobs": NOT_FLAG,
    "top_logprobs": (*NOT_INTEGER, -1, 21),
    "response_format": (TEXT, NUMBER, True, LIST, {}, {"type": "xml"}),
    "tools": (*NOT_LIST, [TEXT], [{}], [TOOL] * (MAX_TOOLS + 1), [{"type": "function"}]),
    "tool_choice": (NUMBER, True, LIST, {}, "any", "required"),
    "parallel_tool_calls": NOT_FLAG,
    "functions": (*NOT_LIST, [TEXT], [{}], [TOOL]),
    "function_call": (NUMBER, True, LIST, {}, "required", {"name": "absent"}),
    "reasoning_effort": (NUMBER, True, OBJECT, LIST, "extreme", ""),
    "verbosity": NOT_TEXT,
    "modalities": (*NOT_LIST, [1], [{}]),
    "audio": NOT_OBJECT,
    "prediction": NOT_OBJECT,
    "web_search_options": NOT_OBJECT,
    "service_tier": NOT_TEXT,
    "user": NOT_TEXT,
    "safety_identifier": NOT_TEXT,
    "metadata": NOT_OBJECT,
    "store": NOT_FLAG,
    "prompt_cache_key": NOT_TEXT,
}
UNCHECKED = {"prompt_cache_options", "prompt_cache_retention", "moderation"}
"""Parameters that no provider takes: what is in them makes no difference."""


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_value_is_a_400_that_names_the_parameter(name: str, value: Any) -> None:
    error = refusal(**{name: value})

    assert (error.status, error.type) == (400, "invalid_request_error")
    assert error.param is not None
    assert error.param.split(".")[0].split("[")[0] == name


def test_every_parameter_of_openai_is_known() -> None:
    assert len(OPENAI_NAMES) >= 37
    assert OPENAI_NAMES <= parse._KNOWN


def test_every_parameter_of_openai_has_a_row_here() -> None:
    assert WRONG.keys() | UNCHECKED == OPENAI_NAMES


@pytest.mark.parametrize("name", sorted(OPENAI_NAMES - {"model", "messages"}))
def test_null_is_as_good_as_absent(name: str) -> None:
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", ["model", "messages"])
@pytest.mark.parametrize("give_null", [True, False], ids=["null", "absent"])
def test_model_and_messages_are_required(name: str, *, give_null: bool) -> None:
    data: Json = {"model": "zoo", "messages": [USER]}
    if give_null:
        data[name] = None
    else:
        del data[name]

    with pytest.raises(ApiError) as caught:
        parse_request(data)

    assert (caught.value.status, caught.value.param) == (400, name)
