"""What the tests of the router share: providers in a row, and a clock that never waits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from adapters.base import ErrorKind, Event
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.clocks import Clocks
from proxy.errors import ApiError
from proxy.gate.work import Rounds, Work
from proxy.limits.health import Health
from proxy.limits.patience import Patience
from proxy.limits.retired import Retired
from proxy.limits.ticket import Seats
from proxy.limits.windows import Limits
from proxy.redact import Redactor
from proxy.routing.answers.answer import Answer
from proxy.routing.answers.receipt import Receipt
from proxy.routing.loading import Loading
from proxy.routing.operations.operation import Operations
from proxy.routing.operations.table import OPERATIONS
from proxy.routing.pictures.fetching import ImageFetcher
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Sessions, talk_of
from proxy.routing.router import Router
from tests.proxy.kit import ScriptedAdapter, request

NETWORK, SERVER, LIMIT = ErrorKind.NETWORK, ErrorKind.SERVER, ErrorKind.RATE_LIMIT


@dataclass
class Clock:
    """A clock that goes on only by sleeping."""

    now_s: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s
        self.slept.append(wait_s)


@dataclass
class Known:
    """What is known of the models at a station."""

    station: Station

    async def know(self, _model: str) -> None:
        return None

    async def relist(self, provider: str) -> None:
        listed = self.station.adapters[provider].script.listed
        if isinstance(listed, list):
            self.station.retired.listed(provider, listed)

    async def windows(self, candidates: Sequence[Candidate]) -> dict[Candidate, int]:
        known = {c: self.station.windows.get(c.provider) for c in candidates}
        return {c: size for c, size in known.items() if size}


@dataclass
class Station:
    """Providers in their order of preference, and a router before them."""

    adapters: dict[str, ScriptedAdapter]
    strict_params: bool = False
    max_wait_s: float = 0
    chance: float = 0
    sticky: bool = True
    limits: dict[str, Limits] = field(default_factory=dict)
    seats: dict[str, Seats] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    operations: Operations = field(default_factory=lambda: OPERATIONS)
    clock: Clock = field(default_factory=Clock)
    receipt: Receipt = field(default_factory=Receipt)
    preference: Preference = field(default_factory=lambda: Preference("north", chosen=True))

    def __post_init__(self) -> None:
        self.retired = Retired({}, wall=self.clock)
        chooser = Chooser(
            self.adapters,
            listed=lambda _: (),
            last_resort=lambda _: None,
            operations=self.operations,
            retired=self.retired,
        )
        self.router = Router(
            Keys({name: [adapter] for name, adapter in self.adapters.items()}),
            Known(self),
            chooser,
            Health(self.limits, clock=self.clock, wall=self.clock, seats=self.seats),
            Clocks(self.clock, self.clock, self.clock.sleep),
            operations=self.operations,
            sessions=Sessions(self.clock, on=self.sticky),
            pools=None,
            patience=Patience({}, frozenset()),
            loading=Loading(self.adapters, Background()),
            images=ImageFetcher("off"),
            redactor=Redactor(()),
            answered=set(),
            strict_params=self.strict_params,
            max_wait_s=self.max_wait_s,
            chance=lambda: self.chance,
        )

    @contextlib.asynccontextmanager
    async def answer(self, asked: Any) -> AsyncIterator[Answer]:
        work = Work(Rounds())
        try:
            talk = partial(talk_of, {}, None, asked)
            answer = await self.router.answer(asked, self.preference, self.receipt, work, talk=talk)
            async with contextlib.aclosing(answer):
                yield answer
        finally:
            work.close()

    async def ask(self, model: str = "default", **fields: Any) -> list[Event]:
        self.receipt = Receipt()
        found: list[Event] = []
        asked = request(model, **fields)
        async with self.answer(asked) as events:
            async for batch in events:
                found += batch
        return found

    async def refused(self, model: str = "default", **fields: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.ask(model, **fields)
        return caught.value

    def play(self, name: str, *answers: Sequence[Any]) -> None:
        self.adapters[name].script.play(*answers)

    def calls(self) -> list[int]:
        return [len(one.script.requests) for one in self.adapters.values()]

    @property
    def is_quiet(self) -> bool:
        return all(one.script.open_calls == 0 for one in self.adapters.values())


Build = Callable[..., Station]
