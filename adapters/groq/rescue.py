"""The calls in an answer that Groq has refused for being written as text. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.base import Event, Finish, Json, ToolCall, Warn
from adapters.groq.argument_types import fitted
from adapters.groq.call_text import read_calls


def rescued(text: str, body: Json) -> list[Event]:
    """The answer that it would have been to the call `body`; none where it cannot be read."""
    functions = [tool.get("function", {}) for tool in body.get("tools") or ()]
    schemas = {function.get("name"): function.get("parameters") for function in functions}
    calls = read_calls(text, schemas)
    if not calls:
        return []
    if body.get("parallel_tool_calls") is False:
        calls = calls[:1]
    told = [(call.name, _fitted(call.arguments, schemas[call.name])) for call in calls]
    return [
        *(ToolCall(key=i, name=name, arguments=text) for i, (name, text) in enumerate(told)),
        Finish("tool_calls"),
        Warn("rescued=tool_calls"),
        *([Warn("changed=tool_calls.arguments")] if told != calls else []),
    ]


def _fitted(arguments: str, schema: Any) -> str:
    if not isinstance(schema, dict):
        return arguments
    return orjson.dumps(fitted(orjson.loads(arguments), schema)).decode()
