"""What each key that was made may still ask and spend: held before a request, settled at its end.

Requests and tokens are reserved, so that no more are let in than fit. What a request costs is known
at its end: who has money left is let in, and what that spends too much is at most what was under
way. Days and months are the calendar's, where the server is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from adapters.base import Usage
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.clocks import Clocks
from proxy.limits.health import Health
from proxy.limits.windows import Gauge, Limits
from proxy.store.base import StoreError, Tables
from proxy.store.keys.lease import Lease, Purse, Together, budgets_of, out_of_money, too_fast
from proxy.store.keys.team_keys import TeamKey, TeamKeys
from proxy.store.usage.prices import Price
from proxy.store.usage.queries import by_app
from proxy.store.usage.rows import UsageRow
from proxy.store.usage.steps import begin_of

log = logging.getLogger("pointsman.store")

SETTLED_S = 2.0
"""The longest that a request waits for what those before it have cost."""

Spend = Callable[[str, int, int], Awaitable[int | None]]
"""Adds to a counter that all servers share, which begins at a third value, if it is not there; what
it comes to, None where that cannot be known."""


class Books(Protocol):
    """The part of the storage that knows what was spent."""

    def query(self, work: Callable[[Tables], Any]) -> Awaitable[Any]: ...
    def price(self, row: UsageRow) -> Awaitable[Price]: ...


class Allowances:
    """Of all keys; `weigh` tells about how many tokens a request takes.

    `together` and `spend` are those of several servers.
    """

    def __init__(
        self,
        team: TeamKeys,
        books: Books,
        weigh: Callable[[Any], int],
        background: Background,
        clocks: Clocks,
    ) -> None:
        self.named: Mapping[str, TeamKey] = {}
        self.health = Health({}, clock=clocks.clock, wall=clocks.wall)
        self.together: Together | None = None
        self.spend: Spend | None = None
        self._team = team
        self._books = books
        self._weigh = weigh
        self._background = background
        self._clock, self._wall = clocks.clock, clocks.wall
        self._purses: dict[tuple[str, str], Purse] = {}
        self._settling: dict[str, set[asyncio.Task[None]]] = {}
        team.listen(self._changed)

    def _changed(self) -> None:
        self.named = self._team.named
        self.health.keep_to({_place(key).provider: _limits(key) for key in self.named.values()})

    async def enter(self, name: str, request: Any) -> Lease:
        """Let a request in by the key of this name. Raises ApiError 429."""
        key, budgets = self.named[name], []
        for step, most in budgets_of(key).items():
            purse = await self._settled(name, step)
            if purse.nano_usd >= most:
                raise out_of_money(key, step, purse.nano_usd, most)
            budgets.append((step, purse, most))
        if key.requests_per_minute is None and key.tokens_per_minute is None:
            return Lease(key, None, budgets, self.together)
        tokens = 0 if key.tokens_per_minute is None else self._weigh(request)
        permit = self.health.admit_first([_place(key)], tokens)
        if isinstance(permit, list):
            raise too_fast(key, permit[0].gauge, permit[0].at - self._clock())
        return Lease(key, permit, budgets, self.together)

    def settle(self, lease: Lease, row: UsageRow) -> None:
        """The request has ended: what it was let in for becomes what it took."""
        if lease.ticket is not None and not row.receipt.tries:
            lease.ticket.unused()
        elif lease.ticket is not None:
            lease.ticket.succeeded(Usage(row.tokens.prompt, row.tokens.completion))
        if row.receipt.tries and budgets_of(lease.key):
            work = partial(self._charge, lease.key, row)
            task = self._background.start("counting what was spent", work)
            under_way = self._settling.setdefault(lease.key.name, set())
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    def gauges(self, name: str) -> list[Gauge]:
        """How full the limits of a minute are."""
        place = _place(self.named[name])
        found = [one for one in self.health.snapshot() if one.provider == place.provider]
        return [gauge for status in found for gauge in status.gauges]

    async def spent(self, name: str, step: str) -> int:
        """Nano-dollars since the day or month began; also by other servers, as far as is known."""
        purse = await self._settled(name, step)
        await self._tell(purse)
        return purse.nano_usd

    async def _settled(self, name: str, step: str) -> Purse:
        """What is left, once all that has ended is counted."""
        if under_way := self._settling.get(name):
            await asyncio.wait(list(under_way), timeout=SETTLED_S)
        return await self._purse(name, step)

    async def _charge(self, key: TeamKey, row: UsageRow) -> None:
        cost = (await self._books.price(row)).cost_nano_usd or 0
        for step in budgets_of(key):
            if (key.name, step) not in self._purses:
                continue  # the log could not be read; once it can, this will be in it
            purse = await self._purse(key.name, step)
            purse.nano_usd += cost
            purse.untold += cost
            await self._tell(purse)

    async def _purse(self, name: str, step: str) -> Purse:
        """Of the day or month that it is; what the log has of it counts from the start."""
        begin = begin_of(self._wall(), step)
        purse = self._purses.get((name, step))
        if purse is not None and purse.begin == begin:
            return purse
        spent = 0 if purse is not None else await self._logged(name, begin)
        counter = f"spent:{name}:{step}:{begin}"
        if spent is None:
            return Purse(counter, begin, 0, is_known=False)
        # Whoever came first meanwhile has begun it.
        if (there := self._purses.get((name, step))) is None or there.begin != begin:
            self._purses[name, step] = there = Purse(counter, begin, spent)
        return there

    async def _logged(self, name: str, begin: int) -> int | None:
        try:
            used = await self._books.query(lambda log: by_app(log, begin * 1000))
        except StoreError as error:
            log.warning("%s: what was spent is not known until that is mended", error)
            return None
        return int(used[name]["cost_nano_usd"]) if name in used else 0

    async def _tell(self, purse: Purse) -> None:
        if self.spend is not None and purse.is_known:
            untold, known = purse.take_untold()
            purse.told(untold, await self.spend(purse.name, untold, known))


def _place(key: TeamKey) -> Candidate:
    """Where its requests are counted, as if it were a provider: no id of one has a space."""
    return Candidate(f"key {key.name}", "")


def _limits(key: TeamKey) -> Limits:
    return Limits(key.requests_per_minute, key.tokens_per_minute)
