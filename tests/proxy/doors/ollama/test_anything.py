"""Whatever JSON comes, it is taken or refused with a 4xx."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from adapters.base import Json
from proxy.doors.door import Call
from proxy.doors.ollama import OllamaChat, OllamaGenerate
from proxy.doors.ollama.context import numbers_of
from proxy.errors import ApiError
from proxy.reply import Reply
from tests.proxy.doors.chat.read.test_anything import ANY_JSON, places, put
from tests.proxy.doors.ollama.kit import PNG

COMMON: Json = {
    "model": "m:latest",
    "stream": False,
    "format": {"type": "object", "properties": {"a": {"type": "string"}}},
    "options": {"temperature": 1, "num_ctx": 5, "stop": ["a"], "num_predict": -1, "numa": True},
    "think": "low",
    "keep_alive": "5m",
    "truncate": True,
    "logprobs": True,
    "top_logprobs": 2,
}
CHAT: Json = COMMON | {
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "What is it?", "images": [PNG]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": [1]}}}
            ],
        },
        {"role": "tool", "tool_name": "f", "tool_call_id": "a", "content": "5", "images": [PNG]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}
GENERATE: Json = COMMON | {
    "prompt": "Hi",
    "system": "Be short.",
    "images": [PNG],
    "context": numbers_of([("user", "a"), ("assistant", "b")]),
    "suffix": "end",
}
DOORS = [(OllamaChat(), CHAT), (OllamaGenerate(), GENERATE)]
PLACES = [places(full)[1:] for _, full in DOORS]


@pytest.mark.parametrize(("door", "full"), DOORS)
def test_the_full_request_is_taken(door: Any, full: Json) -> None:
    assert not isinstance(door.read(Call(orjson.dumps(full))), Reply)


@given(ANY_JSON | st.dictionaries(st.sampled_from(sorted(CHAT | GENERATE)), ANY_JSON))
def test_no_json_raises_anything_but_an_api_error(value: Any) -> None:
    for door, _ in DOORS:
        try:
            door.read(Call(orjson.dumps(value)))
        except ApiError as error:
            assert 400 <= error.status < 500


@given(st.data())
def test_no_change_of_a_good_request_raises_anything_but_an_api_error(data: Any) -> None:
    at = data.draw(st.integers(0, 1))
    changes = st.lists(st.tuples(st.sampled_from(PLACES[at]), ANY_JSON), min_size=1, max_size=3)
    door, full = DOORS[at]
    changed = copy.deepcopy(full)
    for path, value in data.draw(changes):
        put(changed, path, copy.deepcopy(value))
    try:
        found = door.read(Call(orjson.dumps(changed)))
    except ApiError as error:
        assert 400 <= error.status < 500
        orjson.dumps(door.refusal(error).body.decode())
    else:
        assert isinstance(found, Reply) or orjson.dumps(list(found.request.messages))
