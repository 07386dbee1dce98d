"""Gemini's `tools` and `toolConfig` -> function tools, and what a model runs by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field as new

from adapters.base import Json
from proxy.doors.gemini.fields import camel, field, member, objects, word
from proxy.doors.gemini.schema import in_camels, json_schema
from proxy.doors.reading.checks import json_object, out_of_range, string
from proxy.doors.reading.tools import Choice, Tools, function_tool
from proxy.errors import bad_request

MAX_FUNCTIONS = 512
SEARCHES = ("googleSearch", "googleSearchRetrieval")
MODES: Mapping[str, str] = {
    "AUTO": "auto",
    "ANY": "required",
    "NONE": "none",
    "VALIDATED": "auto",
}


class Toolbox(Tools):
    """What a request lets the model use. `own` are the tools that only Google has."""

    own: list[Json] = new(default_factory=list)
    config: Json | None = None
    choice: Choice = Choice()


def toolbox(body: Json) -> Toolbox:
    """The tools of a body, and which of them may, must or must not be used. Raises ApiError."""
    box = Toolbox()
    for i, tool in enumerate(member(body, "", "tools", objects) or ()):
        _add(box, tool, f"tools[{i}]")
    if len(box.functions) > MAX_FUNCTIONS:
        raise out_of_range("tools", f"at most {MAX_FUNCTIONS} functions")
    config = member(body, "", "toolConfig", json_object) or {}
    if (place := field(config, "retrievalConfig")) is not None:
        box.config = {"retrievalConfig": place}
    calling = member(config, "toolConfig", "functionCallingConfig", json_object)
    if calling is not None and box.functions:
        box.choice = _chosen(box, calling, "toolConfig.functionCallingConfig")
    else:
        box.choice = Choice(functions=box.functions)
    return box


def _add(box: Toolbox, tool: Json, path: str) -> None:
    for spelled, value in tool.items():
        name = camel(spelled)
        if value is None:
            continue
        if name == "functionDeclarations":
            declared = objects(f"{path}.{name}", value)
            box.functions += [
                _function(one, f"{path}.{name}[{i}]") for i, one in enumerate(declared)
            ]
        elif name in SEARCHES:
            box.search = {}
        else:
            box.own.append({name: value})


def _function(declared: Json, path: str) -> Json:
    """The function in neutral words, and as it came for whoever speaks Gemini's."""
    name = member(declared, path, "name", string)
    if not name:
        raise bad_request(f"'{path}' must have a name.", param=f"{path}.name")
    schema = member(declared, path, "parametersJsonSchema", json_object)
    given = member(declared, path, "parameters", json_object)
    if schema is None and given is not None:
        schema = json_schema(given)
    description = member(declared, path, "description", string) or None
    native = {camel(key): value for key, value in declared.items() if value is not None}
    for key in ("parameters", "response"):
        if key in native:
            native[key] = in_camels(native[key])
    function = function_tool(name, description=description, parameters=schema)
    return {**function, "extra_content": {"google": {"declaration": native}}}


def _chosen(box: Toolbox, calling: Json, path: str) -> Choice:
    mode: Any = member(calling, path, "mode", word) or "AUTO"
    if mode == "MODE_UNSPECIFIED":
        mode = "AUTO"
    if mode not in MODES:
        raise out_of_range(f"{path}.mode", "one of " + ", ".join(MODES))
    if mode == "VALIDATED":
        box.config = {**(box.config or {}), "functionCallingConfig": {"mode": mode}}
    allowed = member(calling, path, "allowedFunctionNames", _names)
    if not (allowed and mode in ("ANY", "VALIDATED")):
        return Choice(MODES[mode], functions=box.functions)
    known = [tool for tool in box.functions if tool["function"]["name"] in allowed]
    if not known:
        raise out_of_range(f"{path}.allowedFunctionNames", "names of functions that are there")
    forced = known[0]["function"]["name"] if mode == "ANY" and len(known) == 1 else None
    return Choice(MODES[mode], forced, known)


def _names(name: str, value: Any) -> set[str]:
    found = value if isinstance(value, list) else [value]
    return {string(f"{name}[{i}]", one) for i, one in enumerate(found)}
