"""Rows 1 to 4, 6 and 8 of the fault matrix: connections that do not come up, are slow, or stale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from adapters.base import ErrorKind
from tests.faults.conftest import Build, tls_fake
from tests.faults.fake import Reply, whole
from tests.faults.rows import (
    NEXT,
    NO_PROVIDER,
    STREAMED,
    TIMEOUT,
    UPSTREAM_ERROR,
    WITH_B,
    A,
    good,
    typed,
    world_of,
)
from tests.faults.world import SILENCE_S, SlowResolver, World, until

pytestmark = pytest.mark.anyio

# Before a connection is there


@A
@STREAMED
@WITH_B
async def test_row_1_a_refused_connection_rotates(
    build: Build, closed_port: int, a: str, streamed: bool, with_b: bool
) -> None:
    urls = {a: f"http://127.0.0.1:{closed_port}"}
    world = await world_of(build, a, with_b, urls=urls)

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:network"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else NO_PROVIDER)
    assert "maybe_billed" not in seen.headers.get("x-pointsman-warnings", "")


@A
async def test_row_1_three_refused_connections_open_the_breaker_for_five_seconds(
    build: Build, closed_port: int, a: str
) -> None:
    world = await world_of(build, a, True, urls={a: f"http://127.0.0.1:{closed_port}"})

    states = []
    for _ in range(3):
        await world.ask()
        states.append(world.status(a).state)

    assert states == ["ready", "ready", "open"]
    assert (world.status(a).state, world.pause_s(a)) == ("open", 5)
    assert (await world.ask()).attempts == [f"{NEXT[a]}:200"]


@A
@STREAMED
@WITH_B
async def test_row_2_a_name_that_is_not_found_rotates_and_holds_nobody_up(
    build: Build, monkeypatch: pytest.MonkeyPatch, a: str, streamed: bool, with_b: bool
) -> None:
    resolver = SlowResolver(monkeypatch)
    world = await world_of(build, a, with_b, urls={a: "http://nowhere.invalid"})

    asking = asyncio.create_task(world.ask(stream=streamed))
    await until(lambda: resolver.asked)
    assert (await world.ask(f"{NEXT[a]}/x")).status == 200  # while the resolver still blocks
    resolver.answer.set()
    seen = await asking

    assert seen.attempts == [f"{a}:network"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else NO_PROVIDER)


@A
@STREAMED
@WITH_B
async def test_row_4_a_connection_that_does_not_come_up_rotates(
    build: Build, black_hole: str, a: str, streamed: bool, with_b: bool
) -> None:
    world = await world_of(build, a, with_b, urls={a: black_hole}, silence_s=SILENCE_S)

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:timeout_connect"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else TIMEOUT)


CERTIFICATES: Mapping[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "of an unknown issuer": lambda _: trustme.CA().issue_cert("127.0.0.1"),
    "for another name": lambda authority: authority.issue_cert("provider.example"),
    "expired": lambda authority: authority.issue_cert(
        "127.0.0.1", not_after=datetime(2026, 1, 1, tzinfo=UTC)
    ),
}


@A
@WITH_B
@STREAMED
@pytest.mark.parametrize("how", CERTIFICATES)
@pytest.mark.usefixtures("trusting")
async def test_row_3_a_certificate_that_cannot_be_trusted_is_never_passed_over(
    build: Build, authority: trustme.CA, a: str, with_b: bool, streamed: bool, how: str
) -> None:
    async with tls_fake(a, CERTIFICATES[how](authority)) as fake:
        world = await world_of(build, a, with_b, urls={a: fake.url})

        await assert_out_for_tls(world, a, with_b, streamed)

        assert fake.calls == []


@A
@WITH_B
@STREAMED
async def test_row_3_a_handshake_that_is_broken_off_is_no_reason_to_do_without(
    build: Build, no_handshake: str, a: str, with_b: bool, streamed: bool
) -> None:
    world = await world_of(build, a, with_b, urls={a: no_handshake})

    await assert_out_for_tls(world, a, with_b, streamed)


async def assert_out_for_tls(world: World, a: str, with_b: bool, streamed: bool) -> None:
    seen = await world.ask(stream=streamed)
    again = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:tls"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else UPSTREAM_ERROR)
    assert again.attempts == [f"{NEXT[a]}:200"] * with_b  # out for a minute
    assert (world.status(a).kind, world.pause_s(a)) == (ErrorKind.TLS, 60)


@A
@pytest.mark.usefixtures("trusting")
async def test_row_3_a_good_certificate_is_trusted(
    build: Build, authority: trustme.CA, a: str
) -> None:
    async with tls_fake(a, authority.issue_cert("127.0.0.1")) as fake:
        world = await world_of(build, a, with_b=True, urls={a: fake.url})
        seen = await world.ask()

    assert (seen.text, seen.attempts) == (fake.dialect.text, [f"{a}:200"])


# Slow, but well


@A
@STREAMED
@WITH_B
async def test_row_6_a_slow_first_byte_is_waited_for_and_not_asked_twice(
    build: Build, a: str, streamed: bool, with_b: bool
) -> None:
    world = await world_of(build, a, with_b)
    gate = asyncio.Event()
    answer = good(world.a.dialect, streamed)
    ready = whole(answer, content_type=typed(world.a.dialect, streamed))
    world.a.then(Reply((gate, *ready.steps)))

    asking = asyncio.create_task(world.ask(stream=streamed))
    await until(lambda: world.a.counts.busy == 1)
    gate.set()
    seen = await asking

    assert (seen.text, seen.attempts) == (world.a.dialect.text, [f"{a}:200"])
    assert len(world.a.calls) == 1


# A kept connection that has gone stale


@A
@STREAMED
@WITH_B
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_row_8_a_stale_connection_is_no_failure(
    build: Build, a: str, streamed: bool, with_b: bool, end: Any
) -> None:
    world = await world_of(build, a, with_b)
    await world.ask()
    world.a.rule = lambda call: Reply((), end) if call.number else None

    for _ in range(4):  # three failures would have opened the breaker
        assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]

    assert world.status(a).state == "ready"


@A
@STREAMED
@WITH_B
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_row_8_a_fresh_connection_that_dies_as_well_rotates(
    build: Build, a: str, streamed: bool, with_b: bool, end: Any
) -> None:
    world = await world_of(build, a, with_b)
    await world.ask()
    world.a.always(Reply((), end))

    seen = await world.ask(stream=streamed)

    assert seen.attempts == [f"{a}:broken"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.outcome == ((200, None) if with_b else UPSTREAM_ERROR)
    assert len(world.a.calls) == 3  # the first, the one on the kept connection, one more


def taken(world: World) -> int:
    """How many requests of this minute are held to have reached the preferred provider."""
    known = [one for one in world.parts.health.snapshot() if one.provider == world.order[0]]
    return sum(gauge.used for one in known for gauge in one.gauges)


@A
@STREAMED
async def test_row_8_what_is_sent_once_more_counts_twice(
    build: Build, a: str, streamed: bool
) -> None:
    """Who reset the connection may have read the request before that."""
    world = await build(a, limits={a: 9})
    await world.ask()
    world.a.rule = lambda call: Reply((), "reset") if call.number else None

    for _ in range(3):
        assert (await world.ask(stream=streamed)).attempts == [f"{a}:200"]

    assert taken(world) == len(world.a.calls) == 7


@A
@STREAMED
@WITH_B
async def test_row_8_no_more_is_sent_than_a_limit_has_room_for(
    build: Build, a: str, streamed: bool, with_b: bool
) -> None:
    world = await world_of(build, a, with_b, limits={a: 2})
    await world.ask()
    world.a.rule = lambda call: Reply((), "reset") if call.number else None

    seen = await world.ask(stream=streamed)

    assert len(world.a.calls) == taken(world) == 2
    assert seen.attempts == [f"{a}:rate_limit"] + [f"{NEXT[a]}:200"] * with_b
    assert seen.status == (200 if with_b else 429)
    assert world.pause_s(a) == pytest.approx(60)


async def test_row_8_room_for_a_second_try_is_waited_for(build: Build) -> None:
    world = await build("groq", limits={"groq": 2}, max_wait_s=90)
    await world.ask()
    world.a.rule = lambda call: Reply((), "reset") if call.number else None

    async with world.sdk(timeout=100, max_retries=0) as patient:
        seen = await world.ask(client=patient)

    assert seen.attempts == ["groq:rate_limit", "groq:200"]
