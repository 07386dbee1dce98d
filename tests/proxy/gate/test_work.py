"""When the task of a request ends early: its time is up, its client has left."""

from __future__ import annotations

import asyncio
import math

import pytest

from proxy.gate.work import TICK_S, Rounds, Work

pytestmark = pytest.mark.anyio


async def test_a_task_whose_time_is_up_is_cancelled_and_may_go_on() -> None:
    work = Work(Rounds())
    work.end_in(0)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert not work.undo_left()
    assert work.undo_late()
    assert not work.undo_late()
    await asyncio.sleep(0)
    assert work.ends_at == math.inf


async def test_a_client_that_left_cancels_once() -> None:
    work = Work(Rounds())
    work.stop_left()
    work.stop_left()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert not work.undo_late()
    assert work.undo_left()
    await asyncio.sleep(0)


async def test_who_left_when_the_time_was_up_has_left() -> None:
    work = Work(Rounds())
    work.stop_late()
    work.stop_left()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert not work.undo_late()
    assert work.undo_left()


@pytest.mark.parametrize("stop", [Work.stop_late, Work.stop_left])
async def test_a_cancellation_from_elsewhere_is_not_taken_back(stop: object) -> None:
    work = Work(Rounds())
    task = asyncio.current_task()
    assert task is not None
    stop(work)  # type: ignore[operator]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert not work.undo_late()
    assert not work.undo_left()
    while task.uncancel():
        pass


async def test_nothing_cancels_what_has_ended() -> None:
    rounds = Rounds()
    work = Work(rounds)
    work.end_in(0)
    work.close()
    work.stop_left()
    await asyncio.sleep(2 * TICK_S)
    assert not work.undo_late()
    assert not work.undo_left()


async def test_many_are_looked_after_and_each_ends_by_its_own_time() -> None:
    rounds = Rounds()

    async def one(seconds: float) -> bool:
        work = Work(rounds)
        work.end_in(seconds)
        try:
            await asyncio.sleep(0 if seconds == math.inf else 60)
        except asyncio.CancelledError:
            return work.undo_late()
        finally:
            work.close()
        return False

    late = await asyncio.gather(*(one(s) for s in (0.0, math.inf, 0.06, 0.0)))
    assert late == [True, False, True, True]
