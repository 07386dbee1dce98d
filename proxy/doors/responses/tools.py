"""The tools of a Responses request -> function tools, and their calls turned back. Pure.

No provider knows OpenAI's other kinds: each becomes a function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct, field

from adapters.base import Json
from adapters.wire.pieces import loads
from adapters.wire.writing import dumps_text
from proxy.doors.reading.checks import (
    MAX_TOOLS,
    flag,
    json_list,
    json_object,
    member,
    out_of_range,
    string,
    wrong_type,
)
from proxy.doors.reading.custom import custom_function, input_of
from proxy.errors import ApiError, bad_request

MAX_NAME = 64
SEARCH = ("web_search", "web_search_preview")

_STRING: Mapping[str, Any] = {"type": "string"}
_STRINGS: Mapping[str, Any] = {"type": "array", "items": _STRING}
_WHOLE: Mapping[str, Any] = {"type": "integer"}


class Tool(Struct, frozen=True):
    """What a function stands for: one of `function custom local_shell shell apply_patch`."""

    kind: str
    name: str
    namespace: str | None = None


class Toolbox(Struct):
    """The functions that a provider is shown, whose calls mean `tools` by name.

    `dropped` names the tools that nobody here can run, `search` whether the web may be searched.
    """

    functions: list[Json] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    search: Json | None = None

    def add(self, path: str, tools: Sequence[Any]) -> None:
        """Take in a list of tools as it stands at `path` of the request. Raises ApiError."""
        if len(tools) > MAX_TOOLS:
            raise out_of_range(path, f"a list of at most {MAX_TOOLS}")
        for i, tool in enumerate(tools):
            self._take(f"{path}[{i}]", json_object(f"{path}[{i}]", tool), None)
        if len(self.functions) > MAX_TOOLS:
            raise out_of_range(path, f"a list of at most {MAX_TOOLS}")

    def function_of(self, kind: str, name: str, namespace: str | None = None) -> str:
        """The function that such a tool is, or was in a turn whose tools are gone."""
        wanted = Tool(kind, name, namespace)
        for function, tool in self.tools.items():
            if tool == wanted:
                return function
        return _flat(namespace, name)

    def _take(self, path: str, tool: Json, namespace: str | None) -> None:
        kind = string(f"{path}.type", tool.get("type"))
        if kind == "function" and isinstance(inner := tool.get("function"), dict):
            tool = inner  # as chats have it
        if kind == "namespace" and namespace is None:
            name = _name(path, tool)
            for i, inner in enumerate(json_list(f"{path}.tools", tool.get("tools", []))):
                self._take(f"{path}.tools[{i}]", json_object(f"{path}.tools[{i}]", inner), name)
        elif kind in ("function", "custom"):
            self._put(path, Tool(kind, _name(path, tool), namespace), tool)
        elif kind in _EMULATED:
            self._put(path, Tool(kind, kind), tool)
        elif kind.startswith(SEARCH):
            self.search = tool
        else:
            self.dropped.append(kind)

    def _put(self, path: str, tool: Tool, given: Json) -> None:
        function = _flat(tool.namespace, tool.name)
        if function in self.tools:
            return  # said twice: in the request and in its items
        self.tools[function] = tool
        member(given, path, "description", string)
        if tool.kind == "function":
            body = {
                "description": given.get("description"),
                "parameters": member(given, path, "parameters", json_object),
                "strict": member(given, path, "strict", flag),
            }
        elif tool.kind == "custom":
            body = custom_function(path, given)
        else:
            body = dict(_EMULATED[tool.kind])
        kept = {name: value for name, value in body.items() if value is not None}
        self.functions.append({"type": "function", "function": {"name": function, **kept}})


def _name(path: str, tool: Json) -> str:
    name = string(f"{path}.name", tool.get("name"))
    if not name:
        raise out_of_range(f"{path}.name", "a name")
    return name


def _flat(namespace: str | None, name: str) -> str:
    """One name for a tool of a namespace, no longer than functions' names may be."""
    whole = f"{namespace}__{name}" if namespace else name
    if len(whole) <= MAX_NAME or not namespace:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: MAX_NAME - 9]}_{mark}"


