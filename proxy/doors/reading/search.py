"""Tools that a provider runs itself: a search of the web, and those that are left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.base import SEARCH, TOOLS, Json


def searching(
    options: Json | None, functions: Sequence[Json], mode: str | None
) -> tuple[Json, Json]:
    """What stands in `params` and in `extensions` of a request; `options` is None without a search.

    Beside functions not every model searches, so that it is no must there; nor is it one of the
    tools where the client says which is to be called.
    """
    if options is None:
        return {}, {}
    if not functions:
        return {"web_search_options": options}, {}
    return {}, {SEARCH: options} if mode in (None, "auto") else {}


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


def left_out(kinds: Iterable[str]) -> Json:
    """What stands in `extensions` for tools that nobody here runs: a provider names them."""
    return {f"{TOOLS}{kind[:40]}": True for kind in kinds}
