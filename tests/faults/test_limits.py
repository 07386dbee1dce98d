"""Rows 19 to 27 of the fault matrix: what providers say of their limits, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.faults.conftest import Build, is_told
from tests.faults.dialects import DIALECTS, MINUTE_QUOTA, encoded, gemini_quota
from tests.faults.fake import Reply, refusal, whole
from tests.faults.rows import NEXT, STREAMED, WITH_B, A
from tests.faults.world import until

pytestmark = pytest.mark.anyio

LIMITED = (429, "rate_limit_exceeded")


def limited(a: str, *headers: tuple[str, str], **more: Any) -> Reply:
    return refusal(DIALECTS[a], 429, *headers, **more)


def headers_of(world_seen: Any) -> tuple[str | None, str | None]:
    told = world_seen.headers
    return told.get("retry-after"), told.get("x-should-retry")


# 19: a told wait


@A
@STREAMED
async def test_row_19_a_told_wait_is_kept_and_ends_with_one_probe(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a, NEXT[a])
    world.a.then(limited(a, ("retry-after", "2")))

    first = await world.ask(stream=streamed)
    assert first.attempts == [f"{a}:429", f"{NEXT[a]}:200"]
    assert (world.status(a).state, world.pause_s(a)) == ("cooling", 2)

    world.time.pass_(1.9)
    for _ in range(5):
        assert (await world.ask(stream=streamed)).attempts == [f"{NEXT[a]}:200"]
    assert len(world.a.calls) == 1

    world.time.pass_(0.2)
    gate = asyncio.Event()
    world.a.then(Reply((gate, *world.a.good_whole.steps)))
    probe = asyncio.create_task(world.ask())
    await until(lambda: len(world.a.calls) == 2)
    others = [await world.ask(stream=streamed) for _ in range(5)]
    gate.set()

    assert [other.attempts for other in others] == [[f"{NEXT[a]}:200"]] * 5
    assert (await probe).attempts == [f"{a}:200"]
    assert len(world.a.calls) == 2
    assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]


@A
@STREAMED
async def test_row_19_nobody_left_waits_if_that_is_soon_enough(
    build: Build, a: str, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build(a, max_wait_s=10)
    world.a.then(limited(a, ("retry-after", "2")))

    seen = await world.ask(stream=streamed)

    assert (seen.text, seen.attempts) == (world.a.dialect.text, [f"{a}:429", f"{a}:200"])
    assert world.time.now == pytest.approx(1002, abs=0.01)
    assert f"[limiter] {a} rate limit, waiting 2.0 s" in caplog.text


@A
@STREAMED
async def test_row_19_nobody_left_and_too_long_a_wait_is_a_429_that_tells_it(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a, max_wait_s=10)
    world.a.then(limited(a, ("retry-after", "20")))

    first = await world.ask(stream=streamed)
    world.time.pass_(5)
    second = await world.ask(stream=streamed)

    assert (first.outcome, second.outcome) == (LIMITED, LIMITED)
    assert is_told(first, 20) and is_told(second, 15)
    assert {seen.headers.get("x-should-retry") for seen in (first, second)} == {None}
    assert (first.attempts, second.attempts) == ([f"{a}:429"], [])
    assert len(world.a.calls) == 1


# 20, 21: all the ways to say it, sane or not


def by_date(seconds: float) -> list[tuple[str, str]]:
    """The wait as a date, told by a provider whose clock is months off."""
    now = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
    then = now + timedelta(seconds=seconds)
    dates = {"date": now, "retry-after": then}
    return [(name, format_datetime(date, usegmt=True)) for name, date in dates.items()]


TOLD: Mapping[str, tuple[list[tuple[str, str]], float]] = {
    "seconds": ([("retry-after", "7")], 7),
    "a float": ([("retry-after", "1.5")], 1.5),
    "milliseconds": ([("retry-after-ms", "2500")], 2.5),
    "a date": (by_date(30), 30),
    "two headers": ([("retry-after", "3"), ("retry-after", "9")], 9),
    "nothing": ([], 5),
    "negative": ([("retry-after", "-5")], 5),
    "zero": ([("retry-after", "0")], 5),
    "garbage": ([("retry-after", "soon")], 5),
    "not a number": ([("retry-after", "NaN")], 5),
    "endless": ([("retry-after", "inf")], 5),
    "10,000 digits": ([("retry-after", "9" * 10_000)], 5),
    "a date that is past": (by_date(-60), 5),
    "a year": ([("retry-after", "31536000")], 3600),
    "for ever": ([("retry-after", "1e9")], 3600),
}


@A
@STREAMED
@pytest.mark.parametrize("how", TOLD)
async def test_rows_20_21_22_whatever_is_told_becomes_a_sane_wait(
    build: Build, a: str, how: str, streamed: bool
) -> None:
    headers, wait_s = TOLD[how]
    world = await build(a, NEXT[a])
    world.a.then(limited(a, *headers))

    assert (await world.ask(stream=streamed)).status == 200

    assert world.pause_s(a) == pytest.approx(wait_s, abs=0.001)
    assert world.status(a).state == "cooling"


@A
@pytest.mark.parametrize("how", TOLD)
async def test_rows_20_21_22_the_app_is_told_the_same_wait(build: Build, a: str, how: str) -> None:
    headers, wait_s = TOLD[how]
    world = await build(a)
    world.a.then(limited(a, *headers))

    seen = await world.ask()

    assert seen.outcome == LIMITED
    assert is_told(seen, wait_s)
    assert seen.headers.get("x-should-retry") == ("false" if wait_s > 60 else None)


@A
async def test_row_22_untold_waits_double_to_a_minute(build: Build, a: str) -> None:
    world = await build(a, NEXT[a])
    world.a.always(limited(a))
    waits: list[float] = []

    for _ in range(6):
        await world.ask()
        waits.append(world.pause_s(a))
        world.time.pass_(waits[-1])

    assert waits == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ([("remaining-tokens", "0"), ("reset-tokens", "7.66s")], "Slow down.", 7.66),
        ([("remaining-tokens", "0"), ("reset-tokens", "1m26.4s")], "Slow down.", 86.4),
        ([], "Rate limit reached. Please try again in 1m0.36s. Visit our site.", 60.36),
        ([], "Rate limit reached. Please try again in 449.99ms.", 0.44999),
    ],
)
async def test_row_22_groq_tells_it_in_its_headers_or_its_text(
    build: Build, headers: list[tuple[str, str]], message: str, wait_s: float
) -> None:
    world = await build("groq", "ollama")
    told = [(f"x-ratelimit-{name}", value) for name, value in headers]
    world.a.then(limited("groq", *told, message=message, code="rate_limit_exceeded"))

    await world.ask()

    assert world.pause_s("groq") == pytest.approx(wait_s, abs=0.01)


# 23: Gemini's RetryInfo


def gemini_limit(*quotas: str, retry_delay: str | None) -> Reply:
    return whole(encoded(gemini_quota(*quotas, retry_delay=retry_delay)), 429)


@pytest.mark.parametrize(
    ("retry_delay", "wait_s"),
    [("26s", 26), ("0.5s", 0.5), ("26.123456789s", 26.123), (None, 5), ("soon", 5)],
)
@STREAMED
@WITH_B
async def test_row_23_gemini_tells_it_in_retry_info(
    build: Build, retry_delay: str | None, wait_s: float, streamed: bool, with_b: bool
) -> None:
    world = await (build("gemini", "ollama") if with_b else build("gemini"))
    world.a.then(gemini_limit(MINUTE_QUOTA, retry_delay=retry_delay))

    seen = await world.ask(stream=streamed)

    assert seen.attempts == ["gemini:429"] + ["ollama:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else LIMITED)
    assert world.pause_s("gemini") == pytest.approx(wait_s, abs=0.01)


# 25: several at once


async def test_row_25_of_several_limits_the_longest_holds(build: Build) -> None:
    world = await build("groq", "ollama")
    world.a.then(
        limited("groq", ("retry-after", "4"), ("retry-after", "11"), ("retry-after-ms", "200"))
    )

    await world.ask()

    assert world.pause_s("groq") == 11


async def test_a_shorter_wait_does_not_end_a_longer_one(build: Build) -> None:
    """Two calls are under way when the limit is reached, and are told different waits."""
    world = await build("groq", "ollama")
    gates = asyncio.Event(), asyncio.Event()
    for gate, wait in zip(gates, ("30", "2"), strict=True):
        world.a.then(Reply((gate, *limited("groq", ("retry-after", wait)).steps)))
    asking = [asyncio.create_task(world.ask()) for _ in gates]
    await until(lambda: world.a.counts.busy == 2)
    for i, gate in enumerate(gates):
        gate.set()
        await until(lambda i=i: world.a.counts.busy == 1 - i)  # type: ignore[misc]
    await asyncio.gather(*asking)

    assert world.pause_s("groq") == 30


# 26, 27: too large, and busy


@A
@STREAMED
async def test_row_26_too_large_for_one_is_the_next_ones_and_no_cooldown(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 413, message="Request too large."))

    for _ in range(4):
        assert (await world.ask(stream=streamed)).attempts == [f"{a}:413", f"{NEXT[a]}:200"]

    assert world.status(a).state == "ready"


@A
@STREAMED
async def test_row_26_too_large_for_all_is_the_requests_fault(
    build: Build, a: str, streamed: bool
) -> None:
    world = await build(a)
    world.a.always(refusal(DIALECTS[a], 413, message="Request too large."))

    async with world.sdk() as patient:
        seen = await world.ask(stream=streamed, client=patient)

    assert seen.outcome == (413, "request_too_large")
    assert len(world.a.calls) == 1


BUSY = [("groq", 498), ("groq", 503), ("gemini", 503), ("gemini", 529), ("ollama", 503)]


@pytest.mark.parametrize(("a", "status"), BUSY)
@STREAMED
async def test_row_27_a_busy_provider_is_left_alone_for_a_moment(
    build: Build, a: str, status: int, streamed: bool
) -> None:
    world = await build(a, NEXT[a])
    world.a.then(refusal(DIALECTS[a], status, message="server busy, please try again"))

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:{status}", f"{NEXT[a]}:200"]
    assert 2 <= world.pause_s(a) <= 5
    world.time.pass_(5)
    assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]


@pytest.mark.parametrize(("a", "status"), BUSY)
@STREAMED
async def test_row_27_nobody_left_is_a_short_503(
    build: Build, a: str, status: int, streamed: bool
) -> None:
    world = await build(a)
    world.a.always(refusal(DIALECTS[a], status, message="server busy, please try again"))

    seen = await world.ask(stream=streamed)

    assert seen.outcome == (503, "no_provider_available")
    retry_after, should_retry = headers_of(seen)
    assert 2 <= float(retry_after or 0) <= 5
    assert should_retry == "true"
    assert len(world.a.calls) == 1


# Peer-bugs 61, 69


async def test_each_wait_is_the_one_told_last_and_not_the_first_ones(build: Build) -> None:
    world = await build("groq", max_wait_s=60)
    world.a.then(*(limited("groq", ("retry-after", wait)) for wait in ("1", "4")))

    seen = await world.ask()

    assert seen.attempts == ["groq:429", "groq:429"]  # no provider is asked a third time
    assert is_told(seen, 4)
    assert world.time.now == pytest.approx(1001, abs=0.1)


async def test_a_limit_of_our_own_and_one_of_the_providers_can_be_told_apart(
    build: Build,
) -> None:
    world = await build("groq", limits={"groq": 1})
    await world.ask()
    ours = await world.ask()
    world.fakes["gemini"].then(limited("gemini", ("retry-after", "30")))
    theirs = await world.ask("gemini/deep")

    assert (ours.outcome, ours.attempts) == (LIMITED, [])
    assert (theirs.outcome, theirs.attempts) == (LIMITED, ["gemini:429"])
    assert "1/1 requests a minute used" in str(ours.error)
    assert "1/1" not in str(theirs.error)
    assert is_told(ours, 60) and is_told(theirs, 30)
