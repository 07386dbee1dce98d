"""OpenAI's request -> Groq's body. Pure.

Groq speaks OpenAI's language but answers 400 to every key that it does not know, in the request
as in its messages: so both are built from lists of what it takes, never copied.
Sources: groq-python `CompletionCreateParams`; console.groq.com/docs, "OpenAI compatibility",
"Reasoning", "Structured outputs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import SEARCH, USER, ChatRequest, NativeCall
from adapters.compatible.messages import to_messages, unsupported
from adapters.compatible.request import json_schema, set_json_mode, tools_of
from adapters.configured import ProviderSettings
from adapters.events import Json
from adapters.groq.models import PROVIDER, REASONING_MODELS, TAKEN
from adapters.translation.instructions import instructed
from adapters.translation.own_fields import merged
from adapters.translation.thinking import effort_of
from adapters.translation.wishes import FOR_OTHERS, left_out, unmet

ROOT = "/openai/v1"
PATH = f"{ROOT}/chat/completions"

SCHEMA_MODELS = (
    "openai/gpt-oss",
    "qwen/qwen3.6",
    "qwen/qwen3.8",
    "moonshotai/kimi-k2",
    "meta-llama/llama-4",
)
COMPOUND_MODELS = ("compound", "groq/compound")
MAX_STOPS = 4
MAX_TOOLS = 128

# Groq's own models bear its name, which looks like our prefix and is gone by the time we see it.
_OWN_MODELS: Mapping[str, str] = {
    "compound": "groq/compound",
    "compound-mini": "groq/compound-mini",
}

_TAKEN = ("temperature", "top_p", "seed", "user")
_TAKEN_AS_THEY_ARE = frozenset(_TAKEN)
_DROPPED_IF_SET = ("frequency_penalty", "presence_penalty", "logit_bias", "store")
_DROPPED = (
    "verbosity",
    "metadata",
    "safety_identifier",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options.include_obfuscation",
)
_TIERS: Mapping[str, str] = {
    "auto": "auto",
    "flex": "flex",
    "on_demand": "on_demand",
    "performance": "performance",
    "default": "on_demand",
    "priority": "performance",
    "fast": "performance",
}
_OWN_NAMES = (
    "reasoning_format",
    "include_reasoning",
    "search_settings",
    "documents",
    "citation_options",
    "compound_custom",
    "disable_tool_validation",
)
_GPT_OSS_EFFORT: Mapping[str, str] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_LEVELS_EFFORT: Mapping[str, str] = {**_GPT_OSS_EFFORT, "none": "none"}
_SWITCH_EFFORT = dict.fromkeys(_GPT_OSS_EFFORT, "default") | {"none": "none"}
EFFORTS: Mapping[str, Mapping[str, str]] = {
    "openai/gpt-oss": _GPT_OSS_EFFORT,
    "qwen/qwen3.8": _LEVELS_EFFORT,
    "qwen/": _SWITCH_EFFORT,
}
"""Per family of models, the first that fits: OpenAI's effort -> the one that Groq takes."""

_FORMAT_FAMILIES = ("qwen/", "qwen-qwq", "deepseek-r1")


def to_native(request: ChatRequest, settings: ProviderSettings) -> NativeCall:
    """The body that Groq gets, and what was lost. Raises AdapterError for what it cannot do."""
    warnings: list[str] = []
    if request.params and (found := unmet(request.params, "web_search_options")):
        raise unsupported(*found, TAKEN)
    messages = to_messages(request.messages, request.model, warnings, TAKEN)
    body: Json = {"model": _OWN_MODELS.get(request.model, request.model), "messages": messages}
    ends_open = bool(messages) and messages[-1]["role"] == "assistant"
    if ends_open and request.model.startswith(REASONING_MODELS):
        warnings.append("emulated=prefill")  # they think before they go on with anything
    body |= _sampling(request, settings, warnings)
    if len(request.tools) > MAX_TOOLS:
        raise unsupported("tools", f"more than {MAX_TOOLS} tools", TAKEN)
    if request.tools:
        body |= tools_of(request)
    body |= _thinking(request, warnings)
    if "web_search_options" in request.params or SEARCH in request.extensions:
        body |= _search(request, body, warnings)
    if request.extensions:
        body |= _own(request, warnings)
    as_stream = _set_response_format(body, request, warnings)
    if as_stream:
        body["stream"] = True
    if PROVIDER in request.extensions:
        body = merged(body, request.extensions[PROVIDER])
    stream = body.get("stream") is True
    words = tuple(dict.fromkeys(warnings)) if warnings else ()
    return NativeCall("POST", PATH, body, words, stream)


