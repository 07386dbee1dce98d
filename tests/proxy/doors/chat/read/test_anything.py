"""Whatever JSON comes, it is taken or refused with a 4xx."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
from hypothesis import given, strategies as st

from adapters.base import Json
from proxy.doors.chat.read import parse_request
from proxy.doors.reading.body import parse_json
from proxy.errors import ApiError
from tests.proxy.doors.chat.read.kit import (
    OPENAI_NAMES,
    OTHER_TOOL,
    SCHEMA,
    TOOL,
    allowed_tools,
    parsed,
)

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["function", "auto", "json_schema", "user", "tool", "image_url", "text"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FULL: Json = {
    "model": "zoo",
    "messages": [
        {"role": "developer", "content": "Be short."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/x", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "measure", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "5 m"}]},
        {"role": "assistant", "function_call": {"name": "weigh", "arguments": "{}"}},
        {"role": "function", "name": "weigh", "content": "900"},
    ],
    "tools": [TOOL, OTHER_TOOL],
    "tool_choice": allowed_tools("auto", "measure"),
    "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA, "name": "n"}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "reasoning": {"effort": "low", "max_tokens": 5, "exclude": False},
    "thinking_config": {"thinking_budget": 5},
    "stop": ["a"],
    "temperature": 1,
    "modalities": ["text"],
    "metadata": {},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


PLACES = places(FULL)[1:]


def put(data: Json, path: tuple[Any, ...], value: Any) -> None:
    target: Any = data
    for key in path[:-1]:
        if not isinstance(target, dict | list):
            return
        try:
            target = target[key]
        except (LookupError, TypeError):
            return
    if isinstance(target, dict) or (isinstance(target, list) and path[-1] in range(len(target))):
        target[path[-1]] = value


def test_the_full_request_is_taken() -> None:
    assert len(parse_request(FULL).request.messages) == 6


@given(ANY_JSON)
def test_no_json_raises_anything_but_an_api_error(value: Any) -> None:
    try:
        parse_request(parse_json(orjson.dumps(value)))
    except ApiError as error:
        assert 400 <= error.status < 500


@given(st.dictionaries(st.sampled_from(sorted(OPENAI_NAMES)), ANY_JSON))
def test_no_parameters_raise_anything_but_an_api_error(fields: Json) -> None:
    try:
        parsed(**fields)
    except ApiError as error:
        assert 400 <= error.status < 500


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY_JSON), min_size=1, max_size=3))
def test_no_change_of_a_good_request_raises_anything_but_an_api_error(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    data = copy.deepcopy(FULL)
    for path, value in changes:
        put(data, path, copy.deepcopy(value))
    before = json.dumps(data)

    try:
        orjson.dumps(list(parse_request(data).request.messages))
    except ApiError as error:
        assert 400 <= error.status < 500
        orjson.dumps([error.message, error.param])
    assert json.dumps(data) == before
