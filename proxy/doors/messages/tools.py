"""Anthropic's `tools` and `tool_choice` -> chat's function tools. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
from msgspec import field

from adapters.base import Json
from proxy.doors.reading import tools as reading
from proxy.doors.reading.checks import (
    MAX_TOOLS,
    flag,
    json_list,
    json_object,
    member,
    out_of_range,
    string,
)
from proxy.doors.reading.tools import Choice, function_tool, search_options
from proxy.errors import bad_request

NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)
SEARCH = "web_search"
_CHANGING = ("tool_result", "tool_addition", "tool_removal")
DOMAINS = ("allowed_domains", "blocked_domains")
CLIENTS = ("bash_", "text_editor_", "memory_", "computer_", "browser_")
"""What the client itself runs, and only the vendor's models know how to call."""


class Tools(reading.Tools):
    """`late` are those that a model is not shown before a search has found them."""

    names: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


def tools_of(value: Any, messages: Any = None) -> Tools:
    """The tools of a request with these messages, which may add some and take some away."""
    tools = Tools()
    given = json_list("tools", value, MAX_TOOLS)
    for i, tool in enumerate(given):
        _take(tools, f"tools.{i}", json_object(f"tools.{i}", tool))
    if value:
        _hide(tools, messages)
    return tools


def _hide(tools: Tools, messages: Any) -> None:
    """Leave what the model is not to see by now; a search that nobody runs here hides nothing."""
    searched = any(kind.startswith("tool_search") for kind in tools.dropped)
    shown = dict.fromkeys(tools.late, searched) | dict(_changes(messages))
    if not all(shown.values()):
        tools.functions = [
            one for one in tools.functions if shown.get(one["function"]["name"], True)
        ]


def _changes(messages: Any) -> Iterator[tuple[str, bool]]:
    """The names of tools that messages, not checked yet, add (True) or take away, in order."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            if type(block) is not dict or block.get("type") not in _CHANGING:
                continue
            match block:
                case {"type": "tool_result", "content": list(found)}:
                    for one in found:
                        match one:
                            case {"type": "tool_reference", "tool_name": str(name)}:
                                yield name, True
                case {"type": "tool_addition", "tool": {"name": str(name)}}:
                    yield name, True
                case {"type": "tool_removal", "tool": {"name": str(name)}}:
                    yield name, False


def _take(tools: Tools, path: str, tool: Json) -> None:
    kind = tool.get("type") or "custom"
    if kind == "custom":
        function = _function(path, tool)
        if function["function"]["name"] in tools.names:
            raise bad_request("tools: Tool names must be unique.", param=f"{path}.name")
        tools.names.add(function["function"]["name"])
        tools.functions.append(function)
        if tool.get("defer_loading") is True:
            tools.late.add(function["function"]["name"])
        return
    string(f"{path}.type", kind)
    if kind.startswith(CLIENTS):
        raise bad_request(
            f"'{path}.type': only Claude models know tools of type '{kind[:60]}'. Declare it as a"
            " tool of your own, with its 'input_schema'.",
            param=f"{path}.type",
            code="unsupported_parameter",
        )
    tools.names.add(member(tool, path, "name", string) or kind)
    if kind.startswith(SEARCH):
        tools.search = _search_options(tool)
    else:
        tools.dropped.append(kind)


def _function(path: str, tool: Json) -> Json:
    name = string(f"{path}.name", tool.get("name"))
    if not NAME.fullmatch(name):
        raise out_of_range(f"{path}.name", "1 to 128 letters, digits, '_' and '-'")
    description = member(tool, path, "description", string) or None
    schema = json_object(f"{path}.input_schema", tool.get("input_schema"))
    schema = _rooted(schema) if "$defs" in schema else schema
    strict = member(tool, path, "strict", flag)
    return function_tool(name, description=description, parameters=schema, strict=strict)


def _rooted(schema: Json) -> Json:
    """The schema; references that lack their `#`, as a client writes them, get it back."""
    try:
        text = orjson.dumps(schema)
    except TypeError:  # too deep, which is told by whoever is asked
        return schema
    mended = text.replace(b'"$ref":"/$defs/', b'"$ref":"#/$defs/')
    return schema if mended == text else dict(orjson.loads(mended))


def _search_options(tool: Json) -> Json:
    filters = {name: one for name in DOMAINS if isinstance(one := tool.get(name), list) and one}
    return search_options({**tool, "filters": filters or None})


def choice_of(value: Any, tools: Tools) -> tuple[Choice, bool | None]:
    """The choice, and whether calls may be parallel. What is no function is no must, either."""
    functions = tools.functions
    if value is None:
        return Choice(functions=functions), None
    choice = json_object("tool_choice", value)
    single = member(choice, "tool_choice", "disable_parallel_tool_use", flag)
    mode = forced = None
    match choice:
        case {"type": "auto" | "none" as mode}:
            pass
        case {"type": "any"}:
            if not tools.names:
                raise bad_request("'tool_choice' needs 'tools'.", param="tool_choice")
            mode = "required"
        case {"type": "tool", "name": str(name)}:
            if name not in tools.names:
                raise bad_request(
                    f"Tool '{name[:128]}' not found in provided tools.", param="tool_choice.name"
                )
            if any(name == one["function"]["name"] for one in functions):
                mode, forced = "required", name
        case _:
            expected = "of type 'auto', 'any', 'tool' with a 'name', or 'none'"
            raise out_of_range("tool_choice", expected)
    parallel = False if single and functions and mode != "none" else None
    return Choice(mode if functions else None, forced, functions), parallel
