"""Attempts before the first content: who is asked, how often, and what is told when all fail."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from adapters.base import Capabilities, ErrorKind, Text
from proxy.routing.attempts import MAX_ATTEMPTS
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import HELLO, failure, request
from tests.proxy.routing.kit import LIMIT, NETWORK, SERVER, Build

pytestmark = pytest.mark.anyio

# Attempts and rotation

TOO_LONG = [{"role": "user", "content": "word " * 8000}]
"""About ten thousand tokens."""


@pytest.mark.parametrize(
    ("windows", "asked"),
    [
        ({"north": 8192, "south": 131_072}, "south"),
        ({"north": 8192, "south": 8192}, None),
        ({"north": 8192, "south": 4096}, None),
        ({"north": 8192}, None),
        ({"south": 131_072}, "south"),
        ({"south": 8192}, None),
        ({}, None),
    ],
    ids=["larger", "as large", "smaller", "unknown", "enough", "not enough", "nothing known"],
)
async def test_too_long_a_request_goes_on_only_to_a_window_known_to_be_larger(
    build: Build, windows: dict[str, int], asked: str | None
) -> None:
    station = build(windows=windows)
    station.play("north", [failure(ErrorKind.CONTEXT, "north")])

    if asked:
        await station.ask(messages=TOO_LONG)
        assert station.receipt.provider == asked
    else:
        assert (await station.refused(messages=TOO_LONG)).code == "context_length_exceeded"
        assert station.calls() == [1, 0]


async def test_a_plain_answer_takes_one_call(build: Build) -> None:
    station = build()

    events = await station.ask()

    assert events == [event for batch in HELLO for event in batch]  # type: ignore[union-attr]
    assert station.calls() == [1, 0]
    receipt = station.receipt
    assert (receipt.attempts, receipt.provider, receipt.model) == (["north:200"], "north", "toy-1")


async def test_the_provider_gets_its_own_model(build: Build) -> None:
    station = build()
    asked = request("gpt-4o")
    async with station.answer(asked) as events:
        async for _ in events:
            pass

    assert station.adapters["north"].script.requests == [
        structs.replace(asked, model="north-model")
    ]
    assert asked.model == "gpt-4o"


@pytest.mark.parametrize("kind", sorted(set(ErrorKind) - {ErrorKind.BAD_REQUEST}))
async def test_a_failure_before_content_rotates_unseen(build: Build, kind: ErrorKind) -> None:
    station = build(windows={"north": 8192, "south": 131_072})
    station.play("north", [failure(kind, "north")])

    events = await station.ask()

    assert Text("lo") in events
    assert station.calls() == [1, 1]
    assert station.receipt.attempts == [f"north:{kind}", "south:200"]
    assert station.clock.slept in ([], [0.0])
    assert (station.receipt.provider, station.receipt.model) == ("south", "toy-1")


async def test_a_status_is_told_where_there_was_one(build: Build) -> None:
    station = build()
    station.play("north", [failure(LIMIT, "north", status=429)])

    await station.ask()

    assert station.receipt.attempts == ["north:429", "south:200"]


async def test_a_bad_request_is_final(build: Build) -> None:
    station = build()
    station.play("north", [failure(ErrorKind.BAD_REQUEST, "north", param="tools")])

    error = await station.refused()

    assert (error.status, error.param, error.provider) == (400, "tools", "north")
    assert station.calls() == [1, 0]


async def test_a_bad_request_after_a_rotation_is_told_and_final(build: Build) -> None:
    station = build("north", "south", "east")
    station.play("north", [failure(LIMIT, "north", retry_after_s=5)])
    station.play("south", [failure(ErrorKind.BAD_REQUEST, "south")])

    error = await station.refused()

    assert (error.status, error.provider) == (400, "south")
    assert station.calls() == [1, 1, 0]


async def test_a_named_provider_never_rotates(build: Build) -> None:
    station = build()
    station.play("south", [failure(NETWORK, "south")])

    error = await station.refused("south/big")

    assert (error.status, error.provider) == (503, "south")
    assert station.calls() == [0, 1]


async def test_at_most_four_attempts_are_made(build: Build) -> None:
    names = [f"p{i}" for i in range(7)]
    station = build(*names)
    station.preference = Preference("p0", chosen=True)
    for name in names:
        station.play(name, [failure(SERVER, name)])

    await station.refused()

    assert sum(station.calls()) == MAX_ATTEMPTS == 4
    assert station.receipt.attempts == [f"p{i}:server" for i in range(4)]


async def test_a_server_error_is_tried_again_where_nobody_else_is_left(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(SERVER, "north")])

    assert Text("lo") in await station.ask()

    assert station.receipt.attempts == ["north:server", "north:200"]
    assert 0 <= station.clock.slept[-1] <= 8


async def test_no_provider_is_asked_a_third_time(build: Build) -> None:
    station = build("north")
    station.play("north", *[[failure(SERVER, "north")]] * 3)

    assert (await station.refused()).status == 503
    assert station.receipt.attempts == ["north:server"] * 2


async def test_a_told_wait_is_waited_where_nobody_else_is_left(build: Build) -> None:
    station = build("north", max_wait_s=10)
    station.play("north", [failure(LIMIT, "north", retry_after_s=3)])

    assert Text("lo") in await station.ask()

    assert station.receipt.attempts == ["north:rate_limit", "north:200"]
    assert 3 <= station.clock.now_s - 1000 <= 3.5


async def test_a_wait_that_is_too_long_is_told_to_the_client(build: Build) -> None:
    station = build("north", max_wait_s=10)
    station.play("north", [failure(LIMIT, "north", retry_after_s=30)])

    error = await station.refused()

    assert error.status == 429
    assert error.retry_after_s is not None and 30 <= error.retry_after_s <= 33
    assert station.clock.now_s == 1000
    assert station.calls() == [1]


async def test_who_told_a_wait_is_not_asked_before_it_is_over(build: Build) -> None:
    station = build()
    station.play("north", [failure(LIMIT, "north", retry_after_s=30)])
    await station.ask()

    await station.ask()
    assert station.receipt.attempts == ["south:200"]

    station.clock.now_s += 34
    await station.ask()
    assert station.receipt.attempts == ["north:200"]


async def test_who_cannot_do_it_is_skipped_and_named(build: Build) -> None:
    station = build()
    station.adapters["north"].script.abilities = Capabilities(tools=False)

    await station.ask(tools=[{"type": "function", "function": {"name": "f"}}])

    assert station.calls() == [0, 1]
    assert station.receipt.warnings == ["skipped=north:tools"]


async def test_an_unexpected_exception_is_not_hidden_by_rotation(build: Build) -> None:
    station = build()
    station.play("north", [ZeroDivisionError("our own bug")])

    with pytest.raises(ZeroDivisionError):
        await station.ask()

    assert station.calls() == [1, 0]


async def test_who_has_answered_is_remembered(build: Build) -> None:
    station = build()
    station.play("north", [failure(NETWORK, "north")])

    await station.ask()

    assert station.router.answered == {"south"}


# The final error


@pytest.mark.parametrize(
    ("north", "south", "status", "retry_after"),
    [
        ((LIMIT, 9), (LIMIT, 4), 429, b"4"),
        ((LIMIT, 7), (NETWORK, None), 429, b"7"),
        ((NETWORK, None), (NETWORK, None), 503, b"1"),
        ((ErrorKind.AUTH, None), (ErrorKind.AUTH, None), 502, None),
    ],
    ids=str,
)
async def test_when_all_fail_the_most_telling_is_told(
    build: Build, north: Any, south: Any, status: int, retry_after: bytes | None
) -> None:
    station = build()
    station.play("north", [failure(north[0], "north", retry_after_s=north[1])])
    station.play("south", [failure(south[0], "south", retry_after_s=south[1])])

    error = await station.refused()

    assert error.status == status
    assert dict(error.headers()).get(b"retry-after") == retry_after
    assert station.receipt.attempts == [f"north:{north[0]}", f"south:{south[0]}"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [(LIMIT, (b"22", b"22000", None)), (ErrorKind.QUOTA_DAY, (b"20", b"20000", b"false"))],
)
async def test_the_end_of_a_limit_is_told_a_little_later_but_not_of_a_day(
    build: Build, kind: ErrorKind, told: tuple[bytes, bytes, bytes | None]
) -> None:
    station = build("north", chance=1.0)
    station.play("north", [failure(kind, "north", retry_after_s=20)])

    headers = dict((await station.refused()).headers())

    names = (b"retry-after", b"retry-after-ms", b"x-should-retry")
    assert tuple(headers.get(name) for name in names) == told


async def test_a_new_user_is_told_the_ways_to_an_answer(build: Build) -> None:
    station = build("north", preference=Preference("north"))
    station.play("north", [failure(NETWORK, "north")])

    assert "set NORTH_API_KEY" in (await station.refused()).message


async def test_one_who_has_chosen_is_not_told_how_to_set_up(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(NETWORK, "north")])

    assert "set NORTH_API_KEY" not in (await station.refused()).message
