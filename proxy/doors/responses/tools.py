"""The tools of a Responses request -> function tools, and their calls turned back. Pure.

No provider knows OpenAI's other kinds: each becomes a function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
)
from proxy.doors.reading.custom import custom_function, input_of
from proxy.doors.reading.tools import (
    SEARCHES,
    Choice,
    Tools,
    choice_of,
    function_tool,
    search_options,
    unwrapped,
)

MAX_NAME = 64
FINDER = "tool_search"
"""Finds tools that the client has not shown yet: what it found stands in its output."""

_STRING: Mapping[str, Any] = {"type": "string"}
_STRINGS: Mapping[str, Any] = {"type": "array", "items": _STRING}
_WHOLE: Mapping[str, Any] = {"type": "integer"}


class Tool(Struct, frozen=True):
    """What a function stands for: `function`, `custom`, FINDER, or one that is emulated."""

    kind: str
    name: str
    namespace: str | None = None


class Toolbox(Tools):
    """The functions that a provider is shown, whose calls mean `tools` by name."""

    tools: dict[str, Tool] = field(default_factory=dict)

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
        tool = unwrapped(tool)
        if kind == "namespace" and namespace is None:
            name = _name(path, tool)
            for i, inner in enumerate(json_list(f"{path}.tools", tool.get("tools", []))):
                self._take(f"{path}.tools[{i}]", json_object(f"{path}.tools[{i}]", inner), name)
        elif kind in ("function", "custom"):
            self._put(path, Tool(kind, _name(path, tool), namespace), tool)
        elif kind in _EMULATED or (kind == FINDER and by_client(tool)):
            self._put(path, Tool(kind, kind), tool)
        elif kind.startswith(SEARCHES):
            self.search = search_options(tool)
        else:
            self.dropped.append(kind)

    def _put(self, path: str, tool: Tool, given: Json) -> None:
        function = _flat(tool.namespace, tool.name)
        if function in self.tools:
            return  # said twice: in the request and in its items
        self.tools[function] = tool
        if tool.kind in ("function", FINDER):
            body = {
                "description": member(given, path, "description", string),
                "parameters": member(given, path, "parameters", json_object),
                "strict": member(given, path, "strict", flag),
            }
        elif tool.kind == "custom":
            body = custom_function(path, given)
        else:
            body = _EMULATED[tool.kind]
        self.functions.append(function_tool(function, **body))


def by_client(item: Json) -> bool:
    """Whether it is the client that searches for tools. OpenAI's server has all in the request."""
    return item.get("execution") == "client"


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


def chosen(value: Any, box: Toolbox) -> Choice:
    """What a request's `tool_choice` leaves of the tools. Raises ApiError."""

    def function_of(tool: Json) -> str | None:
        match tool:
            case {"type": str(kind), "name": str(name)}:
                return box.function_of(kind, name, tool.get("namespace"))
            case {"type": str(kind)} if kind in (*_EMULATED, FINDER):
                return kind
        return None

    return choice_of(value, box, function_of)


def arguments_of(item: Json) -> str:
    """The arguments of a function from a call in the history, whatever its kind."""
    match item:
        case {"type": "function_call" | "tool_search_call", "arguments": str(arguments)}:
            return arguments
        case {"type": "function_call" | "tool_search_call", "arguments": dict(arguments)}:
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
        case "tool_search":  # FINDER
            return {"execution": "client", "arguments": _object_of(arguments)}
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