def _sampling(request: ChatRequest, settings: ProviderSettings, warnings: list[str]) -> Json:
    params = request.params
    body: Json = {name: params[name] for name in _TAKEN if name in params}
    if USER in request.extensions and (user := request.extensions[USER]) is not None:
        body.setdefault("user", user)
    if settings.temperature is not None:
        body.setdefault("temperature", settings.temperature)
    if most := request.max_tokens or settings.max_tokens:
        body["max_completion_tokens"] = most
    if request.stop:
        body["stop"] = list(request.stop[:MAX_STOPS])
        if len(request.stop) > MAX_STOPS:
            warnings.append("dropped=stop")
    if tier := params.get("service_tier"):
        body |= _service_tier(tier, warnings)
    if not params.keys() <= _TAKEN_AS_THEY_ARE:
        warnings.extend(f"dropped={name}" for name in _DROPPED_IF_SET if params.get(name))
        warnings.extend(f"dropped={name}" for name in (*_DROPPED, "moderation") if name in params)
    return body


def _service_tier(tier: str, warnings: list[str]) -> Json:
    native = _TIERS.get(tier)
    if native != tier:
        warnings.append("changed=service_tier" if native else "dropped=service_tier")
    return {"service_tier": native} if native else {}


def _thinking(request: ChatRequest, warnings: list[str]) -> Json:
    wanted = request.thinking.effort or effort_of(request.thinking.budget_tokens)
    efforts = _efforts(request.model) if wanted else None
    body: Json = {}
    if wanted and efforts:
        body["reasoning_effort"] = effort = efforts[wanted]
        if effort != request.thinking.effort:
            warnings.append("changed=reasoning_effort")
    elif wanted and wanted != "none":
        warnings.append("dropped=reasoning_effort")
    said = request.extensions
    if not (said and said.keys() & {"reasoning_format", "include_reasoning"}):
        body |= _thoughts(request.model, wanted, include=request.thinking.include)
    return body


def _efforts(model: str) -> Mapping[str, str] | None:
    return next((table for family, table in EFFORTS.items() if model.startswith(family)), None)


def thinks(model: str) -> bool:
    """Whether the model thinks before it answers, as far as its name shows."""
    return model.startswith(("openai/gpt-oss", *COMPOUND_MODELS, *_FORMAT_FAMILIES))


def _thoughts(model: str, effort: str | None, *, include: bool | None) -> Json:
    """What makes the thoughts come in a field of their own, or not at all.

    Left alone, Qwen and DeepSeek write them into the answer's text, so they are never left alone.
    """
    if model.startswith("openai/gpt-oss"):
        return {} if include is None else {"include_reasoning": include}
    if not model.startswith(_FORMAT_FAMILIES):
        return {}
    if include is False:
        return {"reasoning_format": "hidden"}
    return {} if effort == "none" and not include else {"reasoning_format": "parsed"}


def _search(request: ChatRequest, body: Json, warnings: list[str]) -> Json:
    """`web_search_options` as Compound or gpt-oss takes it; no other model can search."""
    options = request.params.get("web_search_options")
    if options is None and _can_search(request.model):
        options = request.extensions.get(SEARCH)
    if options is None:
        return {}
    if request.model.startswith("openai/gpt-oss"):
        warnings.extend(f"dropped=web_search_options.{name}" for name in options)
        return {"tools": [*body.get("tools", ()), {"type": "browser_search"}]}
    if request.model.startswith(COMPOUND_MODELS):
        settings = _search_settings(options, warnings)
        return {"search_settings": settings} if settings else {}
    raise unsupported("web_search_options", "'web_search_options' with this model", TAKEN)


def _can_search(model: str) -> bool:
    return model.startswith(("openai/gpt-oss", *COMPOUND_MODELS))


def _search_settings(options: Mapping[str, Any], warnings: list[str]) -> Json:
    settings: Json = {}
    for name, value in options.items():
        match name, value:
            case "user_location", {"approximate": {"country": str(country)}} if len(country) > 2:
                settings["country"] = country.lower()
            case "filters", {"allowed_domains": [*domains]}:
                settings["include_domains"] = domains
            case "filters", {"blocked_domains": [*domains]}:
                settings["exclude_domains"] = domains
            case _:  # OpenAI's country is a code of two letters, Groq's is a name
                warnings.append(f"dropped=web_search_options.{name}")
    return settings


def _own(request: ChatRequest, warnings: list[str]) -> Json:
    """The names of Groq's own that came at the top level; what nobody knows is named."""
    extensions = request.extensions
    read = {*FOR_OTHERS, *_OWN_NAMES, *((SEARCH,) if _can_search(request.model) else ())}
    warnings += left_out(extensions, read)
    return {name: extensions[name] for name in _OWN_NAMES if extensions.get(name) is not None}


# Structured output


def _set_response_format(body: Json, request: ChatRequest, warnings: list[str]) -> bool:
    """Put `response_format` into `body` as far as Groq can; True where it may still stream.

    Groq refuses it beside tools, and a schema in a stream. A schema that it would refuse becomes
    an instruction.
    """
    wanted = request.response_format
    if wanted is None:
        return request.stream
    if request.tool_choice == "none":
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            body.pop(name, None)
    if body.get("tools"):
        body["messages"] = instructed(body["messages"], wanted)
        warnings.append("emulated=response_format")
        return request.stream
    if wanted.schema is not None and request.model.startswith(SCHEMA_MODELS):
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema(wanted)}
        if request.stream:
            warnings.append("emulated=stream")
        return False
    set_json_mode(body, wanted, warnings)
    return request.stream
