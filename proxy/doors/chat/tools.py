"""The tools of a request and the choice among them, in OpenAI's form and in those of others. Pure.

Besides OpenAI's, these are the forms of the Responses API, which editors send here, too, of
Anthropic, of Google, and OpenAI's older functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from adapters.base import Json
from proxy.doors.reading.checks import (
    MAX_TOOLS,
    json_list,
    json_object,
    member,
    out_of_range,
    string,
)
from proxy.doors.reading.custom import custom_function
from proxy.doors.reading.search import search_options
from proxy.errors import ApiError, bad_request

SEARCHES = ("web_search", "google_search", "googleSearch", "browser_search")


class Tools(Struct):
    """`functions` can be called, `dropped` names what nobody here runs; `search` the web or not.

    `custom` are the names of functions that stand for a custom tool; `legacy` where they came as
    the older `functions`.
    """

    functions: list[Json] = field(default_factory=list)
    custom: list[str] = field(default_factory=list)
    search: Json | None = None
    dropped: list[str] = field(default_factory=list)
    legacy: bool = False


_WORDS_OF_TOOLS = frozenset({"tools", "functions", "function_call"})


def tools_of(data: Json) -> Tools:
    if _WORDS_OF_TOOLS.isdisjoint(data):
        return Tools()
    legacy = "tools" not in data and ("functions" in data or "function_call" in data)
    name = "functions" if legacy else "tools"
    found = Tools(legacy=legacy)
    for i, tool in enumerate(json_list(name, data.get(name, []), MAX_TOOLS)):
        given = {"type": "function", "function": tool} if legacy else tool
        _take(found, f"{name}[{i}]", given)
    if found.dropped and not found.functions and found.search is None:
        raise _unsupported("tools[0].type", found.dropped[0])
    return found


def _take(found: Tools, param: str, tool: Any) -> None:
    tool = json_object(param, tool)
    function = _function_of(tool)
    if function is not None:
        _check_function(param if found.legacy else f"{param}.function", function)
        found.functions.append(function)
        return
    if (custom := _custom_of(tool)) is not None:
        name = string(f"{param}.name", custom.get("name"))
        function = {"name": name, **custom_function(param, custom)}
        found.functions.append({"type": "function", "function": function})
        found.custom.append(name)
        return
    kind = tool.get("type", next(iter(tool), None))  # Google's have no type, but a key of its name
    if kind is None or kind in ("function", "custom"):
        raise _unsupported(f"{param}.type", kind or "")
    if string(f"{param}.type", kind).startswith(SEARCHES):
        found.search = search_options(tool)
    else:
        found.dropped.append(kind)


def _custom_of(tool: Json) -> Json | None:
    """What a custom tool is, which editors send here as the Responses API has it, too."""
    match tool:
        case {"type": "custom", "custom": dict(custom)} if "name" in custom:
            return dict(custom)
        case {"type": "custom", "name": str()}:
            return tool
    return None


def _function_of(tool: Json) -> Json | None:
    """The tool as a function's in OpenAI's form; None for what is no function."""
    match tool:
        case {"type": "function", "function": _}:
            return tool
        case {"function": dict(function)} if tool.get("type") is None:
            return {"type": "function", "function": function}
        case {"name": str(name), "input_schema": dict(schema)}:
            function = {"name": name, "parameters": schema}
        case {"name": str()} if tool.get("type") in ("function", None):
            function = {name: tool[name] for name in ("name", "parameters") if name in tool}
        case _:
            return None
    more = {name: tool[name] for name in ("description", "strict") if name in tool}
    return {"type": "function", "function": {**function, **more}}


def _unsupported(param: str, kind: str) -> ApiError:
    return bad_request(
        f"Only tools of type 'function' can be used; '{param}' is '{kind[:64]}'.",
        param=param,
        code="unsupported_parameter",
    )


def _check_function(param: str, tool: Json) -> None:
    function = json_object(param, tool.get("function"))
    if not string(f"{param}.name", function.get("name")):
        raise out_of_range(f"{param}.name", "a name")
    member(function, param, "description", string)
    member(function, param, "parameters", json_object)


def choice_of(data: Json, tools: list[Json]) -> tuple[str | None, str | None, list[Json]]:
    """(auto | none | required | None, the tool that must be called or None, the tools left)."""
    param = "tool_choice" if "tool_choice" in data else "function_call"
    if param not in data:
        return None, None, tools
    choice = _in_a_word(data[param])
    forced: str | None = None
    match choice:
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": [*allowed]},
        }:
            names = {_tool_name(tool) for tool in allowed}
            tools = [tool for tool in tools if tool["function"]["name"] in names]
            choice = mode
        case {"type": "function", "function": {"name": str(name)}} | {
            "type": "custom",
            "custom": {"name": str(name)},
        }:
            choice, forced = "required", name
        case {"type": "function" | "tool" | "custom", "name": str(name)}:
            choice, forced = "required", name
        case {"name": str(name)} if param == "function_call":
            choice, forced = "required", name
    if choice not in ("auto", "none", "required"):
        raise out_of_range(param, "'auto', 'none', 'required' or a function of 'tools'")
    if choice == "required":
        _check_can_be_called(param, forced, tools)
    return choice, forced, tools


def _in_a_word(choice: Any) -> Any:
    """Mistral and Anthropic say `any` for required, and some put the word into an object."""
    match choice:
        case {"type": "auto" | "none" | "required" | "any" as word, **rest} if not rest:
            return "required" if word == "any" else word
        case "any":
            return "required"
        case _:
            return choice


def _tool_name(tool: Any) -> Any:
    match tool:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return name
        case _:
            return None


def _check_can_be_called(param: str, forced: str | None, tools: Sequence[Json]) -> None:
    names = [tool["function"]["name"] for tool in tools]
    if not names:
        raise bad_request(f"'{param}' needs 'tools'.", param=param)
    if forced is not None and forced not in names:
        raise bad_request(f"'{param}' names a function that is not in 'tools'.", param=param)
