"""Waiting for a turn: first come, first served, and the 200 calls of an ordinary afternoon."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.base import ChatRequest
from tests.faults.conftest import Build
from tests.faults.dialects import DIALECTS
from tests.faults.fake import Call, Fake, Reply, refusal
from tests.faults.rows import STREAMED
from tests.faults.world import MESSAGES, VirtualTime, World, drive, until

pytestmark = pytest.mark.anyio

SLOW_DOWN = refusal(DIALECTS["groq"], 429, ("retry-after", "5"))


async def asked_in_order(world: World, count: int, **fields: Any) -> list[asyncio.Task[Any]]:
    """Calls that wait in the order of their numbers, which their prompts tell."""
    tasks = []
    for number in range(count):
        content = [{"role": "user", "content": f"number {number}"}]
        tasks.append(asyncio.create_task(world.post(messages=content, **fields)))
        await asyncio.sleep(0)
    return tasks


def numbers(requests: Sequence[ChatRequest]) -> list[int]:
    """The prompts' numbers, in order."""
    said = [request.messages[0]["content"] for request in requests]
    return [int(words.split()[1]) for words in said if words.startswith("number")]


@STREAMED
async def test_a_hundred_waiters_are_served_in_order(build: Build, streamed: bool) -> None:
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    requests = world.watch_calls("groq")
    world.a.then(SLOW_DOWN)
    first = asyncio.create_task(world.post())
    await until(lambda: world.time.sleepers == 1)

    tasks = await asked_in_order(world, 100, stream=streamed)
    await asyncio.sleep(0.05)
    assert len(world.a.calls) == 1
    answers = await drive(world.time, [first, *tasks])

    assert Counter(one.status for one in answers) == {200: 101}
    assert numbers(requests) == list(range(100))


async def test_only_one_tries_and_the_others_follow_its_success(build: Build) -> None:
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    requests = world.watch_calls("groq")
    gate = asyncio.Event()
    world.a.then(SLOW_DOWN, Reply((gate, *world.a.good_whole.steps)))
    tasks = [asyncio.create_task(world.post())]
    await until(lambda: world.time.sleepers == 1)
    tasks += await asked_in_order(world, 20)

    world.time.pass_(5.01)
    await until(lambda: len(world.a.calls) == 2)
    await asyncio.sleep(0.05)
    assert len(world.a.calls) == 2
    gate.set()
    answers = await drive(world.time, tasks)

    assert Counter(one.status for one in answers) == {200: 21}
    assert numbers(requests) == list(range(20))


async def test_a_waiter_leaves_the_line_with_its_client(build: Build) -> None:
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    world.a.then(SLOW_DOWN)
    first = asyncio.create_task(world.post())
    await until(lambda: world.time.sleepers == 1)
    leaving = [asyncio.create_task(world.ask()) for _ in range(5)]
    await until(lambda: world.waiting() == 6)

    for task in leaving:
        task.cancel()
    await until(lambda: world.waiting() == 1)
    last = asyncio.create_task(world.post())
    await until(lambda: world.waiting() == 2)

    answers = await drive(world.time, [first, last])

    assert [one.status for one in answers] == [200, 200]
    assert len(world.a.calls) == 3


async def test_the_head_of_the_line_leaves_and_the_next_takes_over(build: Build) -> None:
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    world.a.then(SLOW_DOWN)
    leaving = asyncio.create_task(world.ask())
    await until(lambda: world.time.sleepers == 1)
    staying = asyncio.create_task(world.post())
    await until(lambda: world.waiting() == 2)

    leaving.cancel()
    await until(lambda: world.waiting() == 1 and world.time.sleepers == 1)

    [answer] = await drive(world.time, [staying])

    assert answer.status == 200
    assert len(world.a.calls) == 2


async def test_the_line_has_an_end(build: Build) -> None:
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    world.a.then(SLOW_DOWN)
    first = asyncio.create_task(world.post())
    await until(lambda: world.time.sleepers == 1)
    tasks = await asked_in_order(world, 255)
    await until(lambda: world.waiting() == 256)

    refused = await world.ask()

    assert refused.outcome == (503, "overloaded")
    assert refused.headers["x-should-retry"] == "true"
    assert 1 <= float(refused.headers["retry-after"]) <= 5
    answers = await drive(world.time, [first, *tasks])
    assert Counter(one.status for one in answers) == {200: 256}