def _object(properties: Mapping[str, Any], *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


_EMULATED: Mapping[str, Json] = {
    "local_shell": {
        "description": "Runs a command on the user's machine and returns its output.",
        "parameters": _object(
            {"command": _STRINGS, "working_directory": _STRING, "timeout_ms": _WHOLE}, "command"
        ),
    },
    "shell": {
        "description": "Runs shell commands on the user's machine and returns their output.",
        "parameters": _object(
            {"commands": _STRINGS, "timeout_ms": _WHOLE, "max_output_length": _WHOLE}, "commands"
        ),
    },
    "apply_patch": {
        "description": (
            "Creates, updates or deletes one file of the user's. 'diff' is a V4A diff; a file"
            " that is deleted needs none."
        ),
        "parameters": _object(
            {
                "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                "path": _STRING,
                "diff": _STRING,
            },
            "type",
            "path",
        ),
    },
}


class Choice(Struct, frozen=True):
    """`tool_choice` in chat's words; `functions` are those that are left to choose from."""

    mode: str | None
    forced: str | None
    functions: Sequence[Json]


def chosen(value: Any, box: Toolbox) -> Choice:
    """What a request's `tool_choice` leaves of the tools. Raises ApiError."""
    match value:
        case None:
            return Choice(None, None, box.functions)
        case "auto" | "none" | "required":
            return Choice(_of_required(value, box), None, box.functions)
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": [*allowed]}:
            names = set(_allowed(allowed, box))
            left = [tool for tool in box.functions if tool["function"]["name"] in names]
            return Choice(mode if left else "none", None, left)
        case {"type": "function" | "custom" as kind, "name": str(name)}:
            namespace = value.get("namespace")
            return _forced(box.function_of(kind, name, namespace), box)
        case {"type": "function", "function": {"name": str(name)}}:
            return _forced(box.function_of("function", name), box)
        case {"type": "local_shell" | "shell" | "apply_patch" as kind}:
            return _forced(kind, box)
        case {"type": str(kind)} if kind.startswith(SEARCH) and box.search is not None:
            return Choice(None, None, [])
        case {"type": str(kind)}:
            raise _unsupported("tool_choice", kind)
        case _:
            raise wrong_type("tool_choice", "'auto', 'none', 'required' or a tool of 'tools'")


def _of_required(mode: str, box: Toolbox) -> str:
    if mode == "required" and not box.functions:
        if box.dropped:
            raise _unsupported("tools", box.dropped[0])
        if box.search is None:
            raise bad_request("'tool_choice' needs 'tools'.", param="tool_choice")
        return "auto"
    return mode


def _allowed(tools: Sequence[Any], box: Toolbox) -> Iterator[str]:
    for tool in tools:
        match tool:
            case {"type": str(kind), "name": str(name)}:
                yield box.function_of(kind, name, tool.get("namespace"))
            case {"type": str(kind)}:
                yield kind


def _forced(function: str, box: Toolbox) -> Choice:
    if function not in box.tools:
        raise bad_request("'tool_choice' names a tool that is not in 'tools'.", param="tool_choice")
    return Choice("required", function, box.functions)


def _unsupported(param: str, kind: str) -> ApiError:
    return bad_request(
        f"Tools of type '{kind[:64]}' cannot be run here.",
        param=param,
        code="unsupported_parameter",
    )


def check_some_can_run(box: Toolbox) -> None:
    """400 where a request has tools, and nobody can run any of them."""
    if box.dropped and not box.functions and box.search is None:
        raise _unsupported("tools[0].type", box.dropped[0])


def arguments_of(item: Json) -> str:
    """The arguments of a function from a call in the history, whatever its kind."""
    match item:
        case {"type": "function_call", "arguments": str(arguments)}:
            return arguments
        case {"type": "function_call", "arguments": dict(arguments)}:
            return dumps_text(arguments)
        case {"type": "custom_tool_call", "input": str(text)}:
            return dumps_text({"input": text})
        case {"type": "apply_patch_call", "operation": dict(operation)}:
            return dumps_text(operation)
        case {"type": "local_shell_call" | "shell_call", "action": dict(action)}:
            return dumps_text({name: value for name, value in action.items() if name != "type"})
        case _:
            raise ValueError("a call without its arguments")


def call_fields(tool: Tool, arguments: str) -> Json:
    """What an item says of a call, from the arguments of its function."""
    match tool.kind:
        case "function":
            return {"name": tool.name, "arguments": arguments or "{}"}
        case "custom":
            return {"name": tool.name, "input": input_of(arguments)}
        case "apply_patch":
            return {"operation": _object_of(arguments)}
        case "local_shell":
            return {"action": {"type": "exec", "env": {}, **_object_of(arguments)}}
        case _:
            action = {"timeout_ms": None, "max_output_length": None, **_object_of(arguments)}
            return {"action": action}


def _object_of(arguments: str) -> Json:
    try:
        value = loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
