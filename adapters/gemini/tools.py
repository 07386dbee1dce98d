"""The functions of a request, and the search, as Gemini takes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.base import SEARCH, ChatRequest
from adapters.errors import ErrorKind
from adapters.events import Json
from adapters.gemini.errors import refused
from adapters.gemini.names import function_name, generation
from adapters.gemini.schema import Translation, for_parameters
from adapters.translation.wishes import shown_key

MAX_TOOLS = 512
MODES: Mapping[str, str] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A function as the client knows it, under whatever name Gemini was told.

    `native` is the declaration of a client that speaks Gemini's language itself.
    """

    name: str
    parameters: Translation
    native: Json | None = None


def declared(request: ChatRequest) -> dict[str, Declared]:
    """The request's functions by the name that Gemini knows them by."""
    if len(request.tools) > MAX_TOOLS:
        raise refused(f"Gemini takes at most {MAX_TOOLS} functions", "tools", ErrorKind.UNSUPPORTED)
    functions: dict[str, Declared] = {}
    for at, tool in enumerate(request.tools):
        function = tool["function"]
        if (native := _native_declaration(tool)) is not None:
            name = function_name(function["name"])
            functions[name] = Declared(function["name"], Translation(None), native)
            continue
        try:
            parameters = for_parameters(function.get("parameters") or {})
        except TypeError:  # orjson's word for "nested too deeply" and "too large a number"
            param = f"tools[{at}].function.parameters"
            raise refused(
                "the schema is nested too deeply, or a number in it is too large", param
            ) from None
        functions[function_name(function["name"])] = Declared(function["name"], parameters)
    return functions


def _native_declaration(tool: Json) -> Json | None:
    match tool.get("extra_content"):
        case {"google": {"declaration": dict(declaration)}}:
            return declaration
    return None


def tools_of(request: ChatRequest, model: str, warnings: list[str]) -> Json:
    """What a body has of them."""
    tools: list[Json] = []
    body: Json = {}
    if request.tools and (functions := declared(request)):
        tools.append({"functionDeclarations": _declarations(request, functions, warnings)})
        if mode := MODES.get(request.tool_choice or ""):
            config: Json = {"mode": mode}
            if request.forced_tool:
                config = {
                    "mode": "ANY",
                    "allowedFunctionNames": [function_name(request.forced_tool)],
                }
            body["toolConfig"] = {"functionCallingConfig": config}
        if request.parallel_tool_calls is False:
            warnings.append("emulated=parallel_tool_calls")
    search = _search(request, model)
    if search is not None:
        if tools and generation(model) >= (3, 0):
            body["toolConfig"] = beside_own_tools(body.get("toolConfig", {}))
        tools.append({"googleSearch": {}})
        warnings.extend(f"dropped=web_search_options.{shown_key(key)}" for key in search)
    return body | {"tools": tools} if tools else body


def beside_own_tools(config: Json) -> Json:
    """The `toolConfig` of functions beside Google's own tools, which must be said, and goes without
    the mode AUTO."""
    calling = config.get("functionCallingConfig") or {}
    kept = {} if calling.get("mode") in (None, "AUTO") else {"functionCallingConfig": calling}
    return {**kept, "includeServerSideToolInvocations": True}


def _search(request: ChatRequest, model: str) -> Json | None:
    """The options of a search; where it may be left out, it is beside functions at old models."""
    options: Json | None = request.params.get("web_search_options")
    if options is None and may_search(request.extensions, model, beside=bool(request.tools)):
        return request.extensions.get(SEARCH)
    return options


def may_search(extensions: Mapping[str, Any], model: str, *, beside: bool) -> bool:
    """Whether a search that may be left out is made: `beside` functions, by newer models alone."""
    return SEARCH in extensions and (not beside or generation(model) >= (3, 0))


def _declarations(
    request: ChatRequest, functions: Mapping[str, Declared], warnings: list[str]
) -> list[Json]:
    described = {tool["function"]["name"]: tool["function"] for tool in request.tools}
    declarations: list[Json] = []
    for name, function in functions.items():
        if function.native is not None:
            declarations.append({**function.native, "name": name})
            continue
        declaration: Json = {"name": name}
        given = described[function.name]
        if description := given.get("description"):
            declaration["description"] = description
        if function.parameters.schema is not None:
            declaration["parametersJsonSchema"] = function.parameters.schema
        if given.get("strict"):
            warnings.append("dropped=tools.function.strict")
        warnings.extend(f"dropped=schema.{keyword}" for keyword in function.parameters.lost)
        declarations.append(declaration)
    return declarations
