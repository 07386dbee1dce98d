"""What a model has refused as beyond it: another one answers, and is asked first from then on."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import AdapterError, Cannot, ErrorKind
from proxy.candidate import Candidate
from proxy.limits.unable import KEPT_S, MAX_KNOWN, Unable
from proxy.routing.planning.demands import demands
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import adapter, request
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
OTHER_TOOL = {"type": "function", "function": {"name": "hear", "parameters": {"type": "object"}}}
GIF = "data:image/png;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"


def pictures(*urls: str) -> Any:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, *parts]}]}


def tools(*some: Any) -> Any:
    return {"tools": list(some)}


KINDS: tuple[tuple[Cannot, Any, Any, Any], ...] = (
    (Cannot("tools", "tools", lasts=True), tools(TOOL), tools(OTHER_TOOL), {}),
    (Cannot("images", "messages", lasts=True), pictures(PNG), pictures(GIF), {}),
    (Cannot("image/gif", "messages", lasts=True), pictures(GIF), pictures(PNG, GIF), pictures(PNG)),
    (
        Cannot("images", "messages", lasts=True, is_limit=True),
        pictures(*[PNG] * 6),
        pictures(*[PNG] * 9),
        pictures(*[PNG] * 5),
    ),
    (
        Cannot("image_size", "messages", lasts=True, is_limit=True),
        pictures(PNG + "A" * 900),
        pictures(PNG + "A" * 990),
        pictures(PNG),
    ),
    (Cannot("schema", "tools", lasts=True), tools(TOOL), tools(TOOL), tools(OTHER_TOOL)),
)


def station() -> Station:
    both = Station({name: adapter(name) for name in ("north", "south")})
    both.preference = Preference("north", chosen=True, fallback=("north", "south"))
    return both


def refusal(cannot: Cannot) -> AdapterError:
    return AdapterError(
        ErrorKind.UNSUPPORTED, "no", provider="north", status=400, cannot=cannot, param="tools"
    )


async def test_another_answers_at_once_and_the_next_time_is_asked_first() -> None:
    for cannot, refused, alike, other in KINDS:
        both = station()
        both.play("north", [refusal(cannot)])

        await both.ask(**refused)
        assert both.calls() == [1, 1], cannot
        await both.ask(**alike)
        assert both.calls() == [1, 2], cannot
        assert f"skipped=north:{cannot.what}" in both.receipt.warnings
        await both.ask(**other)
        assert both.calls() == [2, 2], cannot


async def test_what_may_be_of_one_request_alone_is_not_remembered() -> None:
    both = station()
    both.play("north", [refusal(Cannot("images", "messages"))])

    await both.ask(**pictures(GIF))
    await both.ask(**pictures(GIF))

    assert both.calls() == [2, 1]


async def test_who_is_the_only_one_is_asked_all_the_same_and_an_answer_clears_it() -> None:
    both = station()
    both.play("north", [refusal(KINDS[0][0])])
    await both.ask(**tools(TOOL))

    await both.ask("north/north-model", **tools(TOOL))
    await both.ask(**tools(TOOL))

    assert both.calls() == [3, 1]


def test_it_is_forgotten_after_a_day_and_by_its_owners_word() -> None:
    clock = [0.0]
    unable, one = Unable(lambda: clock[0]), Candidate("north", "m")
    asked = demands(request(**tools(TOOL)))
    for forget in (lambda: clock.insert(0, clock[0] + KEPT_S), lambda: unable.forget("north")):
        unable.refused(one, KINDS[0][0], asked)
        unable.forget("south")
        assert unable.lacks(one, asked) == "tools"
        forget()
        assert unable.lacks(one, asked) is None


def test_no_more_is_kept_than_there_is_room_for() -> None:
    unable = Unable(lambda: 0)
    for number in range(MAX_KNOWN + 9):
        unable.refused(Candidate("north", str(number)), KINDS[0][0], {"tools": 1})

    assert len(unable.known) == MAX_KNOWN


def test_a_refusal_of_what_was_not_asked_for_teaches_nothing() -> None:
    unable = Unable(lambda: 0)
    unable.refused(Candidate("north", "m"), KINDS[0][0], demands(request()))

    assert unable.known == {}
