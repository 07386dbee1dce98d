"""A refusal that is remembered is told again in its provider's words, as long as it holds."""

from __future__ import annotations

import pytest

from adapters.base import AdapterError, ErrorKind, Scope
from tests.proxy.kit import adapter
from tests.proxy.routing.kit import Station

pytestmark = pytest.mark.anyio

REFUSALS = (
    (ErrorKind.MODEL_MISSING, None),
    (ErrorKind.AUTH, None),
    (ErrorKind.ACCOUNT, None),
    (ErrorKind.RATE_LIMIT, 30),
    (ErrorKind.RATE_LIMIT, None),
    (ErrorKind.QUOTA_DAY, 7200),
    (ErrorKind.OVERLOADED, 20),
)


async def test_the_second_request_reads_what_the_first_one_read_and_asks_nobody() -> None:
    for kind, wait_s in REFUSALS:
        station = Station({"north": adapter("north")})
        refusal = AdapterError(
            kind,
            "Limit 12000, Used 11000, Requested 5000",
            provider="north",
            retry_after_s=wait_s,
            scope=Scope.MODEL,
            param="model",
            upstream_code="their_code",
        )
        station.play("north", [refusal], [refusal])

        first = await station.refused("north/m")
        asked = station.calls()
        station.clock.now_s += 1
        second = await station.refused("north/m")

        told = (second.status, second.message, second.code, second.param)
        assert told == (first.status, first.message, first.code, first.param), kind
        assert "12000" in second.message
        assert station.calls() == asked
        if first.retry_after_s and wait_s:
            assert second.retry_after_s == pytest.approx(wait_s - 1)


async def test_what_was_remembered_is_forgotten_with_the_next_answer() -> None:
    station = Station({"north": adapter("north")})
    refusal = AdapterError(ErrorKind.RATE_LIMIT, "Used 9", provider="north", retry_after_s=3)
    station.play("north", [refusal])
    await station.refused("north/m")
    station.clock.now_s += 3
    await station.ask("north/m")
    station.play("north", *[[AdapterError(ErrorKind.SERVER, "broke", provider="north")]] * 4)
    for _ in range(3):
        error = await station.refused("north/m")

    assert "Used 9" not in error.message
