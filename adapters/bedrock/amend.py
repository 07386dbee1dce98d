"""A call that a model has refused -> the same without what it does not take. Pure.

Which model takes what changes more often than any list here; Bedrock names the field at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.base import NativeCall, ResponseFormat
from adapters.bedrock.messages import GO_ON
from adapters.errors import AdapterError, ErrorKind
from adapters.events import Json
from adapters.translation.instructions import instruction

ANSWER_TOOL = "json_answer"
AS_TOOL = "emulated=response_format"
_FIELD = re.compile(r"support(?:ed)? the ([A-Za-z.]{1,100}) field")
_PREFILL = re.compile(r"prefill|must end with a user", re.IGNORECASE)
_SYSTEM = re.compile(r"support system (messages|prompts?)", re.IGNORECASE)
_FORMAT = re.compile(
    r"outputConfig|textFormat|output_(config|format)|structured output|json_?schema|\bschema\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"toolChoice|tool_choice", re.IGNORECASE)
_THINKING = re.compile(r"thinking|reasoning|\beffort\b", re.IGNORECASE)
_WORDS: Mapping[str, str] = {"maxTokens": "max_tokens", "topP": "top_p", "stopSequences": "stop"}
_SAMPLING = (("temperature", "temperature"), ("topP", "top_p"))
_KEPT = frozenset({"messages", "content", "text", "toolConfig", "tools"})
"""Without these a call would be another one."""
_CLIENTS = frozenset({"input", "json"})
_OF_MODELS = frozenset({"additionalModelRequestFields", "outputConfig"})
_THINKING_FIELDS = frozenset({"thinking", "reasoningConfig", "reasoning_effort"})
MENDABLE = (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED)


def amended(call: NativeCall, error: AdapterError) -> NativeCall | None:
    """The call to send instead, if there is one."""
    if error.kind not in MENDABLE:
        return None
    body, message = call.body, error.message
    if _CHOICE.search(message) and "toolChoice" in body.get("toolConfig", {}):
        return call.but(without_choice(body), "emulated=tool_choice")
    if "textFormat" in body.get("outputConfig", {}) and _FORMAT.search(message):
        return call.but(with_answer_tool(body), AS_TOOL)
    if _PREFILL.search(message) and body["messages"][-1]["role"] == "assistant":
        more = {"role": "user", "content": [{"text": GO_ON}]}
        return call.but({**body, "messages": [*body["messages"], more]}, "emulated=prefill")
    if _SYSTEM.search(message) and "system" in body:
        return call.but(told_by_user(body), "emulated=system")
    if found := sampling(message, body):
        field, word = found
        return call.but(without(body, ["inferenceConfig", field]), f"dropped={word}")
    if _THINKING.search(message) and (bare := without_thinking(body)) != body:
        return call.but(bare, "dropped=reasoning_effort")
    named = _FIELD.search(message)
    path = named[1].split(".") if named else ["messages"]
    if path[-1] in _KEPT or (bare := without(body, path)) == body:
        return None
    return call.but(bare, f"dropped={_WORDS.get(path[-1], path[-1])}")


def sampling(message: str, body: Json) -> tuple[str, str] | None:
    """What says how words are chosen and is refused: its field, and OpenAI's name for it."""
    config = body.get("inferenceConfig", {})
    asked = [(field, word) for field, word in _SAMPLING if field in config and word in message]
    return asked[-1] if asked else None  # the last: of two that do not go together, the weaker


def without_choice(body: Json) -> Json:
    """Where a certain tool must be called, the others are left out; no choice is demanded."""
    config = body["toolConfig"]
    tools = config["tools"]
    if named := config["toolChoice"].get("tool"):
        tools = [one for one in tools if one.get("toolSpec", {}).get("name") == named["name"]]
    return {**body, "toolConfig": {"tools": tools or config["tools"]}}


def with_answer_tool(body: Json) -> Json:
    """A tool whose arguments are the answer, one of which must be called, in place of a format."""
    wanted = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    spec: Json = {
        "name": ANSWER_TOOL,
        "description": wanted.get("description") or "Gives the answer. Call it to answer.",
        "inputSchema": {"json": orjson.loads(wanted["schema"])},
    }
    config = body.get("toolConfig", {})
    tools = [*config.get("tools", ()), {"toolSpec": spec}]
    choice: Json = {"any": {}} if config else {"tool": {"name": ANSWER_TOOL}}
    kept = without_thinking({key: value for key, value in body.items() if key != "outputConfig"})
    return {**kept, "toolConfig": {"tools": tools, "toolChoice": choice}}


def in_words(call: NativeCall, wanted: ResponseFormat) -> NativeCall:
    """The call with a schema as an instruction, for a model that can be made to call no tool."""
    output = {key: kept for key, kept in call.body["outputConfig"].items() if key != "textFormat"}
    body = {key: value for key, value in call.body.items() if key != "outputConfig"}
    body |= {"outputConfig": output} if output else {}
    body["system"] = [*body.get("system", ()), {"text": instruction(wanted)}]
    return call.but(body, AS_TOOL)


def told_by_user(body: Json) -> Json:
    """What the system says, before what the user says first."""
    first, *rest = body["messages"]
    kept = {key: value for key, value in body.items() if key != "system"}
    said = {**first, "content": [*body["system"], *first["content"]]}
    return {**kept, "messages": [said, *rest]}


def without_thinking(body: Json) -> Json:
    """As if no thinking had been asked for."""
    fields = body.get("additionalModelRequestFields", {})
    fields = {key: value for key, value in fields.items() if key not in _THINKING_FIELDS}
    output = {key: value for key, value in body.get("outputConfig", {}).items() if key != "effort"}
    kept = {key: value for key, value in body.items() if key not in _OF_MODELS}
    more = {"additionalModelRequestFields": fields, "outputConfig": output}
    return kept | {key: value for key, value in more.items() if value}


def without(value: Any, path: Sequence[str]) -> Any:
    """The same without what a path leads to, which goes through lists without saying so.

    What a client has written itself is none of Bedrock's fields.
    """
    if isinstance(value, list):
        return [without(one, path) for one in value]
    if not isinstance(value, dict):
        return value
    first, *rest = path
    if first not in value:
        return {key: one if key in _CLIENTS else without(one, path) for key, one in value.items()}
    if rest:
        return {**value, first: without(value[first], rest)}
    return {key: kept for key, kept in value.items() if key != first}
