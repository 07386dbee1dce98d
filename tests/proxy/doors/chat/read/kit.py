"""What the tests of parsing share: a request's parts, and what becomes of a request."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from openai.types.chat import completion_create_params as openai_params

from adapters.base import ChatRequest, Json
from proxy.doors.chat.read import Parsed, parse_request
from proxy.errors import ApiError

USER: Json = {"role": "user", "content": "How tall is a giraffe?"}
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "measure",
        "description": "Height of an animal",
        "strict": True,
        "parameters": {"type": "object", "properties": {"animal": {"type": "string"}}},
    },
}
OTHER_TOOL: Json = {"type": "function", "function": {"name": "weigh"}}
SCHEMA: Json = {"type": "object", "properties": {"metres": {"type": "number"}}}
TEXT, NUMBER, OBJECT, LIST = "text", 1, {"a": 1}, ["a"]
OPENAI_NAMES = frozenset(
    get_type_hints(openai_params.CompletionCreateParamsBase)
    | get_type_hints(openai_params.CompletionCreateParamsStreaming)
)


def parsed(**fields: Any) -> Parsed:
    return parse_request({"model": "zoo", "messages": [USER], **fields})


def request(**fields: Any) -> ChatRequest:
    return parsed(**fields).request


def refusal(**fields: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parsed(**fields)
    return caught.value


def allowed_tools(mode: str, *names: str) -> Json:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
