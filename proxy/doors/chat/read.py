"""A client's body -> ChatRequest: checked field by field, OpenAI's older spellings made new. Pure.

Every refusal is a 400 that names the `param`, as OpenAI's own are; nothing here raises anything
else, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from proxy.doors.chat.messages import parse_messages
from proxy.doors.door import Asked
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import (
    SAMPLING,
    Check,
    anything,
    checked,
    choices,
    count,
    flag,
    json_list,
    json_object,
    member,
    out_of_range,
    stops,
    string,
    strings,
    whole,
)
from proxy.doors.reading.schemas import schema_format, within_bounds
from proxy.errors import bad_request

MAX_TOOLS = 128
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Parsed(Asked, frozen=True):
    """A request, and what only the answer's form depends on."""

    include_usage: bool = False
    legacy_functions: bool = False


def parse_request(data: Json) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    messages = parse_messages(data.get("messages"))
    tools, legacy = _tools(data)
    choice, forced, tools = _tool_choice(data, tools)
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
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        parallel_tool_calls=fields.get("parallel_tool_calls"),
        response_format=_response_format(data.get("response_format")),
        thinking=_thinking(data),
        params=params,
        extensions={name: value for name, value in data.items() if name not in _KNOWN},
    )
    own = request.extensions.get("pointsman") if request.extensions else None
    request = within_bounds(request)
    return Parsed(request, request.stream, own, request.stream and include_usage, legacy)


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

_FIELDS: Mapping[str, Check] = {
    **_PARAMS,
    "stream": flag,
    "stream_options": json_object,
    "max_tokens": count,
    "max_completion_tokens": count,
    "n": choices,
    "parallel_tool_calls": flag,
}
_KNOWN = frozenset(_FIELDS) | {
    *("model", "messages", "stop", "tools", "tool_choice", "functions", "function_call"),
    *("response_format", "reasoning_effort", "reasoning"),
}


_WORDS_OF_TOOLS = frozenset({"tools", "functions", "function_call"})


def _tools(data: Json) -> tuple[list[Json], bool]:
    """The function tools, and whether they came as the older `functions`."""
    if data.keys().isdisjoint(_WORDS_OF_TOOLS):
        return [], False
    legacy = "tools" not in data and ("functions" in data or "function_call" in data)
    if legacy:
        functions = json_list("functions", data.get("functions", []))
        tools = [{"type": "function", "function": function} for function in functions]
    else:
        tools = json_list("tools", data.get("tools", []))
    name = "functions" if legacy else "tools"
    if len(tools) > MAX_TOOLS:
        raise out_of_range(name, f"a list of at most {MAX_TOOLS}")
    for i, tool in enumerate(tools):
        _check_tool(f"{name}[{i}]", tool, inner="" if legacy else ".function")
    return tools, legacy


def _check_tool(param: str, tool: Any, *, inner: str) -> None:
    kind = json_object(param, tool).get("type")
    if kind != "function":
        raise bad_request(
            f"Only tools of type 'function' can be used; '{param}' is of another type.",
            param=f"{param}.type",
            code="unsupported_parameter",
        )
    param += inner
    function = json_object(param, tool.get("function"))
    if not string(f"{param}.name", function.get("name")):
        raise out_of_range(f"{param}.name", "a name")
    member(function, param, "description", string)
    member(function, param, "parameters", json_object)


def _tool_choice(data: Json, tools: list[Json]) -> tuple[str | None, str | None, list[Json]]:
    """(auto | none | required | None, the tool that must be called or None, the tools left)."""
    param = "tool_choice" if "tool_choice" in data else "function_call"
    choice = data.get(param)
    forced: str | None = None
    match choice:
        case None:
            return None, None, tools
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": [*allowed]},
        }:
            names = {_tool_name(tool) for tool in allowed}
            tools = [tool for tool in tools if tool["function"]["name"] in names]
            choice = mode
        case {"type": "function", "function": {"name": str(name)}}:
            choice, forced = "required", name
        case {"name": str(name)} if param == "function_call":
            choice, forced = "required", name
        case {"type": "custom"}:
            raise bad_request(
                "Custom tools cannot be used.", param=param, code="unsupported_parameter"
            )
    if choice not in ("auto", "none", "required"):
        raise out_of_range(param, "'auto', 'none', 'required' or a function of 'tools'")
    if choice == "required":
        _check_can_be_called(param, forced, tools)
    return choice, forced, tools


def _tool_name(tool: Any) -> Any:
    match tool:
        case {"function": {"name": str(name)}}:
            return name
        case _:
            return None


def _check_can_be_called(param: str, forced: str | None, tools: Sequence[Json]) -> None:
    names = [tool["function"]["name"] for tool in tools]
    if not names:
        raise bad_request(f"'{param}' needs 'tools'.", param=param)
    if forced is not None and forced not in names:
        raise bad_request(f"'{param}' names a function that is not in 'tools'.", param=param)


def _response_format(value: Any) -> ResponseFormat | None:
    match value:
        case None | {"type": "text"}:
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
            raise bad_request(
                "'response_format' must be of type 'text', 'json_object' or 'json_schema'.",
                param="response_format",
                code="invalid_value",
            )


def _thinking(data: Json) -> Thinking:
    """OpenAI's `reasoning_effort`, or the words of OpenRouter, Google, Ollama and Groq for it."""
    if data.keys().isdisjoint(_WORDS_OF_THINKING):
        return Thinking()
    other = checked(data, "reasoning", json_object) or {}
    path, google = _google_thinking(data)
    effort = checked(data, "reasoning_effort", _effort)
    effort = effort or member(other, "reasoning", "effort", _effort)
    effort = effort or member(google, path, "thinking_level", _effort)
    if effort is None and (other.get("enabled") is False or data.get("think") is False):
        effort = "none"
    if effort is None and data.get("think") in ("low", "medium", "high", "max"):
        effort = data["think"]
    budget = member(other, "reasoning", "max_tokens", _budget)
    if budget is None:
        budget = member(google, path, "thinking_budget", _budget)
    exclude = member(other, "reasoning", "exclude", flag)
    include = member(google, path, "include_thoughts", flag)
    if include is None:
        include = _shows_thoughts(data)
    return Thinking(effort, budget, include if exclude is None else not exclude)


_WORDS_OF_THINKING = frozenset(
    {
        *("reasoning_effort", "reasoning", "think", "include_reasoning", "reasoning_format"),
        *("extra_body", "google", "thinking_config"),
    }
)


def _effort(name: str, value: Any) -> str:
    effort = string(name, value).lower()
    if effort not in EFFORTS:
        raise out_of_range(name, "one of " + ", ".join(EFFORTS))
    return effort


def _shows_thoughts(data: Json) -> bool | None:
    match data:
        case {"include_reasoning": bool(include)}:
            return include
        case {"reasoning_format": "parsed" | "raw" | "hidden" as form}:
            return bool(form != "hidden")
        case _:
            return True if data.get("think") is True else None


_budget = whole(-1, 2**31 - 1)


def _google_thinking(data: Json) -> tuple[str, Json]:
    match data:
        case {"extra_body": {"google": {"thinking_config": dict(config)}}}:
            return "extra_body.google.thinking_config", config
        case {"google": {"thinking_config": dict(config)}}:
            return "google.thinking_config", config
        case {"thinking_config": dict(config)}:
            return "thinking_config", config
        case _:
            return "", {}
