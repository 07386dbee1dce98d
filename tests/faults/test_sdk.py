"""What the OpenAI SDK makes of our errors, with its own retries on; and the neighbours' bugs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.faults.conftest import Build, is_told
from tests.faults.dialects import DAY_QUOTA, DIALECTS, encoded, gemini_quota
from tests.faults.fake import PAUSE, Reply, refusal, stream, whole
from tests.faults.rows import NEXT, STREAMED, A
from tests.faults.world import KEYS, SILENCE_S, World, until

pytestmark = pytest.mark.anyio

GROQ = DIALECTS["groq"]


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the SDK would have slept between its attempts; it sleeps none of it."""
    slept: list[float] = []

    import openai._base_client

    real = openai._base_client.anyio.sleep

    async def counted(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(openai._base_client.anyio, "sleep", counted)
    return slept


# How often the SDK asks us, and we the provider

ROWS: dict[str, tuple[Reply, int, int, type[openai.APIError]]] = {
    # upstream calls of one ask, how often the SDK asks, what it raises
    "limited for long": (refusal(GROQ, 429, ("retry-after", "90")), 1, 1, openai.RateLimitError),
    "limited for a while": (refusal(GROQ, 429, ("retry-after", "30")), 1, 3, openai.RateLimitError),
    "quota of the day": (
        refusal(GROQ, 429, ("x-ratelimit-remaining-requests", "0"), ("retry-after", "7200")),
        1,
        1,
        openai.RateLimitError,
    ),
    "dead key": (refusal(GROQ, 401), 1, 1, openai.InternalServerError),
    "bad request": (refusal(GROQ, 400), 1, 1, openai.BadRequestError),
    "too large": (refusal(GROQ, 413), 1, 1, openai.APIStatusError),
    "no model": (refusal(GROQ, 404), 1, 1, openai.NotFoundError),
    "nonsense": (whole(b"<html>"), 1, 1, openai.InternalServerError),
    "a redirect": (whole(b"", 302, ("location", "/x")), 1, 1, openai.InternalServerError),
    "busy": (refusal(GROQ, 503), 1, 3, openai.InternalServerError),
    "broken": (refusal(GROQ, 500), 2, 1, openai.InternalServerError),
}


@STREAMED
@pytest.mark.parametrize("row", ROWS)
async def test_the_sdks_retries_do_not_multiply_our_attempts(
    build: Build, sleeps: list[float], streamed: bool, row: str
) -> None:
    reply, calls, asks, error = ROWS[row]
    world = await build("groq")
    world.a.always(reply)
    asked = world.watch_asks()

    async with world.sdk(max_retries=2) as patient:
        seen = await world.ask("groq/fast", stream=streamed, client=patient)

    assert isinstance(seen.error, error)
    assert len(asked) == asks
    assert len(world.a.calls) <= calls
    assert len(sleeps) == asks - 1


async def test_a_short_wait_that_we_tell_is_the_one_that_the_sdk_sleeps(
    build: Build, sleeps: list[float]
) -> None:
    world = await build("groq")
    world.a.always(refusal(GROQ, 429, ("retry-after", "7")))

    async with world.sdk(max_retries=1) as patient:
        await world.ask(client=patient)

    [slept] = sleeps
    assert 7 <= slept <= 7.71  # up to a tenth longer, for not all are to come at once


async def test_the_last_row_a_deadline_that_is_used_up_is_a_504_and_final(
    build: Build, sleeps: list[float]
) -> None:
    world = await build("groq", deadline_s=0.1)
    world.a.always(Reply((), "hang"))

    async with world.sdk(max_retries=2) as patient:
        seen = await world.ask(client=patient)

    assert seen.outcome == (504, "upstream_timeout")
    assert (len(world.a.calls), sleeps) == (1, [])


async def test_our_504_comes_before_the_sdk_gives_up(build: Build) -> None:
    world = await build("groq")
    world.a.always(Reply((), "hang"))

    async with world.sdk(timeout=0.4) as hasty:
        seen = await world.ask(client=hasty)

    assert seen.outcome == (504, "upstream_timeout")


async def test_an_apps_own_haste_is_not_held_against_the_provider(build: Build) -> None:
    world = await build("groq", "gemini")
    gate = asyncio.Event()
    for fake in world.fakes.values():
        fake.always(Reply((gate, *fake.good_whole.steps)))

    for _ in range(5):
        seen = await world.ask(extra_headers={"x-request-timeout-ms": "60"})
        assert seen.status == 504
    gate.set()

    assert (await world.ask()).attempts == ["groq:200"]


async def test_one_provider_may_not_take_the_whole_deadline(build: Build) -> None:
    world = await build("groq", "gemini")
    world.a.always(Reply((), "hang"))

    seen = await world.ask(extra_headers={"x-request-timeout-ms": "400"})

    assert seen.attempts == ["groq:timeout_first_byte", "gemini:200"]


# The regression set


@A
async def test_r1_a_limited_stream_without_fallback_ends_at_once(build: Build, a: str) -> None:
    world = await build(a)
    world.a.always(refusal(DIALECTS[a], 429, ("retry-after", "30")))
    began = time.process_time()

    async with asyncio.timeout(5):
        seen = await world.ask(stream=True)

    assert seen.outcome == (429, "rate_limit_exceeded")
    assert len(world.a.calls) == 1
    assert time.process_time() - began < 1


@A
async def test_r2_a_limited_stream_rotates_before_its_first_word(build: Build, a: str) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 429, ("retry-after", "30")))

    seen = await world.ask(stream=True)

    assert world.b and seen.text == world.b.dialect.text
    assert seen.attempts == [f"{a}:429", f"{NEXT[a]}:200"]


