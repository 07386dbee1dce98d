"""A chat request -> the body of Ollama's `POST /api/chat`. Pure.

Source: Ollama's `docs/api.md` and `api/types.go` (ChatRequest, Options).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.base import ChatRequest, NativeCall, ResponseFormat
from adapters.configured import ProviderSettings
from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.ollama.context import (
    DEFAULT_NUM_CTX,
    ModelFacts,
    Prompt,
    expected_output,
    measured,
    sized_num_ctx,
)
from adapters.ollama.messages import native_messages, refuse
from adapters.ollama.settings import OllamaSettings, duration
from adapters.translation.instructions import instructed
from adapters.translation.own_fields import merged
from adapters.translation.schema_refs import inlined
from adapters.translation.thinking import effort_of
from adapters.translation.wishes import FOR_OTHERS, left_out, unmet

CHAT_PATH = "/api/chat"
OPTIONS = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
OWN_OPTIONS = (
    *("top_k", "min_p", "num_ctx", "typical_p", "repeat_penalty", "repeat_last_n"),
    *("mirostat", "mirostat_tau", "mirostat_eta"),
)
OWN_FIELDS = ("truncate", "shift")
READ = frozenset({"stream_options", "modalities", "logprobs", "top_logprobs", *OPTIONS})
EXTENSIONS = FOR_OTHERS | {"options", "format", *OWN_OPTIONS, *OWN_FIELDS}
THINK_OF_EFFORT: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}


def to_native(
    request: ChatRequest,
    settings: OllamaSettings,
    facts: ModelFacts,
    prompt: Prompt | None = None,
) -> NativeCall:
    """The call that `request` becomes.

    Every call is streamed: only bytes show that a slow model is at work, and a plain answer may
    take longer than any timeout. `prompt` is what has been measured already. Raises AdapterError
    with the parameter at fault for what Ollama has no way to do.
    """
    if found := unmet(request.params, "logprobs"):
        raise refuse(f"Ollama cannot take {found[1]}", found[0])
    warnings = _dropped(request)
    extra = request.extensions
    body: Json = {
        "model": request.model,
        "messages": native_messages(request.messages, facts, warnings),
        "stream": True,
    }
    if tools := _tools(request, warnings):
        body["tools"] = tools
    _set(body, "format", extra.get("format"))
    if "format" not in body and request.response_format is not None:
        _set_format(body, request.response_format, warnings)
    _set(body, "think", _think(request, facts, warnings))
    _set(body, "keep_alive", duration(extra.get("keep_alive", settings.keep_alive)))
    body |= {name: extra[name] for name in OWN_FIELDS if extra.get(name) is not None}
    if request.params.get("logprobs"):
        body["logprobs"] = True
        _set(body, "top_logprobs", request.params.get("top_logprobs"))
    _set(body, "options", _options(request, settings) or None)
    if own := _block(extra, "ollama"):
        body = merged(body, own) | {"model": request.model, "stream": True}
    _size_context(body, prompt or measured(request), facts, settings.num_ctx)
    return NativeCall("POST", CHAT_PATH, body, tuple(dict.fromkeys(warnings)), stream=True)


def _set(body: Json, key: str, value: Any) -> None:
    if value is not None:
        body[key] = value


def _dropped(request: ChatRequest) -> list[str]:
    """A word for each parameter that Ollama has no field for, unless it asks for nothing."""
    lost = [key for key, value in request.params.items() if value and key not in READ]
    if request.params.get("service_tier") in ("auto", "default"):  # what there is anyhow
        lost.remove("service_tier")
    return [f"dropped={key}" for key in lost] + left_out(request.extensions, EXTENSIONS)


def _tools(request: ChatRequest, warnings: list[str]) -> list[Json]:
    """The function tools; Ollama cannot be made to call one, so a choice narrows the list."""
    if request.tool_choice == "none":
        return []
    tools = [_tool(tool, i, warnings) for i, tool in enumerate(request.tools)]
    if request.forced_tool is not None:
        tools = [tool for tool in tools if tool["function"]["name"] == request.forced_tool]
        if not tools:
            raise refuse("tool_choice names no tool", "tool_choice", ErrorKind.BAD_REQUEST)
        warnings.append("emulated=tool_choice")
    elif request.tool_choice == "required":
        warnings.append("dropped=tool_choice")
    if tools and request.parallel_tool_calls is False:
        warnings.append("emulated=parallel_tool_calls")
    return tools


def _tool(tool: Json, index: int, warnings: list[str]) -> Json:
    if tool.get("type", "function") != "function":
        raise refuse("Ollama takes function tools only", f"tools[{index}].type")
    function = tool["function"]
    if function.get("strict"):
        warnings.append("dropped=tools.strict")
    native: Json = {"name": function["name"]}
    _set(native, "description", function.get("description"))
    native["parameters"] = _parameters(function.get("parameters") or {})
    return {"type": "function", "function": native}


def _parameters(schema: Json) -> Json:
    """The schema with all that the server's typed reader demands of it."""
    kept = _kept(inlined(schema))
    return {**kept, "type": kept.get("type") or "object", "properties": kept.get("properties", {})}


