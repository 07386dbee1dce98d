"""A provider that may have so many calls at work and no more: others wait for their turn."""

from __future__ import annotations

import pytest

from proxy.limits.ticket import Seats
from proxy.routing.answers.receipt import Receipt
from tests.proxy.kit import request
from tests.proxy.routing.kit import Build

pytestmark = pytest.mark.anyio


async def test_who_waits_for_a_turn_gets_it_when_a_call_has_ended(build: Build) -> None:
    station = build(seats={"north": Seats(1)}, max_wait_s=5)
    first = station.answer(request())
    answer = await first.__aenter__()
    sleep = station.clock.sleep

    async def sleep_until_it_ends(wait_s: float) -> None:
        await sleep(wait_s)
        if len(station.clock.slept) == 3:
            await answer.aclose()

    station.router.permits._sleep = sleep_until_it_ends
    await station.ask("north/a-model")

    assert station.receipt.warnings == ["queued=north"]
    assert station.clock.slept == pytest.approx([0.1] * 3)
    assert station.calls() == [2, 0]
    await first.__aexit__(None, None, None)
    station.receipt = Receipt()
    await station.ask()
    assert (station.receipt.provider, station.receipt.warnings) == ("north", [])


async def test_who_waits_too_long_is_told_to_come_back(build: Build) -> None:
    station = build(seats={"north": Seats(1)}, max_wait_s=1)
    async with station.answer(request()):
        error = await station.refused("north/a-model")

    assert error.status == 503 and error.retry_after_s
    assert "1 of 1 calls at once" in error.message
    assert sum(station.clock.slept) == pytest.approx(1.0, abs=0.15)


async def test_each_of_several_calls_takes_a_place(build: Build) -> None:
    seats = Seats(3)
    station = build(seats={"north": seats})
    async with station.answer(request()):
        assert seats.taken == 1
        async with station.answer(request()):
            assert seats.taken == 2
    assert seats.taken == 0
