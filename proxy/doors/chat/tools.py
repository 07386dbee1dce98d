"""The tools of a request and the choice among them, in OpenAI's form and in those of others. Pure.

Besides OpenAI's, these are the forms of the Responses API, which editors send here, too, of
Anthropic, of Google, and OpenAI's older functions.
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from adapters.base import Json
from proxy.doors.reading import tools as reading
from proxy.doors.reading.checks import (
    MAX_TOOLS,
    json_list,
    json_object,
    member,
    out_of_range,
    string,
)
from proxy.doors.reading.custom import custom_function
from proxy.doors.reading.tools import SEARCHES, Choice, function_tool, search_options, unwrapped
from proxy.errors import bad_request


class Tools(reading.Tools):
    """`custom` are the names of functions that stand for a custom tool; `legacy` where they came
    as the older `functions`.
    """

    custom: list[str] = field(default_factory=list)
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
    found.check_some_can_run()
    return found


def _take(found: Tools, param: str, tool: Any) -> None:
    tool = json_object(param, tool)
    function = _function_of(tool)
    if function is not None:
        _check_function(param if found.legacy else f"{param}.function", function)
        found.functions.append(function)
        return
    kind = tool.get("type", next(iter(tool), None))  # Google's have no type, but a key of its name
    custom = unwrapped(tool)
    if kind == "custom" and "name" in custom:
        name = string(f"{param}.name", custom["name"])
        found.functions.append(function_tool(name, **custom_function(param, custom)))
        found.custom.append(name)
    elif kind is None or kind in ("function", "custom"):
        what = f"Only tools of type 'function' can be used; '{param}.type' is '{kind or ''}'."
        raise bad_request(what, param=f"{param}.type", code="unsupported_parameter")
    elif string(f"{param}.type", kind).startswith(SEARCHES):
        found.search = search_options(tool)
    else:
        found.dropped.append(kind)


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


def _check_function(param: str, tool: Json) -> None:
    function = json_object(param, tool.get("function"))
    if not string(f"{param}.name", function.get("name")):
        raise out_of_range(f"{param}.name", "a name")
    member(function, param, "description", string)
    member(function, param, "parameters", json_object)


def choice_of(data: Json, tools: Tools) -> Choice:
    """What the request has chosen of its tools. Raises ApiError."""
    if "tool_choice" in data:
        return reading.choice_of(data["tool_choice"], tools, _named)
    choice = data.get("function_call")
    if isinstance(choice, dict):
        choice = {"type": "function", **choice}
    return reading.choice_of(choice, tools, _named, "function_call")


def _named(tool: Json) -> str | None:
    name = tool.get("name")
    is_one = tool.get("type") in ("function", "tool", "custom") and isinstance(name, str)
    return name if is_one else None
