"""Rows 35, 36, 52 to 54 and 60 of the fault matrix: many requests while providers come and go."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest

from proxy.store.kept.preferences import StoredPreference
from tests.faults.conftest import Build
from tests.faults.dialects import DIALECTS
from tests.faults.fake import Call, Reply, refusal
from tests.faults.rows import STREAMED
from tests.faults.world import Seen, World, until
from tests.proxy.store.kit import chosen

pytestmark = pytest.mark.anyio

ALL = ("groq", "gemini", "ollama")
DOWN = {
    "refusing": Reply((), "close"),
    "500": refusal(DIALECTS["groq"], 500),
    "busy": refusal(DIALECTS["groq"], 503, message="server busy"),
    "limited": refusal(DIALECTS["groq"], 429),
}
ANSWERS = {429, 502, 503}
"""502 is for the few whose own try was cut; all others are told when to come back."""
ANY = "gpt-4o"
"""A name that no provider lists: it goes to whom the user prefers."""
INTERVAL_S = {"refusing": 5, "500": 5, "busy": 2, "limited": 30}
"""How often a provider may be tried: by a guess, while it is busy, after untold waits grew."""


def all_down(world: World, reply: Reply) -> None:
    for fake in world.fakes.values():
        fake.always(reply)


def calls(world: World) -> int:
    return sum(len(fake.calls) for fake in world.fakes.values())


# 35: all down


@pytest.mark.heavy
@STREAMED
@pytest.mark.parametrize("how", DOWN)
async def test_row_35_two_hundred_requests_cause_at_most_twenty_calls(
    build: Build, streamed: bool, how: str
) -> None:
    world = await build(*ALL)
    all_down(world, DOWN[how])

    seen = [await world.ask(stream=streamed) for _ in range(200)]

    assert {one.status for one in seen} <= ANSWERS
    assert calls(world) <= 20
    assert world.time.now - 1000 < 60  # nobody was made to wait for long


@pytest.mark.heavy
@pytest.mark.parametrize("how", DOWN)
async def test_row_35_a_thousand_requests_at_once_are_no_storm(build: Build, how: str) -> None:
    world = await build(*ALL)
    all_down(world, DOWN[how])
    for _ in range(5):
        await world.ask()
    before = calls(world)
    world.time.held = True

    async with asyncio.timeout(20):
        posted = await asyncio.gather(*(world.post(stream=i % 2 == 0) for i in range(1000)))

    assert {one.status for one in posted} <= ANSWERS
    waiting = [one for one in posted if one.status != 502]
    assert all(float(one.headers["retry-after"]) >= 1 for one in waiting)
    assert calls(world) - before <= 3


@pytest.mark.heavy
@pytest.mark.parametrize(("how", "interval_s"), INTERVAL_S.items())
async def test_row_35_one_probe_a_provider_and_interval(
    build: Build, how: str, interval_s: float
) -> None:
    """Five minutes, ten requests a second."""
    world = await build(*ALL)
    all_down(world, DOWN[how])
    for _ in range(10):
        await world.post()
    before = calls(world)

    for _ in range(300):
        await asyncio.gather(*(world.post(stream=i % 2 == 0) for i in range(10)))
        world.time.pass_(1)

    assert calls(world) - before <= 3 * 300 / interval_s


async def test_row_35_what_comes_back_is_found_again(build: Build) -> None:
    world = await build(*ALL)
    all_down(world, DOWN["refusing"])
    for _ in range(20):
        await world.ask()
        world.time.pass_(3)

    world.fakes["gemini"].rule = lambda _: None
    world.time.pass_(60)

    answers = [await world.ask() for _ in range(10)]
    assert [one.attempts[-1] for one in answers[-5:]] == ["gemini:200"] * 5
    assert {one.status for one in answers[3:]} == {200}


# 36: flapping


@pytest.mark.heavy
@STREAMED
async def test_row_36_a_flapping_provider_is_felt_by_nobody(build: Build, streamed: bool) -> None:
    world = await build("groq", "gemini")
    flips = iter(range(10_000))

    def flap(_: Call) -> Reply | None:
        return Reply((), "close") if next(flips) % 2 == 0 else None

    world.a.rule = flap
    seen: list[Seen] = []
    for _ in range(200):
        seen.append(await world.ask(stream=streamed))
        world.time.pass_(1)

    assert {one.status for one in seen} == {200}
    answered = [one.attempts[-1] for one in seen]
    changes = sum(a != b for a, b in itertools.pairwise(answered))
    assert changes <= 20


# 52: the clock on the wall


@pytest.mark.parametrize("jump_s", [3600, -3600, 86_400, -86_400, 0.4, -0.4])
async def test_row_52_a_jump_of_the_wall_clock_moves_no_wait(build: Build, jump_s: float) -> None:
    world = await build("groq", "gemini", limits={"gemini": 2})
    world.a.then(refusal(DIALECTS["groq"], 429, ("retry-after", "30")))
    await world.ask()

    world.time.wall_offset += jump_s

    assert world.pause_s("groq") == 30
    assert (await world.ask()).attempts == ["gemini:200"]
    assert (await world.ask()).status == 429  # the window has not moved either
    world.time.pass_(30)
    assert (await world.ask()).attempts == ["groq:200"]


@pytest.mark.parametrize(("jump_s", "is_back"), [(86_400, True), (-86_400, False)])
async def test_row_52_a_days_quota_comes_back_by_either_clock(
    build: Build, jump_s: float, is_back: bool
) -> None:
    world = await build("groq", "ollama")
    spent = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "3h")]
    world.a.then(refusal(DIALECTS["groq"], 429, *spent))
    await world.ask()

    world.time.wall_offset += jump_s
    assert (await world.ask()).attempts == ["groq:200" if is_back else "ollama:200"]
    world.time.pass_(3 * 3600)
    assert (await world.ask()).attempts == ["groq:200"]


# 53, 54: the user chooses another one


async def prefer(world: World, provider: str) -> None:
    await chosen(world.parts, StoredPreference(provider=provider, fallback=world.order))


async def test_row_53_a_change_in_the_middle_spoils_no_answer(build: Build) -> None:
    world = await build("groq", "gemini")
    gate = asyncio.Event()
    good = world.a.good

    def held(call: Call) -> Reply:
        return Reply((gate, *good(call).steps))

    world.a.rule = held
    asking = [asyncio.create_task(world.ask(ANY, stream=i % 2 == 0)) for i in range(100)]
    await until(lambda: world.a.counts.busy == 100)

    await prefer(world, "gemini")
    new = await world.ask(ANY)
    gate.set()
    old = await asyncio.gather(*asking)

    assert new.attempts == ["gemini:200"]
    assert Counter(one.text for one in old) == {world.a.dialect.text: 100}
    assert {tuple(one.attempts) for one in old} == {("groq:200",)}


async def test_row_54_a_choice_that_cools_down_is_passed_over(build: Build) -> None:
    world = await build("gemini", "groq", "ollama")
    groq = world.fakes["groq"]
    groq.then(refusal(groq.dialect, 429, ("retry-after", "20")))
    await world.ask("groq/fast")

    await prefer(world, "groq")

    assert (await world.ask(ANY)).attempts == ["gemini:200"]
    world.time.pass_(20)
    assert (await world.ask(ANY)).attempts == ["groq:200"]


async def test_row_54_a_choice_that_loses_its_key_in_flight_is_passed_over(build: Build) -> None:
    world = await build("groq", "gemini")
    gate = asyncio.Event()
    world.a.then(Reply((gate, *world.a.good_whole.steps)))
    asking = asyncio.create_task(world.ask(ANY))
    await until(lambda: world.a.counts.busy == 1)
    groq = world.parts.adapters["groq"]

    groq.unconfigured = "GROQ_API_KEY is not set"  # type: ignore[misc]
    gate.set()

    assert (await asking).attempts == ["groq:200"]
    assert (await world.ask(ANY)).attempts == ["gemini:200"]
    assert (await world.ask("groq/fast")).outcome == (503, "no_provider_available")


# 60: the app's own retry


async def test_row_60_a_retry_of_the_sdk_is_a_request_like_any_other(build: Build) -> None:
    world = await build("groq")
    world.a.then(*[refusal(DIALECTS["groq"], 500)] * 2)

    async with world.sdk(max_retries=2) as patient:
        seen = await world.ask(client=patient, extra_headers={"x-stainless-retry-count": "1"})

    assert (seen.status, len(world.a.calls)) == (200, 3)
    metrics = await world.client._client.get(world.url.replace("/v1", "/metrics"))
    assert "pointsman_client_retries_total 2.0" in metrics.text


async def test_retries_at_one_place_stay_within_their_budget(build: Build) -> None:
    """A provider that fails each call, alone: twice the calls would be twice the load."""
    world = await build("groq")
    flips = iter(range(10_000))
    failing = refusal(DIALECTS["groq"], 500)
    # Two of three well, so that the breaker stays closed and only the budget holds.
    world.a.rule = lambda _: failing if next(flips) % 3 == 0 else None

    seen = [await world.ask() for _ in range(60)]

    assert len(world.a.calls) <= 60 * 1.2 + 3
    assert Counter(one.status for one in seen)[200] >= 45
