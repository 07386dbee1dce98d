"""A chat request -> the body of Converse. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from adapters.base import ChatRequest, Memory, NativeCall, ResponseFormat
from adapters.bedrock.messages import Conversation, has_calls, is_unsigned, system_blocks
from adapters.bedrock.names import family, model_path, refused
from adapters.bedrock.settings import KIND
from adapters.bedrock.thinking import NOTHING, thinking
from adapters.configured import ProviderSettings
from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.translation.functions import function_name
from adapters.translation.instructions import instructed
from adapters.translation.own_fields import merged
from adapters.translation.wishes import FOR_OTHERS, left_out, unmet

MOST_TEMPERATURE = 1.0
MAX_STOPS = 2500
TIERS = frozenset({"default", "flex", "priority"})
_READ = frozenset({"temperature", "top_p", "service_tier", "modalities"})


def to_native(request: ChatRequest, settings: ProviderSettings, memory: Memory) -> NativeCall:
    """The call that `request` becomes. Raises AdapterError for what Bedrock cannot be asked."""
    path = model_path(request.model, "converse-stream" if request.stream else "converse")
    warnings: list[str] = []
    wanted = request.response_format
    messages = request.messages
    if wanted is not None and wanted.schema is None:
        messages = instructed(messages, wanted)
        warnings.append("emulated=response_format")
    # Without a list of tools nobody can call one, which is all that "none" asks for.
    has_tools = bool(request.tools) and request.tool_choice != "none"
    calls_are_text = not has_tools and has_calls(messages)
    if calls_are_text:
        warnings.append("changed=messages.tool_calls")
    conversation = Conversation(request.model, memory, warnings, calls_are_text=calls_are_text)
    body: Json = {"messages": conversation.turns(messages)}
    if system := system_blocks(messages):
        body["system"] = system
    if has_tools:
        body["toolConfig"] = _tools(request, warnings)
    body |= _bounds(request, settings, warnings)
    body |= _thinking(request, body, warnings)
    if wanted is not None and wanted.schema is not None:
        body["outputConfig"] = body.get("outputConfig", {}) | {"textFormat": _format(wanted)}
    _read_params(request.params, body, warnings)
    _read_extensions(request, body, warnings)
    if KIND in request.extensions:
        body = merged(body, request.extensions[KIND])
    return NativeCall("POST", path, body, tuple(dict.fromkeys(warnings)), request.stream)


def _tools(request: ChatRequest, warnings: list[str]) -> Json:
    config: Json = {"tools": [_tool(tool["function"]) for tool in request.tools]}
    if request.forced_tool is not None:
        config["toolChoice"] = {"tool": {"name": function_name(request.forced_tool)}}
    elif request.tool_choice in ("auto", "required"):
        config["toolChoice"] = {"any" if request.tool_choice == "required" else "auto": {}}
    if request.parallel_tool_calls is False:
        warnings.append("emulated=parallel_tool_calls")
    return config


def _tool(function: Json) -> Json:
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    spec: Json = {"name": function_name(function["name"])}
    if description := function.get("description"):
        spec["description"] = description
    spec["inputSchema"] = {"json": parameters}
    if function.get("strict"):
        spec["strict"] = True
    return {"toolSpec": spec}


def _bounds(request: ChatRequest, settings: ProviderSettings, warnings: list[str]) -> Json:
    config: Json = {}
    if most := request.max_tokens or settings.max_tokens:
        config["maxTokens"] = most
    temperature = request.params.get("temperature", settings.temperature)
    if temperature is not None:
        config["temperature"] = min(temperature, MOST_TEMPERATURE)
        if temperature > MOST_TEMPERATURE:
            warnings.append("changed=temperature")
    if (top_p := request.params.get("top_p")) is not None:
        config["topP"] = top_p
    if stops := [stop for stop in request.stop if stop]:
        config["stopSequences"] = stops[:MAX_STOPS]
    return {"inferenceConfig": config} if config else {}


def _thinking(request: ChatRequest, body: Json, warnings: list[str]) -> Json:
    config = body.get("inferenceConfig", {})
    wish = thinking(
        request,
        config.get("maxTokens"),
        unsigned=is_unsigned(body["messages"]),
        warnings=warnings,
    )
    if wish is NOTHING:
        return {}
    found: Json = {"additionalModelRequestFields": wish.fields}
    if wish.effort is not None:
        found["outputConfig"] = {"effort": wish.effort}
    if "thinking" in wish.fields and config.keys() & {"temperature", "topP"}:
        kept = {key: config[key] for key in config if key not in ("temperature", "topP")}
        found["inferenceConfig"] = kept  # Claude chooses its words by itself while it thinks
        words = (("temperature", "temperature"), ("topP", "top_p"))
        warnings += [f"dropped={word}" for key, word in words if key in config]
    return found


def _format(wanted: ResponseFormat) -> Json:
    try:
        schema: Json = {"schema": orjson.dumps(wanted.schema).decode(), "name": wanted.name}
    except TypeError:
        raise refused(
            "the schema is nested too deeply, or a number in it is too large",
            "response_format.json_schema.schema",
            ErrorKind.BAD_REQUEST,
        ) from None
    if wanted.description is not None:
        schema["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _read_params(params: Mapping[str, Any], body: Json, warnings: list[str]) -> None:
    if found := unmet(params):
        raise refused(f"Bedrock cannot take {found[1]}", found[0])
    for name, value in params.items():
        if name == "service_tier" and value in TIERS:
            body["serviceTier"] = {"type": value}
        elif name == "service_tier" and value != "auto":
            warnings.append("dropped=service_tier")
        elif name not in _READ and (value or name not in ("store", "logprobs")):
            warnings.append(f"dropped={name}")


def _read_extensions(request: ChatRequest, body: Json, warnings: list[str]) -> None:
    read = FOR_OTHERS
    fields = body.get("additionalModelRequestFields", {})
    may_choose = family(request.model) == "anthropic" and "thinking" not in fields
    if may_choose and request.extensions.get("top_k") is not None:
        body["additionalModelRequestFields"] = {**fields, "top_k": request.extensions["top_k"]}
        read |= {"top_k"}
    warnings += left_out(request.extensions, read)
