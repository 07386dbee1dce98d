"""What a refusal of Bedrock's may mean, and the call without what its model does not take. Pure.

Bedrock names the field at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from adapters.base import ChatRequest, NativeCall, ResponseFormat
from adapters.bedrock.messages import GO_ON
from adapters.errors import AdapterError
from adapters.events import Json
from adapters.refusals.lessons import MENDABLE, Lesson, Reading, by_words
from adapters.translation.instructions import instruction

ANSWER_TOOL = "json_answer"
AS_TOOL = "emulated=response_format"
_FIELD = re.compile(r"support(?:ed)? the ([A-Za-z.]{1,100}) field")
_WORDS: Mapping[str, str] = {"maxTokens": "max_tokens", "topP": "top_p", "stopSequences": "stop"}
_KEPT = frozenset({"messages", "content", "text", "toolConfig", "tools"})
"""Without these a call would be another one."""
_CLIENTS = frozenset({"input", "json"})
_OF_MODELS = frozenset({"additionalModelRequestFields", "outputConfig"})
_THINKING_FIELDS = frozenset({"thinking", "reasoningConfig", "reasoning_effort"})


def is_answered_by_tool(request: ChatRequest) -> bool:
    """Whether a call of `ANSWER_TOOL` is the answer, as the client knows of no such tool."""
    wanted = request.response_format
    own = [tool["function"]["name"] for tool in request.tools]
    return wanted is not None and wanted.schema is not None and ANSWER_TOOL not in own


def readings(call: NativeCall, error: AdapterError) -> Iterator[Reading]:
    """One thing each, the surest first."""
    if error.kind not in MENDABLE:
        return
    yield from ([lesson] for lesson in _named(error.message))
    if named := _FIELD.search(error.message):
        yield [Lesson(_dropped, tuple(named[1].split(".")), lasts=True)]


def _dropped(call: NativeCall, *path: str) -> NativeCall:
    name = path[-1]
    if name in _KEPT or (bare := _without(call.body, path)) == call.body:
        return call
    return call.but(bare, f"dropped={_WORDS.get(name, name)}")


def _without_choice(call: NativeCall) -> NativeCall:
    """Where a certain tool must be called, the others are left out; no choice is demanded."""
    config = call.body.get("toolConfig", {})
    if "toolChoice" not in config:
        return call
    tools = config["tools"]
    if named := config["toolChoice"].get("tool"):
        tools = [one for one in tools if one.get("toolSpec", {}).get("name") == named["name"]]
    kept = {"tools": tools or config["tools"]}
    return call.but({**call.body, "toolConfig": kept}, "emulated=tool_choice")


def _with_answer_tool(call: NativeCall) -> NativeCall:
    """A tool whose arguments are the answer, one of which must be called, in place of a format."""
    body = call.body
    if "textFormat" not in body.get("outputConfig", {}):
        return call
    wanted = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    spec: Json = {
        "name": ANSWER_TOOL,
        "description": wanted.get("description") or "Gives the answer. Call it to answer.",
        "inputSchema": {"json": orjson.loads(wanted["schema"])},
    }
    config = body.get("toolConfig", {})
    tools = [*config.get("tools", ()), {"toolSpec": spec}]
    choice: Json = {"any": {}} if config else {"tool": {"name": ANSWER_TOOL}}
    kept = _unthinking({key: value for key, value in body.items() if key != "outputConfig"})
    return call.but({**kept, "toolConfig": {"tools": tools, "toolChoice": choice}}, AS_TOOL)


def in_words(call: NativeCall, wanted: ResponseFormat) -> NativeCall:
    """The call with a schema as an instruction, for a model that can be made to call no tool."""
    output = {key: kept for key, kept in call.body["outputConfig"].items() if key != "textFormat"}
    body = {key: value for key, value in call.body.items() if key != "outputConfig"}
    body |= {"outputConfig": output} if output else {}
    body["system"] = [*body.get("system", ()), {"text": instruction(wanted)}]
    return call.but(body, AS_TOOL)


def _closed(call: NativeCall) -> NativeCall:
    messages = call.body["messages"]
    if messages[-1]["role"] != "assistant":
        return call
    more = {"role": "user", "content": [{"text": GO_ON}]}
    return call.but({**call.body, "messages": [*messages, more]}, "emulated=prefill")


def _told_by_user(call: NativeCall) -> NativeCall:
    """What the system says, before what the user says first."""
    if "system" not in call.body:
        return call
    first, *rest = call.body["messages"]
    kept = {key: value for key, value in call.body.items() if key != "system"}
    said = {**first, "content": [*call.body["system"], *first["content"]]}
    return call.but({**kept, "messages": [said, *rest]}, "emulated=system")


def _without_thinking(call: NativeCall) -> NativeCall:
    return call.but(_unthinking(call.body), "dropped=reasoning_effort")


def _unthinking(body: Json) -> Json:
    """As if no thinking had been asked for."""
    fields = body.get("additionalModelRequestFields", {})
    fields = {key: value for key, value in fields.items() if key not in _THINKING_FIELDS}
    output = {key: value for key, value in body.get("outputConfig", {}).items() if key != "effort"}
    kept = {key: value for key, value in body.items() if key not in _OF_MODELS}
    more = {"additionalModelRequestFields": fields, "outputConfig": output}
    return kept | {key: value for key, value in more.items() if value}


def _without(value: Any, path: Sequence[str]) -> Any:
    """The same without what a path leads to, which goes through lists without saying so.

    What a client has written itself is none of Bedrock's fields.
    """
    if isinstance(value, list):
        return [_without(one, path) for one in value]
    if not isinstance(value, dict):
        return value
    first, *rest = path
    if first not in value:
        return {key: one if key in _CLIENTS else _without(one, path) for key, one in value.items()}
    if rest:
        return {**value, first: _without(value[first], rest)}
    return {key: kept for key, kept in value.items() if key != first}


_named = by_words(
    (r"toolChoice|tool_choice", Lesson(_without_choice)),
    (
        r"outputConfig|textFormat|output_(config|format)|structured output|json_?schema"
        r"|\bschema\b",
        Lesson(_with_answer_tool),
    ),
    (r"prefill|must end with a user", Lesson(_closed, lasts=True)),
    (r"support system (messages|prompts?)", Lesson(_told_by_user, lasts=True)),
    # Of two that do not go together, the weaker:
    ("top_p", Lesson(_dropped, ("inferenceConfig", "topP"))),
    ("temperature", Lesson(_dropped, ("inferenceConfig", "temperature"))),
    (r"thinking|reasoning|\beffort\b", Lesson(_without_thinking)),
)
