"""What a request may take by the key that let it in, until it has ended: requests, tokens, money.

Where there are several servers all of them are asked, in one go with the provider's limits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct

from proxy.errors import ApiError
from proxy.limits.ticket import Agree, Permit, Ticket
from proxy.limits.windows import Gauge
from proxy.store.keys.team_keys import TeamKey
from proxy.store.usage.prices import dollars


class Purse(Struct):
    """What a key has spent since the Unix second `begin`; of that, `untold` to other servers.

    `is_known` is False where the log cannot be read.
    """

    name: str
    begin: int
    nano_usd: int
    untold: int = 0
    is_known: bool = True

    def take_untold(self) -> tuple[int, int]:
        """What is reported now, and what is known beside it."""
        untold, self.untold = self.untold, 0
        return untold, self.nano_usd - untold

    def told(self, amount: int, total: int | None) -> None:
        """So much was reported, and came to that; None where nobody has heard it."""
        if total is None:
            self.untold += amount
        else:
            self.nano_usd = max(self.nano_usd, total + self.untold)


class Sum(Struct, frozen=True):
    """Money that all servers count: it begins at `known`, `amount` comes to it, up to `most`."""

    name: str
    known: int
    amount: int
    most: int


class Lease:
    """A request that a key lets in; `agrees` once all servers have said so, if there are any."""

    __slots__ = ("_asked", "_budgets", "_together", "agrees", "key", "ticket")

    def __init__(
        self,
        key: TeamKey,
        ticket: Ticket | None = None,
        budgets: Sequence[tuple[str, Purse, int]] = (),
        together: Together | None = None,
    ) -> None:
        self.key = key
        self.ticket = ticket
        self._budgets = [one for one in budgets if one[1].is_known]
        self._asked: Sequence[Sum] = ()
        self._together = together
        self.agrees = together is None or not (ticket or self._budgets)

    @property
    def agree(self) -> Agree | None:
        """How a permit for a call is asked for where all have to agree to this request as well."""
        if self._together is None or self.agrees:
            return None
        return partial(self._together, lease=self)

    def sums(self) -> Sequence[Sum]:
        """What was spent and nobody has heard of yet, and how far it may go; to be `counted`."""
        self._asked = [
            Sum(purse.name, known, untold, most)
            for _, purse, most in self._budgets
            for untold, known in (purse.take_untold(),)
        ]
        return self._asked

    def counted(self, totals: Sequence[int] | None) -> None:
        """What the sums come to, None where nobody has heard them."""
        heard: Sequence[int | None] = totals or [None] * len(self._asked)
        for asked, (_, purse, _), total in zip(self._asked, self._budgets, heard, strict=True):
            purse.told(asked.amount, total)

    def spent(self) -> ApiError:
        """Why it is not let in where all together have spent the money."""
        return next(
            out_of_money(self.key, step, purse.nano_usd, most)
            for step, purse, most in self._budgets
            if purse.nano_usd >= most
        )

    def used_up(self, limit: str, for_s: float) -> ApiError:
        """Why it is not let in where others have taken what there was of a limit."""
        gauges = self.ticket.gauges() if self.ticket else ()
        return too_fast(self.key, next((g for g in gauges if g.name == limit), None), for_s)


class Together(Protocol):
    """How all servers agree."""

    def __call__(
        self, admit: Callable[[], Permit], lease: Lease | None = None
    ) -> Awaitable[Permit]:
        """A permit for a call, and for the lease it is made by."""


def budgets_of(key: TeamKey) -> Mapping[str, int]:
    """How much it may spend, by day and month, where it is held to that."""
    both = {"day": key.day_nano_usd, "month": key.month_nano_usd}
    return {step: most for step, most in both.items() if most is not None}


def too_fast(key: TeamKey, gauge: Gauge | None, left_s: float) -> ApiError:
    """What a key is told that asks too much a minute."""
    left_s = max(left_s, 0.001)
    used = f": {gauge} used" if gauge else ""
    return ApiError(
        429,
        f"Rate limit reached for the key {key.name!r}{used}. Please try again in {left_s:.3g}s.",
        type_="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after_s=left_s,
    )


def out_of_money(key: TeamKey, step: str, spent: int, most: int) -> ApiError:
    """What it is told that has spent what it may."""
    return ApiError(
        429,
        f"You exceeded your current quota: the key {key.name!r} may spend {dollars(most)} a"
        f" {step} and has spent {dollars(spent)}. The next {step} brings more, or the owner.",
        type_="insufficient_quota",
        code="insufficient_quota",
        should_retry=False,
    )
