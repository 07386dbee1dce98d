"""Whatever the body: a request that every provider takes or refuses, or an ApiError."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import orjson

from adapters.base import Json
from proxy.doors.door import Call, Opening
from proxy.doors.messages import MessagesDoor
from proxy.errors import ApiError
from proxy.reply import Reply
from tests.proxy.doors.messages.test_messages import CALL, IMAGE, result, text
from tests.proxy.doors.messages.test_read import SEARCH, TOOL

DOOR = MessagesDoor()
FULL: Json = {
    "model": "claude-x",
    "max_tokens": 99,
    "system": [text("Be brief.") | {"cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [text("Hi"), IMAGE]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "x"},
                {"type": "redacted_thinking", "data": "x"},
                text("I look."),
                CALL,
            ],
        },
        {"role": "user", "content": [result([text("ok"), IMAGE], is_error=True), text("So?")]},
        {"role": "system", "content": "Now."},
        {
            "role": "user",
            "content": [
                {"type": "document", "title": "T", "source": {"type": "text", "data": "words"}},
                {"type": "search_result", "title": "T", "source": "s", "content": [text("x")]},
            ],
        },
    ],
    "tools": [TOOL, SEARCH],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["a"],
    "temperature": 0.5,
    "top_k": 5,
    "stream": True,
}
ODD: list[Any] = [
    *(None, True, False, 0, -1, 2**70, 1e308, "", "x", "\ud83d", "a" * 300, [], {}, [[]], [{}]),
    *({"type": "text"}, {"type": 5}, {"type": "text", "text": 5}, [None], "tool_use", {"": ""}),
]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a body, as what holds it and where."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for at, inner in members:
        yield value, at
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _mutated() -> Iterator[Json]:
    """The full request with each place made odd in each way, and some with several."""
    for at in range(len(list(_places(FULL)))):
        for odd in ODD:
            body = copy.deepcopy(FULL)
            holder, place = list(_places(body))[at]
            holder[place] = copy.deepcopy(odd)
            yield body
    chance = random.Random(7)
    for _ in range(500):
        body = copy.deepcopy(FULL)
        for _ in range(chance.randrange(1, 6)):
            holder, place = chance.choice(list(_places(body)))
            if chance.random() < 0.3 and isinstance(holder, dict):
                del holder[place]
            else:
                holder[place] = copy.deepcopy(chance.choice(ODD))
        yield body


def test_an_odd_body_is_read_or_refused() -> None:
    seen = {"read": 0, "refused": 0}
    for body in _mutated():
        try:
            data = orjson.dumps(body)
        except TypeError:  # JSON that orjson does not write is not sent by it either
            continue
        try:
            asked = DOOR.read(Call(data))
        except ApiError as error:
            assert 400 <= error.status < 500
            orjson.loads(DOOR.refusal(error).body)
            seen["refused"] += 1
            continue
        seen["read"] += 1
        if not isinstance(asked, Reply):
            DOOR.stream(asked, Opening("req_1", 0.0)).end()
    assert min(seen.values()) > 100
