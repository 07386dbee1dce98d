"""From a request to the first content of an answer: attempts, rotation, the commit point.

An attempt is the call *and* its first content, since some providers tell of a refusal only in what
comes after a good status; of a plain chat it is the whole answer. Up to there a failure goes on to
the next, and no client sees it; from there on the answer is one model's, and the client is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace

from adapters.base import AdapterError, Capabilities, ErrorKind, Finish, Warn
from adapters.upstream import AGAIN
from adapters.wire.aside import aside
from proxy.candidate import Candidate
from proxy.clocks import Clocks
from proxy.errors import ApiError, spread
from proxy.gate.work import Work
from proxy.limits.health import Health
from proxy.limits.limit_log import log_use
from proxy.limits.patience import FAIR_SHARE_S, Longest, Patience, streamed_of
from proxy.limits.ticket import ONE_CALL, Agree, Ticket
from proxy.redact import Redactor
from proxy.routing.answers.answer import Answer, empty_answer
from proxy.routing.answers.first import EmptyAnswerError, is_plain, until_end
from proxy.routing.answers.receipt import Receipt
from proxy.routing.attempts import Attempts
from proxy.routing.failed import final_error, no_larger
from proxy.routing.loading import Loading
from proxy.routing.operations.operation import Calls, Operation, Operations
from proxy.routing.pause import pause_s
from proxy.routing.permits import Permits
from proxy.routing.pictures.fetching import ImageFetcher
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.demands import demands
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.pools import Pools
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Sessions, Talk
from proxy.routing.planning.split import arm_of
from proxy.routing.retry_budget import RetryBudget
from proxy.routing.strict_params import refuse_drops

log = logging.getLogger("pointsman.router")


class Models(Protocol):
    """What the lists of models can be asked."""

    async def know(self, model: str) -> None:
        """Have a name looked up."""

    async def relist(self, provider: str) -> None:
        """See to it that a provider's list is as fresh as it can be had."""

    async def windows(self, candidates: Sequence[Candidate]) -> Mapping[Candidate, int]:
        """How many tokens each takes, where that is known."""


