"""The list of models in Anthropic's form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson

from adapters.base import Json
from proxy.doors.door import Call
from proxy.doors.messages.errors import AnthropicErrors
from proxy.doors.models.offered import Named
from proxy.errors import bad_request

DEFAULT_PAGE, MAX_PAGE = 20, 1000
LAST_S = 253_402_300_799
"""The end of the year 9999, after which there is no such date."""


class AnthropicModels(AnthropicErrors):
    """Pages, each naming the ids at its ends."""

    def every(self, found: Sequence[Named], call: Call) -> bytes:
        found = [one for one in found if one.model.chat]
        page, has_more = _page(found, call.parameters())
        return orjson.dumps(
            {
                "data": [_entry(one) for one in page],
                "has_more": has_more,
                "first_id": page[0].name if page else None,
                "last_id": page[-1].name if page else None,
            }
        )

    def single(self, found: Named) -> bytes:
        return orjson.dumps(_entry(found))


def _page(found: Sequence[Named], query: Mapping[str, str]) -> tuple[Sequence[Named], bool]:
    """The page that the query asks for, and whether there is more in its direction."""
    word = query.get("limit", str(DEFAULT_PAGE))
    limit = int(word) if word.isascii() and word.isdigit() and len(word) < 5 else 0
    if not 1 <= limit <= MAX_PAGE:
        raise bad_request(f"limit: must be between 1 and {MAX_PAGE}.", param="limit")
    names = [one.name for one in found]
    if before := query.get("before_id"):
        rest = found[: _place(names, before, "before_id")]
        return rest[-limit:], len(rest) > limit
    if after := query.get("after_id"):
        found = found[_place(names, after, "after_id") + 1 :]
    return found[:limit], len(found) > limit


def _place(names: Sequence[str], name: str, param: str) -> int:
    if name not in names:
        raise bad_request(f"{param}: there is no such model in the list.", param=param)
    return names.index(name)


def _entry(one: Named) -> Json:
    return {
        "type": "model",
        "id": one.name,
        "display_name": one.name,
        "created_at": _day(one.model.created),
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "capabilities": None,
        "max_input_tokens": one.model.context,
        "max_tokens": None,
    }


def _day(created_s: int) -> str:
    """The time in RFC 3339; the epoch where it is unknown, or no time at all."""
    known = created_s if 0 <= created_s <= LAST_S else 0
    return datetime.fromtimestamp(known, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
