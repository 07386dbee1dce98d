"""A choice that is split: every talk has its arm and keeps it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from adapters.base import Capabilities
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Talk, talk_of
from proxy.routing.planning.split import drawn
from tests.proxy.kit import failure, request
from tests.proxy.routing.kit import SERVER, Build, Station

pytestmark = pytest.mark.anyio

SPLIT = Preference("north", chosen=True, split={"north": 80, "south": 20})


def _talk(begin: str, turns: int = 1) -> list[dict[str, str]]:
    said = [{"role": "user", "content": begin}]
    for i in range(turns - 1):
        said += [{"role": "assistant", "content": f"{i}"}, {"role": "user", "content": f"{i}?"}]
    return said


def _drawn(begin: str, turns: int = 1, preference: Preference = SPLIT) -> Preference:
    return drawn(preference, talk_of({}, "app", request(messages=_talk(begin, turns))))


async def _ask(station: Station, begin: str, turns: int = 1, model: str = "default") -> str | None:
    station.preference = _drawn(begin, turns)
    await station.ask(model, messages=_talk(begin, turns))
    return station.receipt.provider


def _begin_of(arm: str) -> str:
    return next(f"{i}" for i in range(1000) if _drawn(f"{i}").provider == arm)


def test_talks_are_shared_out_as_the_owner_says() -> None:
    count = Counter(_drawn(f"{i}").provider for i in range(4000))
    assert set(count) == {"north", "south"}
    assert 0.77 < count["north"] / 4000 < 0.83


def test_a_talk_keeps_its_arm_in_every_turn() -> None:
    for i in range(50):
        assert len({_drawn(f"{i}", turns).provider for turns in range(1, 6)}) == 1


def test_more_for_one_arm_moves_no_talk_away_from_it() -> None:
    larger = replace(SPLIT, split={"north": 90, "south": 10})
    for i in range(300):
        if _drawn(f"{i}").provider == "north":
            assert _drawn(f"{i}", preference=larger).provider == "north"


def test_what_is_no_talk_is_drawn_by_itself() -> None:
    assert drawn(SPLIT, None, lambda: 0.79).provider == "north"
    assert drawn(SPLIT, None, lambda: 0.81).provider == "south"
    assert drawn(SPLIT, Talk(b"\xff" * 16, begins=True)).provider == "south"
    assert drawn(SPLIT, Talk(b"\0" * 16, begins=True)).provider == "north"


@pytest.mark.parametrize("arm", ["north", "south"])
async def test_an_arm_answers_its_talks_and_counts_them(build: Build, arm: str) -> None:
    station = build()
    assert await _ask(station, _begin_of(arm)) == arm
    assert station.receipt.arm == arm


async def test_the_other_arm_stands_in_and_the_talk_stays_there(build: Build) -> None:
    station, begin = build(), _begin_of("south")
    station.play("south", [failure(SERVER, "south")])
    assert await _ask(station, begin) == "north"
    assert station.receipt.arm == "south"
    assert await _ask(station, begin, turns=2) == "north"
    station.clock.now_s += 301
    assert await _ask(station, begin, turns=3) == "south"


async def test_what_the_draw_did_not_decide_counts_for_no_arm(build: Build) -> None:
    station = build()
    assert await _ask(station, _begin_of("south"), model="north") == "north"
    assert station.receipt.arm is None


async def test_who_cannot_do_what_is_asked_is_not_compared(build: Build) -> None:
    station = build()
    station.adapters["south"].script.abilities = Capabilities(tools=False)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    for arm in ("north", "south"):
        station.preference = _drawn(_begin_of(arm))
        await station.ask("default", messages=_talk(_begin_of(arm)), tools=[tool])
        assert (station.receipt.provider, station.receipt.arm) == ("north", None)


async def test_without_a_split_nothing_counts_for_an_arm(build: Build) -> None:
    station = build()
    await station.ask()
    assert station.receipt.arm is None
