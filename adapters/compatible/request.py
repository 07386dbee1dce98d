"""What bodies have in common for all who speak as OpenAI does, and second tries. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from adapters.base import ChatRequest, Json, NativeCall, ResponseFormat
from adapters.translation.functions import function_name
from adapters.translation.instructions import instructed

EMULATED = "emulated=response_format"
INSTRUCTED = "changed=messages"


def tools_of(request: ChatRequest) -> Json:
    """The tools, and which of them is to be called."""
    body: Json = {"tools": [_tool(tool["function"]) for tool in request.tools]}
    if request.forced_tool is not None:
        body["tool_choice"] = {
            "type": "function",
            "function": {"name": function_name(request.forced_tool)},
        }
    elif request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _tool(function: Json) -> Json:
    names = ("name", "description", "parameters", "strict")
    kept = {name: function[name] for name in names if function.get(name) is not None}
    kept["name"] = function_name(function["name"])
    schema = kept.get("parameters")
    # LM Studio refuses an object that says nothing of its fields.
    if isinstance(schema, dict) and schema.keys() <= {"type", "$schema", "additionalProperties"}:
        kept["parameters"] = {"type": "object", "properties": {}, **schema}
    return {"type": "function", "function": kept}


def set_json_mode(body: Json, wanted: ResponseFormat, warnings: list[str]) -> None:
    """Ask for JSON, and for its schema in words: the word itself must stand in some message."""
    body["response_format"] = {"type": "json_object"}
    if wanted.schema is not None:
        body["messages"] = instructed(body["messages"], wanted)
        warnings.append(EMULATED)
    elif not any("json" in _all_text(message).lower() for message in body["messages"]):
        body["messages"] = instructed(body["messages"], wanted)
        warnings.append(INSTRUCTED)


def json_schema(wanted: ResponseFormat) -> Json:
    """`response_format.json_schema`."""
    schema: Json = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return schema


def _all_text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def without_schema(call: NativeCall) -> NativeCall:
    """The call with a schema as an instruction, for a model that turns out to take none."""
    wrapped = call.body["response_format"]["json_schema"]
    body = dict(call.body)
    words: list[str] = []
    set_json_mode(body, ResponseFormat(wrapped.get("schema") or {}), words)
    return call.but(body, *words)


def in_words(call: NativeCall) -> NativeCall:
    """The call with JSON as an instruction alone, for a model that takes no format."""
    wanted = call.body["response_format"].get("json_schema") or {}
    body = {key: value for key, value in call.body.items() if key != "response_format"}
    if not {EMULATED, INSTRUCTED}.intersection(call.warnings):
        body["messages"] = instructed(body["messages"], ResponseFormat(wanted.get("schema")))
    words = [word for word in call.warnings if word not in (EMULATED, INSTRUCTED)]
    return replace(call, body=body, warnings=(*words, EMULATED))


def without(call: NativeCall, name: str, warning: str) -> NativeCall:
    """The call without one of its body's keys, if it has that."""
    if name not in call.body:
        return call
    body = {key: value for key, value in call.body.items() if key != name}
    return replace(call.but(body, warning), stream=call.stream and name != "stream")