async def test_time_in_the_line_is_time_waited(build: Build) -> None:
    """A told wait comes again and again: nobody waits for longer than the setting says."""
    world = await build("groq", max_wait_s=10)
    world.time.held = True
    world.a.always(refusal(DIALECTS["groq"], 429, ("retry-after", "6")))
    first = asyncio.create_task(world.post())
    await until(lambda: world.time.sleepers == 1)
    tasks = await asked_in_order(world, 10)
    began = world.time.now

    answers = await drive(world.time, [first, *tasks])

    assert {one.status for one in answers} == {429}
    assert world.time.now - began <= 13
    assert len(world.a.calls) <= 3


async def test_the_log_says_who_waits_for_what_limit(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build("groq", limits={"groq": 2}, max_wait_s=60)
    await world.post()
    await world.post()
    world.time.pass_(30)

    assert (await world.post()).status == 200
    assert "[limiter] groq 2/2 used, waiting 30.0 s" in caplog.messages


async def test_a_limit_of_our_own_rotates_before_it_waits(build: Build) -> None:
    world = await build("groq", "gemini", limits={"groq": 2, "gemini": 2}, max_wait_s=60)

    posted = [await world.post() for _ in range(5)]

    asked = [one.headers["x-pointsman-provider"] for one in posted]
    assert asked == ["groq", "groq", "gemini", "gemini", "groq"]
    assert world.time.now == pytest.approx(1060, abs=1)


# The 200 calls


class Allowance:
    """What a provider allows a minute, enforced as strictly as can be; counts what it refuses."""

    def __init__(self, fake: Fake, a_minute: int, time: VirtualTime) -> None:
        self.refused_at: list[float] = []
        self._a_minute = a_minute
        self._time = time
        self._recent: deque[float] = deque()
        self._refusal = refusal(fake.dialect, 429, ("retry-after", "20"))
        fake.rule = self._rule

    def _rule(self, _: Call) -> Reply | None:
        now = self._time.now
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= self._a_minute:
            self.refused_at.append(now)
            return self._refusal
        self._recent.append(now)
        return None


@pytest.mark.heavy
@pytest.mark.parametrize("known", [True, False], ids=["limits known", "limits not known"])
@pytest.mark.parametrize("burst", [1, 50, 100])
@pytest.mark.parametrize(
    "order", [("groq", "gemini", "ollama"), ("gemini", "groq", "ollama")], ids=lambda o: o[0]
)
async def test_two_hundred_calls_in_ten_minutes_are_two_hundred_answers(
    build: Build, capsys: pytest.CaptureFixture[str], order: Any, known: bool, burst: int
) -> None:
    """Groq allows 30 a minute, Gemini 15, Ollama is there for the rest."""
    limits = {"groq": 30, "gemini": 15}
    world = await build(*order, limits=limits if known else {}, max_wait_s=10)
    allowances = [
        Allowance(world.fakes[name], a_minute, world.time) for name, a_minute in limits.items()
    ]
    answers = []

    for i in range(200 // burst):
        asked = (world.post(stream=(i + k) % 2 == 0) for k in range(burst))
        answers += await asyncio.gather(*asked)
        world.time.pass_(600 / (200 // burst))

    assert Counter(one.status for one in answers) == {200: 200}
    refused = [at - 1000 for one in allowances for at in one.refused_at]
    late = [at for at in refused if at > 60]
    shares = {name: len(fake.calls) for name, fake in world.fakes.items()}
    with capsys.disabled():
        told = f"{shares}, 429s {len(refused)}, after the first minute {len(late)}"
        sys.stdout.write(f"\n200 calls, {burst} at a time, limits known: {known}: {told}\n")
    assert late == [] or not known


async def test_two_hundred_calls_in_two_minutes_without_a_third_provider(build: Build) -> None:
    """45 a minute are allowed and 45 asked for: who has to wait a little does, and is answered."""
    limits = {"groq": 30, "gemini": 15}
    world = await build("groq", "gemini", limits=limits, max_wait_s=60)
    allowances = [
        Allowance(world.fakes[name], a_minute, world.time) for name, a_minute in limits.items()
    ]

    answers = [await world.post(messages=MESSAGES) for _ in range(200)]

    assert Counter(one.status for one in answers) == {200: 200}
    assert [at for one in allowances for at in one.refused_at] == []
    assert world.time.now - 1000 == pytest.approx(240, abs=5)