@A
@pytest.mark.parametrize("wait", ["9", "47"])
async def test_r3_a_streams_error_keeps_its_wait(build: Build, a: str, wait: str) -> None:
    world = await build(a)
    world.a.always(refusal(DIALECTS[a], 429, ("retry-after", wait)))

    seen = await world.ask(stream=True)

    assert is_told(seen, int(wait))


async def test_r4_rotation_does_not_begin_the_count_anew(build: Build) -> None:
    world = await build("groq", "gemini", "ollama")
    for fake in world.fakes.values():
        fake.always(refusal(fake.dialect, 500))

    seen = await world.ask()

    assert len(seen.attempts) == sum(len(fake.calls) for fake in world.fakes.values()) == 4
    assert max(len(fake.calls) for fake in world.fakes.values()) == 2


@A
@STREAMED
@pytest.mark.parametrize("how", ["header", "body"])
async def test_r5_no_fallback_means_none_in_streams_too(
    build: Build, a: str, streamed: bool, how: str
) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 429, ("retry-after", "30")))
    said: Any = (
        {"extra_headers": {"x-pointsman-fallback": "off"}}
        if how == "header"
        else {"extra_body": {"pointsman": {"fallback": False}}}
    )

    seen = await world.ask(stream=streamed, **said)

    assert (seen.status, seen.attempts) == (429, [f"{a}:429"])
    assert world.b and world.b.calls == []


@A
@STREAMED
async def test_a_pinned_request_may_ask_for_others(build: Build, a: str, streamed: bool) -> None:
    world = await build(a, NEXT[a])
    world.a.always(refusal(DIALECTS[a], 429, ("retry-after", "30")))
    name = f"{a}/{DIALECTS[a].model}"

    alone = await world.ask(name, stream=streamed)
    helped = await world.ask(name, stream=streamed, extra_headers={"x-pointsman-fallback": "on"})

    assert (alone.status, alone.attempts) == (429, [f"{a}:429"])
    assert helped.attempts == [f"{NEXT[a]}:200"]


def _echo(call: Any) -> Reply:
    """A provider that repeats what it was sent, key and all."""
    told = f"refused: {call.headers}"
    return refusal(GROQ, 400 if call.number % 2 else 502, message=told)


@pytest.mark.parametrize("a", KEYS)
@STREAMED
async def test_r6_no_key_is_in_any_log_or_answer(
    build: Build, a: str, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = await build(a)
    world.a.rule = _echo

    seen = [await world.ask(stream=streamed) for _ in range(6)]

    assert all(one.error for one in seen)
    told = "".join(f"{one.error}{one.headers}" for one in seen) + caplog.text
    assert [key for key in KEYS.values() if key in told] == []


# Peer-bugs 66, 67, 70


async def test_a_broken_stream_is_not_continued_by_another_model(build: Build) -> None:
    world = await build("groq", "gemini")
    parts = GROQ.streamed(GROQ.words)
    world.a.always(stream(GROQ, parts.opening, parts.words[0], PAUSE, parts.words[1]))

    seen = await world.ask(stream=True)

    assert seen.text == "These words "
    assert isinstance(seen.error, openai.APIError)
    assert world.fakes["gemini"].calls == []


async def test_a_spent_day_is_not_asked_again_by_anybody(build: Build) -> None:
    world = await build("gemini", "ollama")
    world.a.always(whole(encoded(gemini_quota(DAY_QUOTA, retry_delay="3s")), 429))

    for _ in range(10):
        assert (await world.ask()).status == 200
        world.time.pass_(4)  # more than the minute's delay; the day may end at any time

    assert len(world.a.calls) == 1


# 38: the app leaves

HOLDS: dict[str, Callable[[World], Reply]] = {
    "nothing": lambda world: Reply((), "hang"),
    "a head": lambda world: Reply(stream(world.a.dialect).steps[:1], "hang"),
    "no words": lambda world: Reply(
        stream(world.a.dialect, world.a.dialect.streamed(["x"]).opening).steps[:2], "hang"
    ),
}


@A
@STREAMED
@pytest.mark.parametrize("sent", HOLDS)
async def test_row_38_an_app_that_leaves_stops_the_provider_and_harms_nobody(
    build: Build, a: str, streamed: bool, sent: str
) -> None:
    world = await build(a, NEXT[a])
    world.a.then(*[HOLDS[sent](world)] * 3)

    for _ in range(3):  # three failures would have opened the breaker
        left = world.a.counts.left
        asking = asyncio.create_task(world.ask(stream=streamed))
        await until(lambda: world.a.counts.busy == 1)
        asking.cancel()
        await until(lambda left=left: world.a.counts.left == left + 1)  # type: ignore[misc]
        await world.settled()

    assert world.b and world.b.calls == []
    assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]


async def test_row_38_leaving_while_another_is_tried_stops_that_one(build: Build) -> None:
    world = await build("groq", "gemini", silence_s=SILENCE_S * 20)
    world.a.then(refusal(GROQ, 500))
    assert world.b
    world.b.then(Reply((), "hang"))
    asking = asyncio.create_task(world.ask())
    await until(lambda: world.fakes["gemini"].counts.busy == 1)

    asking.cancel()

    await until(lambda: world.fakes["gemini"].counts.left == 1)
