"""Whatever the body: a request that every provider takes or refuses, or an error with its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson

from adapters.base import Json
from proxy.doors.door import Call, Opening
from proxy.doors.responses import ResponsesDoor
from proxy.doors.responses.in_memory import Turns
from proxy.errors import ApiError
from tests.proxy.doors.responses.test_read import CALL, OUTPUT, SCHEMA, TOOL

DOOR = ResponsesDoor(Turns(lambda: 0.0, most=0))
IMAGE: Json = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
FILE: Json = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aA=="}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
ITEMS: list[Json] = [
    {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, IMAGE, FILE]},
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm"}],
        "content": [{"type": "reasoning_text", "text": "Hm"}],
        "encrypted_content": "x",
    },
    CALL | {"namespace": "n"},
    OUTPUT | {"output": [{"type": "input_text", "text": "ok"}, IMAGE]},
    {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "x"},
    {"type": "apply_patch_call", "call_id": "c3", "operation": {"type": "create_file"}},
    {"type": "apply_patch_call_output", "call_id": "c3", "status": "completed"},
    {"type": "shell_call", "call_id": "c4", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "c4", "output": [{"stdout": "a"}]},
    {"type": "local_shell_call", "id": "c5", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "local_shell_call_output", "id": "c5", "output": "x"},
    {"type": "tool_search_call", "call_id": "c6", "execution": "client", "arguments": {}},
    {"type": "tool_search_output", "call_id": "c6", "execution": "client", "tools": [TOOL]},
    {"type": "compaction", "encrypted_content": "x"},
    {"type": "additional_tools", "tools": [TOOL | {"name": "more"}]},
    {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
]
FULL: Json = {
    "model": "m",
    "instructions": "Be.",
    "input": ITEMS,
    "tools": [
        TOOL,
        {"type": "custom", "name": "run", "format": GRAMMAR},
        {"type": "namespace", "name": "n", "tools": [TOOL]},
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}},
        {"type": "apply_patch"},
        {"type": "mcp"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [TOOL]},
    "max_output_tokens": 9,
    "top_logprobs": 1,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "truncation": "auto",
    "metadata": {"a": "b"},
    "conversation": None,
    "previous_response_id": None,
    "stream_options": {"include_obfuscation": False},
}
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 2**63, "", "x", [], {}, [[]], [None], {"type": "x"}, {"": ""}),
]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a body, as what holds it and where."""
    for at, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, at
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _mutated() -> Iterator[tuple[str, Json]]:
    """The full request with each place made odd in each way, and the field that it is in."""
    for name in FULL:
        part = {name: FULL[name]}
        for at in range(len(list(_places(part)))):
            for odd in ODD:
                changed = copy.deepcopy(part)
                holder, place = list(_places(changed))[at]
                holder[place] = copy.deepcopy(odd)
                yield name, FULL | changed


def test_an_odd_body_is_read_or_refused_by_the_field_that_is_odd() -> None:
    seen = {"read": 0, "refused": 0}
    for name, body in _mutated():
        try:
            asked = DOOR.read(Call(orjson.dumps(body)))
        except ApiError as error:
            assert error.status in (400, 404)
            told = orjson.loads(DOOR.refusal(error).body)["error"]
            assert str(told["param"]).startswith((name, "tool")), (name, told)
            seen["refused"] += 1
            continue
        seen["read"] += 1
        DOOR.stream(asked, Opening("req_1", 0.0)).end()
    assert min(seen.values()) > 100
