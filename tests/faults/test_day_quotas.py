"""Row 24 of the fault matrix: a quota of the day is spent, and stays so over a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.base import ErrorKind
from tests.faults.conftest import Build
from tests.faults.dialects import DAY_QUOTA, MINUTE_QUOTA
from tests.faults.fake import Reply
from tests.faults.rows import STREAMED
from tests.faults.test_limits import gemini_limit, headers_of, limited

pytestmark = pytest.mark.anyio

QUOTA = (429, "insufficient_quota")


def until_midnight_in_california_s() -> float:
    now = datetime.now(ZoneInfo("America/Los_Angeles"))
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


DAY_QUOTAS: Mapping[str, tuple[Reply, Callable[[], float]]] = {
    "gemini": (
        gemini_limit(MINUTE_QUOTA, DAY_QUOTA, retry_delay="26s"),
        until_midnight_in_california_s,
    ),
    "groq": (
        limited(
            "groq",
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2h30m"),
            code="rate_limit_exceeded",
        ),
        lambda: 9000,
    ),
}


@pytest.mark.parametrize("a", DAY_QUOTAS)
@STREAMED
async def test_row_24_a_spent_day_is_a_day_whatever_shorter_wait_is_told(
    build: Build, a: str, streamed: bool
) -> None:
    reply, left_s = DAY_QUOTAS[a]
    world = await build(a, "ollama")
    world.a.then(reply)

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:429", "ollama:200"]
    assert world.pause_s(a) == pytest.approx(left_s(), abs=5)
    assert world.status(a).kind is ErrorKind.QUOTA_DAY
    world.time.pass_(left_s() - 10)
    assert (await world.ask(stream=streamed)).attempts == ["ollama:200"]
    world.time.pass_(15)
    assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]


@pytest.mark.parametrize("a", DAY_QUOTAS)
@STREAMED
async def test_row_24_nobody_left_is_insufficient_quota_and_not_retried(
    build: Build, a: str, streamed: bool
) -> None:
    reply, left_s = DAY_QUOTAS[a]
    world = await build(a)
    world.a.then(reply)

    async with world.sdk() as patient:
        for _ in range(3):
            seen = await world.ask(stream=streamed, client=patient)
            assert seen.outcome == QUOTA
            retry_after, should_retry = headers_of(seen)
            assert float(retry_after or 0) == pytest.approx(left_s(), abs=5)
            assert should_retry == "false"

    assert len(world.a.calls) == 1


@pytest.mark.parametrize("a", DAY_QUOTAS)
async def test_row_24_a_spent_day_outlives_the_process(build: Build, a: str) -> None:
    reply, left_s = DAY_QUOTAS[a]
    world = await build(a, "ollama")
    world.a.then(reply)
    await world.ask()

    await world.restart()

    assert world.pause_s(a) == pytest.approx(left_s(), abs=5)
    assert (await world.ask()).attempts == ["ollama:200"]
    world.time.pass_(left_s() + 5)
    assert (await world.ask()).attempts == [f"{a}:200"]
    await world.restart()
    assert world.parts.health.day_quotas() == []
