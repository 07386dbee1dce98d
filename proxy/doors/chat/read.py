"""A client's body -> ChatRequest: checked field by field, OpenAI's older spellings made new. Pure.

Every refusal is a 400 that names the `param`, as OpenAI's own are; nothing here raises anything
else, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import ChatRequest, Json, ResponseFormat
from proxy.doors.chat.messages import parse_messages
from proxy.doors.chat.thinking import thinking
from proxy.doors.chat.tools import choice_of, tools_of
from proxy.doors.door import Asked
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import (
    SAMPLING,
    Check,
    anything,
    choices,
    count,
    flag,
    json_object,
    member,
    out_of_range,
    stops,
    string,
    strings,
    whole,
)
from proxy.doors.reading.schemas import schema_format, within_bounds
from proxy.doors.reading.tools import beside
from proxy.errors import bad_request


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on."""

    include_usage: bool = False
    legacy_functions: bool = False
    custom: Sequence[str] = ()
    is_extended: bool = False


def parse_request(data: Json) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    if "input" in data and "messages" not in data:
        raise bad_request("'input' is for /v1/responses: here go 'messages'.", param="messages")
    messages = parse_messages(data.get("messages"))
    tools = tools_of(data)
    choice = choice_of(data, tools)
    search, more = beside(tools, choice)
    fields = {name: _FIELDS[name](name, value) for name, value in data.items() if name in _FIELDS}
    params = {name: value for name, value in fields.items() if name in _PARAMS}
    include_usage = False
    if options := fields.get("stream_options"):
        include_usage = member(options, "stream_options", "include_usage", flag) or False
        if member(options, "stream_options", "include_obfuscation", flag):
            params["stream_options.include_obfuscation"] = True
    if "top_logprobs" in params and not params.get("logprobs"):
        raise bad_request("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    request = ChatRequest(
        model=model,
        messages=messages,
        stream=fields.get("stream", False),
        max_tokens=fields.get("max_completion_tokens") or fields.get("max_tokens"),
        stop=stops(data["stop"]) if "stop" in data else (),
        n=fields.get("n", 1),
        tools=choice.functions,
        tool_choice=choice.mode,
        forced_tool=choice.forced,
        parallel_tool_calls=fields.get("parallel_tool_calls"),
        response_format=(
            _response_format(data["response_format"]) if "response_format" in data else None
        ),
        thinking=thinking(data),
        params=search | params if search else params,
        extensions={name: value for name, value in data.items() if name not in _KNOWN} | more,
    )
    own = request.extensions.get("pointsman") if request.extensions else None
    request = within_bounds(request)
    include_usage = request.stream and include_usage
    return Parsed(request, request.stream, own, include_usage, tools.legacy, tuple(tools.custom))


_PARAMS: Mapping[str, Check] = {
    **SAMPLING,
    "logprobs": flag,
    "top_logprobs": whole(0, 20),
    "safety_identifier": string,
    "metadata": json_object,
    "store": flag,
    "service_tier": string,
    "verbosity": string,
    "modalities": strings,
    "audio": json_object,
    "prediction": json_object,
    "web_search_options": json_object,
    "prompt_cache_key": string,
    "prompt_cache_options": anything,
    "prompt_cache_retention": anything,
    "moderation": anything,
}


def _most(name: str, value: Any) -> int | None:
    """How many tokens; -1 is no limit, as local servers and their clients have it."""
    return None if value == -1 else count(name, value)


_FIELDS: Mapping[str, Check] = {
    **_PARAMS,
    "stream": flag,
    "stream_options": json_object,
    "max_tokens": _most,
    "max_completion_tokens": _most,
    "n": choices,
    "parallel_tool_calls": flag,
}
_KNOWN = frozenset(_FIELDS) | {
    *("model", "messages", "stop", "tools", "tool_choice", "functions", "function_call"),
    *("response_format", "reasoning_effort", "reasoning"),
}


def _response_format(value: Any) -> ResponseFormat | None:
    match value:
        case {"type": "text"}:
            return None
        case {
            "type": "json_schema" | "json_object",
            "json_schema": {"schema": dict()} as wrapped,
        }:
            return schema_format("response_format.json_schema", wrapped)
        case {"type": "json_schema" | "json_object", "schema": dict()}:  # as llama.cpp has it
            return schema_format("response_format", value)
        case {"type": "json_object"}:
            member(value, "response_format", "schema", json_object)
            return ResponseFormat()
        case {"type": "json_schema"}:
            param = "response_format.json_schema"
            raise bad_request(f"'{param}' must hold a 'schema'.", param=param)
        case _:
            expected = "of type 'text', 'json_object' or 'json_schema'"
            raise out_of_range("response_format", expected)
