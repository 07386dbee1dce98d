"""How a request asks for a search of the web, alone or beside functions of the client's. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.base import SEARCH, Json


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
