"""Waiting for a turn: whoever comes and goes, those who stay are served in the order they came."""

from __future__ import annotations

import asyncio

from hypothesis import given, strategies as st

from proxy.routing.line import MAX_WAITING, Lines

JOIN = -1
"""Steps of a story: one more joins; any other number is who of those in line leaves."""


async def served(steps: list[int]) -> tuple[list[int], list[int]]:
    """In which order the waiters came to the head, and who of them was left to do so."""
    lines = Lines()
    gate = asyncio.Event()
    order: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def wait(number: int) -> None:
        async with lines.head("key"):
            await gate.wait()
            order.append(number)

    for step in steps:
        if step == JOIN:
            tasks.append(asyncio.create_task(wait(len(tasks))))
        elif step < len(tasks):
            tasks[step].cancel()
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert lines.is_empty("key")
    return order, [number for number, task in enumerate(tasks) if not task.cancelled()]


@given(st.lists(st.just(JOIN) | st.integers(0, 20), max_size=60))
def test_waiters_are_served_in_order_whoever_leaves(steps: list[int]) -> None:
    order, stayed = asyncio.run(served(steps))

    assert order == stayed


def test_a_line_is_full_at_its_length_and_each_has_its_own() -> None:
    async def story() -> None:
        lines = Lines()

        async def wait() -> None:
            async with lines.head("a"):
                await asyncio.Event().wait()

        tasks = []
        for _ in range(MAX_WAITING):
            assert not lines.is_full("a")
            tasks.append(asyncio.create_task(wait()))
            await asyncio.sleep(0)
        assert lines.is_full("a") and not lines.is_full("b") and lines.is_empty("b")
        tasks.pop().cancel()
        await asyncio.sleep(0)
        assert not lines.is_full("a")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert lines.is_empty("a")

    asyncio.run(story())
