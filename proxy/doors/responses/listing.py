"""Lists of items, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.base import Json
from proxy.doors.responses.items import kind_of
from proxy.errors import bad_request

MAX_PAGE = 100


def page(items: Iterable[Json], asked: Mapping[str, str]) -> Json:
    """The page of `items` that a query asks for, the newest first unless told otherwise."""
    found = list(items)
    if asked.get("order", "desc") != "asc":
        found.reverse()
    if after := asked.get("after"):
        ids = [item["id"] for item in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    limit = asked.get("limit", "20")
    if not (
        limit.isascii() and limit.isdecimal() and len(limit) < 4 and 1 <= int(limit) <= MAX_PAGE
    ):
        raise bad_request(f"'limit' must be between 1 and {MAX_PAGE}.", param="limit")
    return items_list(found[: int(limit)], has_more=len(found) > int(limit))


def items_list(items: Iterable[Json], *, has_more: bool = False) -> Json:
    data = [listed(item) for item in items]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def listed(item: Json) -> Json:
    """An item as lists have it: the short form of a message stands there in its long one."""
    if kind_of(item) != "message":
        return item
    content = item.get("content")
    if isinstance(content, str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        content = [{"type": part, "text": content}]
    return {"status": "completed", **item, "type": "message", "content": content}