class Router:
    """Sends requests to providers. One for the life of the process.

    `chance`, from 0 to 1, is by how much later than their wait clients are told to come back.
    `answered` holds the providers that have given an answer since the start.
    """

    def __init__(
        self,
        keys: Keys,
        models: Models,
        chooser: Chooser,
        health: Health,
        clocks: Clocks,
        *,
        operations: Operations,
        sessions: Sessions,
        pools: Pools | None,
        patience: Patience,
        loading: Loading,
        images: ImageFetcher,
        redactor: Redactor,
        answered: set[str],
        strict_params: bool,
        max_wait_s: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._keys, self._adapters = keys, keys.adapters
        self._models = models
        self._chooser = chooser
        self._health = health
        self._clock, self._sleep = clocks.clock, clocks.sleep
        self._operations = operations
        self.sessions = sessions
        self._pools = pools
        self._patience = patience
        self._loading = loading
        self._images = images
        self._redactor = redactor
        self.answered = answered
        self._strict_params = strict_params
        self._max_wait_s = max_wait_s
        self._chance = chance
        self._budget = RetryBudget(clocks.clock)
        self.permits = Permits(health, self._budget, clocks.clock, clocks.sleep)
        self._plan = keys.planned(chooser.plan)

    async def answer(
        self,
        request: Any,
        preference: Preference,
        receipt: Receipt,
        work: Work,
        *,
        deadline_s: float = 300.0,
        fallback: bool | None = None,
        talk: Callable[[], Talk | None] = lambda: None,
        agree: Agree | None = None,
    ) -> Answer:
        """The answer, its first content already there; to be closed, which stops the provider.

        `receipt` is filled on the way, `work` the task that calls this, `agree` asks other servers;
        `fallback` False keeps to its first candidate, True lets a pin go on. Raises ApiError.
        """
        self._budget.request()
        model = request.model
        if (name := self._chooser.to_look_up(model)) and model not in preference.aliases:
            await self._models.know(name)
        operation = self._operations[type(request)]
        plan = self._plan(request, preference, fallback=fallback)
        if self._pools:
            plan = self._pools.arranged(plan, talk, preference)
        wanted = plan.candidates[0]
        if preference.split:
            replan = partial(self._chooser.plan, request, fallback=fallback)
            receipt.arm = arm_of(plan, preference, replan)
        if self.sessions.stays and (known := talk()):
            plan = self.sessions.keep(plan, preference, known)
        for word in plan.warnings():
            receipt.warn(word)
        receipt.operation = operation.name
        receipt.prompt_guess, most = operation.tokens(request)
        attempts = Attempts(
            operation,
            request,
            preference,
            fallback,
            plan,
            receipt,
            work,
            tokens=receipt.prompt_guess + most,
            deadline=self._clock() + deadline_s,
            max_wait_s=self._max_wait_s,
            calls=self._calls(operation, request, plan)
            if operation.may_take_more(request)
            else ONE_CALL,
            agree=agree,
        )
        try:
            answer = await self._first_content(attempts)
        except AdapterError:
            return self._without_answer(attempts)
        by = answer.ticket.candidate
        is_news = (by != wanted or self.sessions.stays or self._pools) and not plan.pinned
        if is_news and (known := talk()):
            (self._pools or self.sessions).settle(known, by, wanted, preference)
        return answer

    def _without_answer(self, attempts: Attempts) -> Answer:
        """The empty one, where there was one. Raises ApiError where all have failed."""
        if attempts.empty:
            return empty_answer(*attempts.empty, attempts.receipt, self._redactor)
        raise self._final(attempts) from None

    def _final(self, attempts: Attempts) -> ApiError:
        now, has_answered = self._clock(), bool(self.answered)
        error = final_error(attempts, self._chooser, self._health, now, has_answered=has_answered)
        return spread(error, self._chance())

    def _calls(
        self, operation: Operation[Any], request: Any, plan: Plan
    ) -> Mapping[Candidate, int]:
        """How many calls at once, for the candidates that need more than one."""
        calls = {c: operation.calls(request, self._can(c)) for c in plan.candidates}
        return {c: count for c, count in calls.items() if count > 1}

    def _can(self, candidate: Candidate) -> Capabilities:
        return self._adapters[candidate.provider].capabilities(candidate.model)

    async def close(self) -> None:
        await self._images.aclose()

    async def _first_content(self, attempts: Attempts) -> Answer:
        """Attempt after attempt, until one answers or nobody could do better.

        Only the pauses are tenacity's: its loop takes a quarter of all the calls of a request.
        """
        while True:
            try:
                return await self._attempt(attempts)
            except AdapterError as error:
                if not attempts.may_go_on(error):
                    raise
            await self._sleep(pause_s(attempts))

    async def _attempt(self, attempts: Attempts) -> Answer:
        ticket = await self.permits.permit(attempts)
        log_use(ticket)
        AGAIN.set(ticket.again)
        candidate = ticket.candidate
        began, streamed = self._clock(), streamed_of(attempts.request)
        left_s = attempts.deadline - began
        left_s = left_s if left_s > 0.001 else 0.001
        longest = Longest(left_s, left_s >= FAIR_SHARE_S)
        if attempts.has_others():
            longest = self._patience.share(candidate, streamed, attempts.tokens, began, left_s)
        opening = self._open(ticket, attempts, longest.seconds)
        is_local = candidate.provider in self._patience.local
        if is_local and self._patience.may_be_loading(candidate, began):
            opening = self._loading.seen(candidate, opening, attempts.receipt)
        try:
            first, rest = await opening
            ticket.answered()
            if streamed is None and Finish not in map(type, first) and is_plain(attempts.request):
                first, rest = await until_end(first, rest, attempts.work)
        except AdapterError as met:
            raise await self._failed(ticket, met, attempts, is_fair=longest.is_fair) from None
        except BaseException:
            ticket.abandoned()
            raise
        if is_local or streamed is not None:
            self._patience.heard(candidate, streamed, began, self._clock())
        self.answered.add(candidate.provider)
        attempts.receipt.tried(candidate, 200, None)
        if self._chooser.retired.has_news:
            self._warn_of_gone(candidate, attempts)
        if self._chooser.cannot.known:
            self._chooser.cannot.answered(candidate.by_any(), demands(attempts.request))
        is_first = candidate == attempts.plan.candidates[0]
        if self._adapters[candidate.provider].last_resort and not is_first:
            attempts.receipt.warn(f"stand_in={candidate.provider}")
        return Answer(ticket, attempts.receipt, first, rest, self._redactor)

    async def _failed(
        self, ticket: Ticket, met: AdapterError, attempts: Attempts, *, is_fair: bool
    ) -> AdapterError:
        """Learn of an attempt that came to nothing; who had no fair time for it has not failed."""
        candidate = ticket.candidate
        error = self._redactor.masked(met.at(candidate.provider))
        is_loading = error.kind is ErrorKind.LOADING
        is_early = error.kind is ErrorKind.TIMEOUT_FIRST_BYTE and not is_fair
        if is_early or (is_loading and error.status is None):
            ticket.abandoned()
        else:
            ticket.failed(error)
        attempts.failed(candidate, error)
        attempts.receipt.tried(candidate, error.status or error.kind, error)
        if not is_loading:
            self.sessions.failed(candidate.provider)
        log.info("[%s] %s", candidate.provider, error.gist)
        if error.cannot:
            lacking, asked = error.cannot, demands(attempts.request)
            self._chooser.cannot.refused(candidate.by_any(), lacking, asked)
        if error.kind is ErrorKind.AUTH:
            key = f"key {self._keys.end(candidate)}" if candidate.key else "its key"
            log.error("[%s] refuses %s: it is left out until that is mended", error.provider, key)
        if error.kind is ErrorKind.MODEL_MISSING and error.status is not None:
            await self._retire(candidate, error, attempts)
        if isinstance(error, EmptyAnswerError) and attempts.empty is None:
            attempts.empty = ticket, error.events
        if error.kind is ErrorKind.CONTEXT:
            attempts.useless |= await no_larger(candidate, attempts, self._models.windows)
        return error.but()  # what is kept is not raised: its frames would hold all that was asked

    async def _retire(self, candidate: Candidate, error: AdapterError, attempts: Attempts) -> None:
        """Another model takes the place of a configured one that is gone; a pinned name stays."""
        chooser, request = self._chooser, attempts.request
        if chooser.names_model(request.model) or attempts.operation.model is not None:
            return
        await self._models.relist(candidate.provider)
        if not chooser.retired.retire(candidate.provider, candidate.model, error):
            return
        with contextlib.suppress(ApiError):  # who takes its place may not do what is asked for
            plan = self._plan(request, attempts.preference, fallback=attempts.fallback)
            attempts.take(plan, self._calls(attempts.operation, request, plan))

    def _warn_of_gone(self, candidate: Candidate, attempts: Attempts) -> None:
        chooser = self._chooser
        chooser.retired.answered(candidate.provider, candidate.model)
        if was := chooser.replaced_by(candidate, attempts.request.model, attempts.preference):
            attempts.receipt.warn(f"replaced={was}")

    async def _open(
        self, ticket: Ticket, attempts: Attempts, longest_s: float
    ) -> tuple[list[Any], AsyncGenerator[list[Any], None]]:
        candidate, operation = ticket.candidate, attempts.operation
        adapter = self._adapters[candidate.provider]
        if candidate.key:
            adapter = self._keys.adapter(candidate)
        request = replace(attempts.request, model=candidate.model)
        (album := attempts.album).words.clear()
        request = await operation.prepared(request, adapter, self._images, album)
        work = attempts.work
        if self._strict_params:
            native = await aside(work.weight, operation.native, adapter, request)
            refuse_drops((*album.words, *native.warnings))
        count = attempts.calls.get(candidate, 1)
        calls = Calls(count, ticket.spent, one_first=count > 1 and ticket.is_probe)
        events = await aside(work.weight, operation.events, adapter, request, calls)
        ends_at = work.ends_at
        work.end_in(longest_s)
        try:
            first, rest = await operation.first(events, candidate.provider)
            return [*map(Warn, album.words), *first], rest
        except asyncio.CancelledError:
            if not work.undo_late():
                raise
            raise AdapterError(
                ErrorKind.TIMEOUT_FIRST_BYTE, "no answer in time", provider=candidate.provider
            ) from None
        finally:
            work.ends_at = ends_at
