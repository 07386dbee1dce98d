"""The tools of a request and the choice among them, as every door has them in the end. Pure.

Each door reads its own protocol's tools; what is chosen of them comes in words of OpenAI's two
APIs, of Anthropic or Mistral, which apps carry from one provider's SDK into another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field

from adapters.base import SEARCH, TOOLS, Json
from proxy.doors.reading.checks import out_of_range
from proxy.errors import ApiError, bad_request

SEARCHES = ("web_search", "google_search", "googleSearch", "browser_search")
"""What the types of tools begin with that search the web."""


class Tools(Struct):
    """`functions` can be called; `search` has the options of a search of the web, None without one.

    `dropped` are the types of tools that nobody here runs.
    """

    functions: list[Json] = field(default_factory=list)
    search: Json | None = None
    dropped: list[str] = field(default_factory=list)

    def check_some_can_run(self) -> None:
        """400 where a request has tools, and nobody can run any of them."""
        if self.dropped and not self.functions and self.search is None:
            raise unsupported("tools[0].type", self.dropped[0])


class Choice(Struct, frozen=True):
    """What is left of a request's tools: `functions`, and whether one of them is to be called.

    `mode` is auto, none, required, or None where nothing is said; `forced` the one that must be.
    """

    mode: str | None = None
    forced: str | None = None
    functions: Sequence[Json] = ()


def function_tool(name: str, **more: Any) -> Json:
    """A function with what is given of its description, parameters and strictness."""
    kept = {what: value for what, value in more.items() if value is not None}
    return {"type": "function", "function": {"name": name, **kept}}


def unwrapped(tool: Json) -> Json:
    """A function or a custom tool without the wrapping that it has in chats."""
    for kind in ("function", "custom"):
        if isinstance(inner := tool.get(kind), dict):
            return {**inner, "type": kind}
    return tool


def choice_of(
    value: Any,
    tools: Tools,
    function_of: Callable[[Json], str | None],
    param: str = "tool_choice",
) -> Choice:
    """What a client has chosen, in a word or by naming tools. Raises ApiError.

    `function_of` gives the function that an unwrapped tool is here, None where none can be meant.
    """
    match value:
        case None:
            return Choice(functions=tools.functions)
        case "auto" | "none":
            return Choice(value, functions=tools.functions)
        case "required" | "any":
            return Choice(_of_required(tools, param), functions=tools.functions)
        case {"type": "auto" | "none" | "required" | "any" as word, **rest} if not rest:
            return choice_of(word, tools, function_of, param)
        case {"type": "allowed_tools", "allowed_tools": dict(allowed)}:
            return choice_of({**allowed, "type": "allowed_tools"}, tools, function_of, param)
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": [*allowed]}:
            names = {function_of(unwrapped(one)) for one in allowed if isinstance(one, dict)}
            left = [one for one in tools.functions if one["function"]["name"] in names]
            if mode == "required" and not (left or tools.search is not None or tools.dropped):
                raise _nowhere(param)
            return Choice(mode if left else "none", functions=left)
        case {"type": str(kind)} if kind.startswith(SEARCHES) and tools.search is not None:
            return Choice()
        case {"type": str()} if forced := function_of(unwrapped(value)):
            return _forced(forced, tools, param)
    raise out_of_range(param, "'auto', 'none', 'required' or a tool of 'tools'")


def _of_required(tools: Tools, param: str) -> str:
    """A search beside nothing that can be called is no must: not every model searches."""
    if tools.functions:
        return "required"
    if tools.dropped:
        raise unsupported("tools", tools.dropped[0])
    if tools.search is None:
        raise bad_request(f"'{param}' needs 'tools'.", param=param)
    return "auto"


def _forced(name: str, tools: Tools, param: str) -> Choice:
    if all(name != one["function"]["name"] for one in tools.functions):
        raise _nowhere(param)
    return Choice("required", name, tools.functions)


def _nowhere(param: str) -> ApiError:
    return bad_request(f"'{param}' names a tool that is not in 'tools'.", param=param)


def unsupported(param: str, kind: str) -> ApiError:
    return bad_request(
        f"Tools of type '{kind[:64]}' cannot be run here.",
        param=param,
        code="unsupported_parameter",
    )


def beside(tools: Tools, choice: Choice) -> tuple[Json, Json]:
    """What of the tools stands in `params` and in `extensions` of a request.

    Beside functions not every model searches, so that it is no must there; nor is it one of the
    tools where the client says which is to be called. What is dropped is named by the provider.
    """
    dropped = {f"{TOOLS}{kind[:40]}": True for kind in tools.dropped}
    if tools.search is None:
        return {}, dropped
    if not choice.functions:
        return {"web_search_options": tools.search}, dropped
    return {}, {SEARCH: tools.search} | dropped if choice.mode in (None, "auto") else dropped


def search_options(tool: Json) -> Json:
    """The options of OpenAI's search tool, in the words of `web_search_options`."""
    kept = ("search_context_size", "filters")
    options = {name: tool[name] for name in kept if tool.get(name) is not None}
    place = tool.get("user_location")
    if isinstance(place, dict) and place.get("type") == "approximate":
        there = {name: value for name, value in place.items() if name != "type"}
        told = {"type": "approximate", "approximate": there}
        options["user_location"] = place if "approximate" in place else told
    return options
