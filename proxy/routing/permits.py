"""Who may be called now, and who waits in line for that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

from proxy.candidate import Candidate
from proxy.errors import overloaded
from proxy.limits.health import Health
from proxy.limits.limit_log import log_wait
from proxy.limits.ticket import Agree, Ticket, Wait
from proxy.routing.attempts import Attempts
from proxy.routing.line import Lines
from proxy.routing.retry_budget import RetryBudget


class Permits:
    """Gives a request its permit for the next attempt. One for the life of the process.

    `agree` admits by what other servers have used, too.
    """

    def __init__(
        self,
        health: Health,
        budget: RetryBudget,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._health = health
        self._budget = budget
        self._clock = clock
        self._sleep = sleep
        self._lines = Lines()
        self.agree: Agree | None = None

    async def permit(self, attempts: Attempts) -> Ticket:
        """The permit to call the next candidate, waited for if that is worthwhile.

        Raises the last AdapterError, with `attempts.waits` set, when nobody may be asked.
        """
        ticket = await self._admitted(attempts)
        while attempts.failures and attempts.has_failed(ticket.candidate):
            if self._budget.spend():
                break
            ticket.unused()
            attempts.may_repeat = False
            if not attempts.eligible():
                attempts.waits = ()
                raise attempts.failures[-1][1].but()
            ticket = await self._admitted(attempts)
        if ticket.candidate != attempts.plan.candidates[0]:
            for other in attempts.before(ticket.candidate):
                if wait := self._wait(other, attempts):
                    attempts.receipt.passed[other] = wait.why
                    if wait.is_full:
                        attempts.receipt.warn(f"spilled={other.provider}")
        return ticket

    async def _admitted(self, attempts: Attempts) -> Ticket:
        """The permit, before it is asked whether so many may be tried again."""
        eligible = attempts.eligible()
        key = attempts.plan.candidates
        admit = partial(self._health.admit_first, eligible, attempts.tokens, attempts.calls)
        agree = attempts.agree or self.agree
        if self._lines.is_empty(key):
            found = admit() if agree is None else await agree(admit)
            if isinstance(found, Ticket):
                return found
            self._soonest_worth_waiting(found, attempts)
        if self._lines.is_full(key):
            raise overloaded()
        async with self._head_of_line(key, attempts):
            while True:
                found = admit() if agree is None else await agree(admit)
                if isinstance(found, Ticket):
                    return found
                wait = self._soonest_worth_waiting(found, attempts)
                wait_s = max(wait.at - self._clock(), 0.001)
                if wait.is_full:
                    attempts.receipt.warn(f"queued={wait.candidate.provider}")
                else:
                    log_wait(wait, wait_s)
                attempts.max_wait_s -= wait_s
                attempts.receipt.waited_s += wait_s
                await self._sleep(wait_s)

    @contextlib.asynccontextmanager
    async def _head_of_line(
        self, key: Sequence[Candidate], attempts: Attempts
    ) -> AsyncIterator[None]:
        """Come to the head of the line; raises as `permit` does if that takes too long."""
        began = self._clock()
        try:
            async with asyncio.timeout(attempts.max_wait_s) as patience, self._lines.head(key):
                patience.reschedule(None)
                attempts.max_wait_s -= self._clock() - began
                yield
        except TimeoutError:
            attempts.waits = self._waits(attempts)
            errors = attempts.errors(self._clock())
            raise errors.pop() if errors else overloaded() from None

    def _waits(self, attempts: Attempts) -> list[Wait]:
        found = (self._wait(candidate, attempts) for candidate in attempts.eligible())
        return [wait for wait in found if wait]

    def _wait(self, candidate: Candidate, attempts: Attempts) -> Wait | None:
        calls = attempts.calls.get(candidate, 1)
        return self._health.wait(candidate, attempts.tokens, calls)

    def _soonest_worth_waiting(self, waits: Sequence[Wait], attempts: Attempts) -> Wait:
        """The stated wait that ends first, if that is soon enough; a guess is not waited for."""
        now = self._clock()
        latest = min(now + attempts.max_wait_s, attempts.deadline)
        told = [wait for wait in waits if wait.told and wait.at <= latest]
        if told:
            return min(told, key=lambda wait: wait.at)
        attempts.waits = waits
        raise attempts.errors(now)[-1].but()