def _kept(schema: Any) -> Json:
    """A schema in the words that the server keeps: of references, `oneOf` and `const` it has none.

    `true` is a schema too, but not to Go.
    """
    if not isinstance(schema, dict):
        return {}
    kept = {key: value for key, value in schema.items() if key not in ("oneOf", "const")}
    if "const" in schema:
        kept["enum"] = [schema["const"]]
    branches = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(branches, list):
        kept["anyOf"] = [_kept(branch) for branch in branches]
    properties = schema.get("properties")
    if "properties" in schema:
        named = properties.items() if isinstance(properties, dict) else ()
        kept["properties"] = {name: _kept(part) for name, part in named}
    if isinstance(schema.get("items"), dict):
        kept["items"] = _kept(schema["items"])
    return kept


def _set_format(body: Json, wanted: ResponseFormat, warnings: list[str]) -> None:
    """The schema as a grammar; in words beside tools, since a grammar lets no call be written."""
    if "tools" in body:
        body["messages"] = instructed(body["messages"], wanted)
        warnings.append("emulated=response_format")
    else:
        body["format"] = "json" if wanted.schema is None else wanted.schema


def without_grammar(body: Json) -> Json:
    """The same body with its schema in words: the server cannot make a grammar of every one."""
    messages = instructed(body["messages"], ResponseFormat(schema=body["format"]))
    return {**body, "format": "json", "messages": messages}


def _think(request: ChatRequest, facts: ModelFacts, warnings: list[str]) -> bool | str | None:
    think = request.extensions.get("think")
    thinking = request.thinking
    if think is None and thinking.effort is not None:
        think = THINK_OF_EFFORT.get(thinking.effort)
        if think is None:
            warnings.append("dropped=reasoning_effort")
    elif think is None and thinking.budget_tokens is not None:
        think = THINK_OF_EFFORT[effort_of(thinking.budget_tokens) or "high"]
        warnings.append("emulated=thinking_budget")
    if facts.can("thinking") is False:
        if think:
            warnings.append("dropped=reasoning_effort")
        return None
    return think if isinstance(think, bool | str) else None


def _options(request: ChatRequest, settings: ProviderSettings) -> Json:
    options: Json = {key: request.params[key] for key in OPTIONS if key in request.params}
    if settings.temperature is not None:
        options.setdefault("temperature", settings.temperature)
    _set(options, "num_predict", request.max_tokens or settings.max_tokens)
    if request.stop:
        options["stop"] = list(request.stop)
    if not request.extensions:
        return options
    for key in OWN_OPTIONS:
        _set(options, key, request.extensions.get(key))
    return merged(options, _block(request.extensions, "options"))


def _size_context(body: Json, prompt: Prompt, facts: ModelFacts, num_ctx: int | None) -> None:
    """Make room for the prompt, and where it may be tight, have a cut answered by an error.

    A context that the request or the user names stays as it is.
    """
    options = _block(body, "options")
    predict = options.get("num_predict")
    room = expected_output(predict if isinstance(predict, int) and predict > 0 else None)
    size = options.get("num_ctx") or num_ctx or sized_num_ctx(prompt.tokens + room, facts)
    if size is not None:
        body["options"] = {**options, "num_ctx": size}
    if isinstance(size, int | None) and prompt.tokens * 2 > (size or DEFAULT_NUM_CTX):
        body.setdefault("truncate", False)


def _block(container: Mapping[str, Any], key: str) -> Json:
    block = container.get(key)
    if block is None:
        return {}
    if not isinstance(block, dict):
        raise refuse(f"{key} must be an object", key, ErrorKind.BAD_REQUEST)
    return block
