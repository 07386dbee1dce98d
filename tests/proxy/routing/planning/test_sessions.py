"""A conversation that had to change its provider stays there, until the owner or time says else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.candidate import Candidate
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import (
    MAX_PARTS,
    MAX_TALKS,
    MAX_TEXT,
    WELL_S,
    Sessions,
    Talk,
    talk_of,
)
from tests.proxy.kit import failure, request
from tests.proxy.routing.kit import NETWORK, SERVER, Build, Station

pytestmark = pytest.mark.anyio


def _turns(count: int, begin: str = "Hello.") -> list[dict[str, str]]:
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": begin}]
    for i in range(count - 1):
        said += [{"role": "assistant", "content": f"{i}"}, {"role": "user", "content": f"{i}?"}]
    return said


async def _who(station: Station, *, begin: str = "Hello.", turns: int = 1) -> str | None:
    await station.ask(messages=_turns(turns, begin))
    return station.receipt.provider


async def _moved(build: Build) -> Station:
    """A station whose talk has gone on to `south`, as `north` had failed once."""
    station = build()
    station.play("north", [failure(SERVER, "north")])
    assert await _who(station) == "south"
    return station


async def test_itstays_while_others_are_with_the_preferred_one(build: Build) -> None:
    station = await _moved(build)
    for turns in range(2, 6):
        assert await _who(station, turns=turns) == "south"
        assert await _who(station, begin="Another talk.", turns=turns) == "north"


async def test_it_comes_back_when_the_preferred_one_has_long_been_well(build: Build) -> None:
    station = await _moved(build)
    station.clock.now_s += WELL_S - 1
    assert await _who(station, turns=2) == "south"
    station.clock.now_s += 1
    assert await _who(station, turns=3) == "north"
    assert await _who(station, turns=4) == "north"


async def test_another_failure_of_the_preferred_one_counts_anew(build: Build) -> None:
    station = await _moved(build)
    station.clock.now_s += WELL_S - 1
    station.play("north", [failure(NETWORK, "north")])
    assert await _who(station, begin="Another talk.") == "south"
    station.clock.now_s += WELL_S - 1
    assert await _who(station, turns=2) == "south"


async def test_who_begins_in_the_same_words_is_somebody_else(build: Build) -> None:
    station = await _moved(build)
    assert await _who(station) == "north"


async def test_it_leaves_one_that_fails(build: Build) -> None:
    station = await _moved(build)
    station.play("south", [failure(SERVER, "south")])
    assert await _who(station, turns=2) == "north"
    assert await _who(station, turns=3) == "north"


async def test_the_switch_wins_at_once(build: Build) -> None:
    station = build("north", "south", "east")
    station.play("north", [failure(SERVER, "north")])
    assert await _who(station) == "south"
    station.preference = Preference("east", chosen=True)
    assert await _who(station, turns=2) == "east"
    station.preference = replace(station.preference, provider="north")
    assert await _who(station, turns=3) == "north"


async def test_what_is_pinned_is_answered_there(build: Build) -> None:
    station = await _moved(build)
    await station.ask("north", messages=_turns(2))
    assert station.receipt.provider == "north"


async def test_it_can_be_turned_off(build: Build) -> None:
    station = build(sticky=False)
    station.play("north", [failure(SERVER, "north")])
    assert await _who(station) == "south"
    assert await _who(station, turns=2) == "north"


async def test_only_so_many_talks_are_remembered() -> None:
    sessions = Sessions(lambda: 0.0)
    here, there = Candidate("north", "m"), Candidate("south", "m")
    for i in range(MAX_TALKS + 10):
        sessions.settle(Talk(b"%d" % i, begins=True), there, here, Preference("north"))
    assert len(sessions.stays) == MAX_TALKS


def test_a_talk_is_known_by_its_agent_s_word_or_by_how_it_begins() -> None:
    one = request(messages=_turns(2))
    later = request(messages=_turns(4))
    other = request(messages=_turns(2, "Else."))
    assert talk_of({}, "app", one) == talk_of({}, "app", later)
    assert len({talk_of({}, "app", one), talk_of({}, "app", other), talk_of({}, None, one)}) == 3
    told = {b"x-session-id": b"s1"}
    assert talk_of(told, None, one) == talk_of(told, None, other) != talk_of({}, None, one)
    cached = request(messages=_turns(2), params={"prompt_cache_key": "k"})
    assert talk_of({}, None, cached) != talk_of({}, None, one)
    assert talk_of({}, None, object()) is None


def test_parts_of_a_message_count_as_its_text() -> None:
    parts = [{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {"url": "x"}}]
    one = request(messages=[{"role": "user", "content": parts}])
    other = request(messages=[{"role": "user", "content": [{"type": "text", "text": "No."}]}])
    assert talk_of({}, None, one) != talk_of({}, None, other)


def test_of_a_beginning_without_end_its_ends_are_looked_at() -> None:
    document = "x" * 10 * MAX_TEXT
    parts = [{"type": "text", "text": "x"}] * 10 * MAX_PARTS
    for alike in (
        (f"{document}A{document}", f"{document}B{document}"),
        ([*parts, {"type": "text", "text": "A"}, *parts], [*parts, {"type": "text"}, *parts]),
    ):
        assert len({_talk_about(content) for content in alike}) == 1
    for others in (
        (f"{document}A", f"{document}B", f"A{document}"),
        ([*parts, {"type": "text", "text": "A"}], [{"type": "text", "text": "A"}, *parts]),
    ):
        assert len({_talk_about(content) for content in others}) == len(others)


def _talk_about(content: object) -> Talk | None:
    return talk_of({}, None, request(messages=[{"role": "user", "content": content}]))
