"""The receipt: every try and its reason, warnings, and what came."""

from __future__ import annotations

import pytest

from adapters.base import ErrorKind, Finish, Media, Start, Text, ToolCall, Usage, Warn
from proxy.routing.answers.receipt import Receipt
from tests.proxy.kit import failure
from tests.proxy.routing.kit import LIMIT, NETWORK, Build

pytestmark = pytest.mark.anyio


async def test_the_receipt_tells_each_warning_once(build: Build) -> None:
    station = build("north")
    station.play("north", [[Warn("a"), Start(request_id="req-9")], [Text("x"), Warn("a")]])

    await station.ask()

    assert station.receipt.warnings == ["a"]
    assert station.receipt.upstream_id == "req-9"


async def test_the_receipt_tells_every_try_and_its_reason(build: Build) -> None:
    station = build("north", "south")
    station.play("north", [failure(LIMIT, "north", status=429, retry_after_s=60)])

    await station.ask()

    first, second = station.receipt.tries
    assert (first.provider, first.outcome, first.reason) == ("north", "429", LIMIT)
    assert (second.provider, second.outcome, second.reason) == ("south", "200", None)
    assert first.message == "a limit is reached: 429"  # in none of the provider's words
    assert 0 <= first.ended_s <= second.ended_s == station.receipt.first_s
    assert [one.provider for one in station.receipt.considered] == ["north", "south"]
    assert not station.receipt.passed


async def test_the_receipt_tells_what_may_have_been_billed_without_an_answer(build: Build) -> None:
    station = build("north", "east", "south")
    station.play("north", [failure(ErrorKind.TIMEOUT_FIRST_BYTE, "north")])
    station.play("east", [failure(NETWORK, "east")])

    await station.ask()

    assert [one.maybe_billed for one in station.receipt.tries] == [True, False, False]
    assert station.receipt.warnings == ["maybe_billed=north"]


async def test_the_receipt_tells_who_was_passed_over_and_why(build: Build) -> None:
    station = build("north", "south")
    station.play("north", [failure(LIMIT, "north", status=429, retry_after_s=60)])
    await station.ask()
    station.receipt = Receipt()

    await station.ask()

    assert station.receipt.attempts == ["south:200"]
    assert {one.provider: why for one, why in station.receipt.passed.items()} == {
        "north": "rate limit"
    }


async def test_the_receipt_holds_what_came(build: Build) -> None:
    station = build("north")

    await station.ask()

    assert (station.receipt.usage, station.receipt.finish) == (
        Usage(prompt=3, completion=2),
        "stop",
    )
    assert station.receipt.written == len("Hello")
    assert station.receipt.prompt_guess == 2


def test_what_came_is_counted_by_its_kind() -> None:
    receipt = Receipt()
    receipt.note(
        [
            Text("four"),
            ToolCall("c", "f", "{}", index=0),
            Media("audio/wav", "AAAA"),
            Finish("stop"),
        ]
    )

    assert receipt.written == len("four{}")
    assert receipt.brought >= len("AAAA")


async def test_a_failed_try_has_no_first_content(build: Build) -> None:
    station = build("north")
    station.play("north", [failure(ErrorKind.BAD_REQUEST, "north", status=400)])

    await station.refused()

    assert station.receipt.first_s is None
