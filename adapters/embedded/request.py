"""OpenAI's request -> the body that llama.cpp's server takes. Pure.

llama.cpp speaks OpenAI's language but lets a request set far more than a client should (slots,
adapters, grammars), so the body is built from a list of names. Every call is streamed: only bytes
show that a slow answer is alive. Source: llama.cpp, tools/server/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import ChatRequest, NativeCall
from adapters.configured import ProviderSettings
from adapters.embedded.messages import NAME, to_messages, unsupported
from adapters.embedded.weights import ModelFacts
from adapters.errors import ErrorKind, Scope, unsent
from adapters.events import Json
from adapters.translation.wishes import FOR_OTHERS, left_out, unmet

PATH = "/v1/chat/completions"
MAX_INT32 = 2**31 - 1

_TAKEN = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_DROPPED = (
    *("logit_bias", "user", "safety_identifier", "metadata", "store", "service_tier", "verbosity"),
    *("prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("moderation", "stream_options.include_obfuscation"),
)
_OWN: Mapping[str, tuple[float, float]] = {
    "top_k": (0, MAX_INT32),
    "min_p": (0, 1),
    "repeat_penalty": (0.1, 10),
}
"""llama.cpp's own names that a client may set, with what they may be."""
REPEAT_PENALTY = 1.1
"""Without one a small model comes to say the same over and over."""


def to_native(request: ChatRequest, settings: ProviderSettings, facts: ModelFacts) -> NativeCall:
    """The body that llama.cpp gets, and what was lost. Raises AdapterError for what it can't do."""
    _refuse(request, settings, facts)
    warnings: list[str] = []
    tools = _tools(request, warnings)
    messages = to_messages(request.messages, warnings, with_calls=facts.knows("tool_calls"))
    body: Json = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        **_sampling(request, settings, warnings),
        **_repetition(request),
        **_own(request.extensions, warnings),
        **tools,
        **_response_format(request),
        **_thinking(request, facts, warnings),
    }
    return NativeCall("POST", PATH, body, tuple(dict.fromkeys(warnings)), stream=True)


def _refuse(request: ChatRequest, settings: ProviderSettings, facts: ModelFacts) -> None:
    if request.model != settings.model:
        raise unsent(
            NAME,
            ErrorKind.MODEL_MISSING,
            f"there is one embedded model, '{settings.model}'",
            scope=Scope.MODEL,
            param="model",
        )
    if request.tools and request.tool_choice != "none" and not facts.knows("tools"):
        raise unsupported("tools", "tools")
    if found := unmet(request.params, "logprobs"):
        raise unsupported(*found)


def _sampling(request: ChatRequest, settings: ProviderSettings, warnings: list[str]) -> Json:
    params = request.params
    body: Json = {name: params[name] for name in _TAKEN if name in params}
    if settings.temperature is not None:
        body.setdefault("temperature", settings.temperature)
    if most := request.max_tokens or settings.max_tokens:
        body["max_tokens"] = min(most, MAX_INT32)
    if request.stop:
        body["stop"] = list(request.stop)
    if "seed" in params:  # llama.cpp's has 32 bits, and all of them set mean "random"
        body["seed"] = params["seed"] & MAX_INT32
    if params.get("logprobs"):  # 0 would switch them off
        body |= {"logprobs": True, "top_logprobs": max(1, params.get("top_logprobs", 0))}
    warnings.extend(f"dropped={name}" for name in _DROPPED if params.get(name))
    return body


def _repetition(request: ChatRequest) -> Json:
    """JSON and calls must repeat their signs, and are held to their form by a grammar."""
    is_free = request.response_format is None and (
        not request.tools or request.tool_choice == "none"
    )
    return {"repeat_penalty": REPEAT_PENALTY} if is_free else {}


def _own(extensions: Mapping[str, Any], warnings: list[str]) -> Json:
    """llama.cpp's own parameters: from the top level, or from the block of this provider's name."""
    block = extensions.get(NAME)
    given = {**extensions, **block} if isinstance(block, Mapping) else extensions
    body: Json = {}
    for name, (low, high) in _OWN.items():
        value = given.get(name)
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise unsent(
                NAME,
                ErrorKind.BAD_REQUEST,
                f"'{name}' must be a number from {low} to {high}",
                param=name,
            )
        body[name] = int(value) if name == "top_k" else value
    warnings += left_out(extensions, FOR_OTHERS | _OWN.keys())
    if isinstance(block, Mapping) and block.keys() - _OWN.keys():
        warnings.append(f"dropped={NAME}")
    return body


def _tools(request: ChatRequest, warnings: list[str]) -> Json:
    if not request.tools or request.tool_choice == "none":
        return {}
    tools = [tool["function"] for tool in request.tools]
    choice = request.tool_choice
    if request.forced_tool is not None:  # llama.cpp can force some tool, but not a certain one
        tools = [tool for tool in tools if tool.get("name") == request.forced_tool]
        warnings.append("emulated=tool_choice")
    body: Json = {"tools": [_tool(tool) for tool in tools]}
    if choice is not None:
        body["tool_choice"] = choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _tool(function: Json) -> Json:
    names = ("name", "description", "parameters")
    kept = {name: function[name] for name in names if function.get(name) is not None}
    kept.setdefault("parameters", {"type": "object", "properties": {}})
    return {"type": "function", "function": kept}


def _response_format(request: ChatRequest) -> Json:
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.schema is None:
        return {"response_format": {"type": "json_object"}}
    schema = {"name": wanted.name, "schema": wanted.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _thinking(request: ChatRequest, facts: ModelFacts, warnings: list[str]) -> Json:
    """Thinking can be switched on and off where the template has a switch, but not measured."""
    wanted = request.thinking
    effort = wanted.effort or (None if wanted.budget_tokens is None else "medium")
    if wanted.budget_tokens == 0:
        effort = "none"
    if effort is None:
        return {}
    if not facts.knows("enable_thinking"):
        if effort != "none":
            warnings.append("dropped=reasoning_effort")
        return {}
    if effort != "none":
        warnings.append("changed=reasoning_effort")
    return {"chat_template_kwargs": {"enable_thinking": effort != "none"}}
