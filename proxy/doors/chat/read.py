"""A client's body -> ChatRequest: checked field by field, OpenAI's older spellings made new. Pure.

Every refusal is a 400 that names the `param`, as OpenAI's own are; nothing here raises anything
else, whatever the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from adapters.base import ChatRequest, Json, ResponseFormat, Thinking
from adapters.json_size import has_too_many_values, is_deeper_than
from proxy.doors.chat.messages import parse_messages
from proxy.doors.schemas import with_bounded_schemas
from proxy.errors import ApiError, bad_request, model_not_found

MAX_DEPTH = 128
MAX_TOOLS = 128
MAX_CHOICES = 4
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}", re.ASCII)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Parsed(Struct, frozen=True):
    """A request, and what only the answer's form depends on."""

    request: ChatRequest
    include_usage: bool
    legacy_functions: bool


def parse_json(body: bytes) -> Json:
    """The body as a JSON object no deeper than `MAX_DEPTH`. Raises ApiError."""
    if has_too_many_values(body):
        raise bad_request("The body holds too many values.", code="invalid_json")
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error).partition(":")[0]
        raise bad_request(f"The body is not valid JSON: {reason}.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise bad_request("The body must be a JSON object.", code="invalid_json")
    if is_deeper_than(MAX_DEPTH, data):
        raise bad_request(f"The body is nested deeper than {MAX_DEPTH}.", code="invalid_json")
    return data


def check_model_name(model: object) -> str:
    """The name if it can be a model's; 404 otherwise, so that it never becomes part of a URL."""
    if model is None:
        raise bad_request("You must provide a model parameter.", param="model")
    if not isinstance(model, str):
        raise _wrong_type("model", "a string")
    if not MODEL_NAME.fullmatch(model) or ".." in model or "//" in model:
        raise model_not_found(model)
    return model


def parse_request(data: Json) -> Parsed:
    """The request in `data`, which is left as it is. Raises ApiError."""
    data = {name: value for name, value in data.items() if value is not None}
    model = check_model_name(data.get("model"))
    messages = parse_messages(data.get("messages"))
    tools, legacy = _tools(data)
    choice, forced, tools = _tool_choice(data, tools)
    options = _checked(data, "stream_options", _object) or {}
    params = {name: _PARAMS[name](name, value) for name, value in data.items() if name in _PARAMS}
    if _inner(options, "stream_options", "include_obfuscation", _flag):
        params["stream_options.include_obfuscation"] = True
    if "top_logprobs" in params and not params.get("logprobs"):
        raise bad_request("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
    most = _checked(data, "max_tokens", _count)
    request = ChatRequest(
        model=model,
        messages=messages,
        stream=_checked(data, "stream", _flag) or False,
        max_tokens=_checked(data, "max_completion_tokens", _count) or most,
        stop=_stop(data.get("stop")),
        n=_checked(data, "n", _choices) or 1,
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        parallel_tool_calls=_checked(data, "parallel_tool_calls", _flag),
        response_format=_response_format(data.get("response_format")),
        thinking=_thinking(data),
        params=params,
        extensions={name: value for name, value in data.items() if name not in _KNOWN},
    )
    include_usage = _inner(options, "stream_options", "include_usage", _flag) or False
    return Parsed(with_bounded_schemas(request), request.stream and include_usage, legacy)


# Checks: each gives the value, or raises with the parameter's name.

Check = Callable[[str, Any], Any]


def _checked(data: Mapping[str, Any], name: str, check: Check) -> Any:
    value = data.get(name)
    return None if value is None else check(name, value)


def _inner(data: Mapping[str, Any], path: str, name: str, check: Check) -> Any:
    value = data.get(name)
    return None if value is None else check(f"{path}.{name}", value)


def _wrong_type(param: str, expected: str) -> ApiError:
    return bad_request(f"'{param}' must be {expected}.", param=param, code="invalid_type")


def _out_of_range(param: str, expected: str) -> ApiError:
    return bad_request(f"'{param}' must be {expected}.", param=param, code="invalid_value")


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, "true or false")
    return value


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string")
    return value


def _object(name: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise _wrong_type(name, "an object")
    return value


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong_type(name, "a list")
    return value


def _strings(name: str, value: Any) -> list[str]:
    return [_string(name, item) for item in _list(name, value)]


def _anything(_name: str, value: Any) -> Any:
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(name, "an integer")
    return value


def _between(low: float, high: float) -> Check:
    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(name, "a number")
        if not low <= value <= high:
            raise _out_of_range(name, f"between {low:g} and {high:g}")
        return value

    return check


def _whole(low: int, high: int) -> Check:
    def check(name: str, value: Any) -> int:
        if not low <= _integer(name, value) <= high:
            raise _out_of_range(name, f"between {low} and {high}")
        return int(value)

    return check


_count = _whole(1, 2**31 - 1)
_choices = _whole(1, MAX_CHOICES)

_PARAMS: Mapping[str, Check] = {
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
    "seed": _whole(-(2**63), 2**63 - 1),
    "logit_bias": _object,
    "logprobs": _flag,
    "top_logprobs": _whole(0, 20),
    "user": _string,
    "safety_identifier": _string,
    "metadata": _object,
    "store": _flag,
    "service_tier": _string,
    "verbosity": _string,
    "modalities": _strings,
    "audio": _object,
    "prediction": _object,
    "web_search_options": _object,
    "prompt_cache_key": _string,
    "prompt_cache_options": _anything,
    "prompt_cache_retention": _anything,
    "moderation": _anything,
}

_KNOWN = frozenset(_PARAMS) | {
    *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"),
    *("stop", "n", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"),
    *("response_format", "reasoning_effort", "reasoning"),
}


def _stop(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else _strings("stop", value)
    if len(stops) > 4:
        raise _out_of_range("stop", "at most 4 strings")
    return tuple(filter(None, stops))  # an empty one would stop everywhere


_WORDS_OF_TOOLS = frozenset({"tools", "functions", "function_call"})


def _tools(data: Json) -> tuple[list[Json], bool]:
    """The function tools, and whether they came as the older `functions`."""
    if data.keys().isdisjoint(_WORDS_OF_TOOLS):
        return [], False
    legacy = "tools" not in data and ("functions" in data or "function_call" in data)
    if legacy:
        functions = _list("functions", data.get("functions", []))
        tools = [{"type": "function", "function": function} for function in functions]
    else:
        tools = _list("tools", data.get("tools", []))
    name = "functions" if legacy else "tools"
    if len(tools) > MAX_TOOLS:
        raise _out_of_range(name, f"a list of at most {MAX_TOOLS}")
    for i, tool in enumerate(tools):
        _check_tool(f"{name}[{i}]", tool, inner="" if legacy else ".function")
    return tools, legacy


def _check_tool(param: str, tool: Any, *, inner: str) -> None:
    kind = _object(param, tool).get("type")
    if kind != "function":
        raise bad_request(
            f"Only tools of type 'function' can be used; '{param}' is of another type.",
            param=f"{param}.type",
            code="unsupported_parameter",
        )
    param += inner
    function = _object(param, tool.get("function"))
    if not _string(f"{param}.name", function.get("name")):
        raise _out_of_range(f"{param}.name", "a name")
    _inner(function, param, "description", _string)
    _inner(function, param, "parameters", _object)


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
        raise _out_of_range(param, "'auto', 'none', 'required' or a function of 'tools'")
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
            return _schema_format("response_format.json_schema", wrapped)
        case {"type": "json_schema" | "json_object", "schema": dict()}:  # as llama.cpp has it
            return _schema_format("response_format", value)
        case {"type": "json_object"}:
            _inner(value, "response_format", "schema", _object)
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


def _schema_format(path: str, wrapped: Json) -> ResponseFormat:
    return ResponseFormat(
        schema=wrapped["schema"],
        name=_inner(wrapped, path, "name", _string) or "response",
        description=_inner(wrapped, path, "description", _string),
        strict=_inner(wrapped, path, "strict", _flag),
    )


def _thinking(data: Json) -> Thinking:
    """OpenAI's `reasoning_effort`, or the words of OpenRouter, Google, Ollama and Groq for it."""
    if data.keys().isdisjoint(_WORDS_OF_THINKING):
        return Thinking()
    other = _checked(data, "reasoning", _object) or {}
    path, google = _google_thinking(data)
    effort = _checked(data, "reasoning_effort", _effort)
    effort = effort or _inner(other, "reasoning", "effort", _effort)
    effort = effort or _inner(google, path, "thinking_level", _effort)
    if effort is None and (other.get("enabled") is False or data.get("think") is False):
        effort = "none"
    if effort is None and data.get("think") in ("low", "medium", "high", "max"):
        effort = data["think"]
    budget = _inner(other, "reasoning", "max_tokens", _budget)
    if budget is None:
        budget = _inner(google, path, "thinking_budget", _budget)
    exclude = _inner(other, "reasoning", "exclude", _flag)
    include = _inner(google, path, "include_thoughts", _flag)
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
    effort = _string(name, value).lower()
    if effort not in EFFORTS:
        raise _out_of_range(name, "one of " + ", ".join(EFFORTS))
    return effort


def _shows_thoughts(data: Json) -> bool | None:
    match data:
        case {"include_reasoning": bool(include)}:
            return include
        case {"reasoning_format": "parsed" | "raw" | "hidden" as form}:
            return bool(form != "hidden")
        case _:
            return True if data.get("think") is True else None


_budget = _whole(-1, 2**31 - 1)


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
