"""Who counts the tokens of a request, and when doors are left to guess."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.base import ChatRequest, ErrorKind
from proxy.candidate import Candidate
from proxy.limits.health import Health
from proxy.limits.ticket import Ticket
from proxy.limits.windows import Limits
from proxy.redact import Redactor
from proxy.routing.counting import Counting, nobody_counts
from proxy.routing.planning.any_key import AnyKey
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.preference import Preference
from tests.proxy.kit import adapter_class, failure, request
from tests.proxy.routing.kit import Clock

pytestmark = pytest.mark.anyio


@dataclass
class Desk:
    """Two providers, the first of which counts: `told` is its count, or how it fails."""

    told: Any = 31
    first: str = "north"
    timeout_s: float = 3.0
    asked: list[ChatRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        desk = self

        class Able(adapter_class("north")):  # type: ignore[misc] # made at run time
            async def count_tokens(self, asked: ChatRequest) -> int:
                desk.asked.append(asked)
                if isinstance(desk.told, BaseException):
                    raise desk.told
                return desk.told if desk.told is not None else await asyncio.Future()

        classes = {"north": Able, "south": adapter_class("south")}
        adapters = {name: one(one.Settings(model=f"{name}-model")) for name, one in classes.items()}
        clock = Clock()
        self.health = Health({"north": Limits(requests_per_minute=1)}, clock=clock, wall=clock)
        chooser = Chooser(adapters, listed=lambda _: (), last_resort=lambda _: None)
        keys = AnyKey(
            Keys({name: [one] for name, one in adapters.items()}), self.health, Redactor(()).masked
        )
        self.count = Counting(keys, chooser, self._preference, timeout_s=self.timeout_s)

    async def _preference(self, app: str | None) -> Preference:
        assert app in (None, "notes")
        return Preference(self.first, chosen=True, fallback=("south", "north"))


async def test_the_one_that_would_answer_counts_by_its_model() -> None:
    desk = Desk()

    assert await desk.count(request("claude-x"), "notes") == 31
    assert [one.model for one in desk.asked] == ["north-model"]
    ticket = desk.health.admit(Candidate("north", "north-model"))
    assert isinstance(ticket, Ticket), "nothing of the limits was used up"


async def test_nobody_else_is_asked_for_it() -> None:
    desk = Desk(first="south")

    assert await desk.count(request("default"), "") is None
    assert await desk.count(request("south/other"), "") is None
    assert desk.asked == []
    assert await desk.count(request("north/other"), "") == 31
    assert [one.model for one in desk.asked] == ["other"]


async def test_who_is_at_a_limit_is_left_alone() -> None:
    desk = Desk()
    desk.health.admit(Candidate("north", "north-model"))

    assert await desk.count(request(), "") is None
    assert desk.asked == []


@pytest.mark.parametrize("kind", [ErrorKind.RATE_LIMIT, ErrorKind.BAD_RESPONSE, ErrorKind.SERVER])
async def test_a_failure_leaves_it_to_a_guess_and_is_held_against_nobody(kind: ErrorKind) -> None:
    desk = Desk(failure(kind))

    assert await desk.count(request(), "") is None
    assert desk.health.wait(Candidate("north", "north-model")) is None


async def test_who_takes_too_long_is_not_waited_for() -> None:
    assert await Desk(None, timeout_s=0).count(request(), "") is None


async def test_a_name_that_cannot_be_is_the_business_of_who_answers() -> None:
    assert await Desk().count(request("north/"), "") is None
    assert await nobody_counts(request(), "") is None
