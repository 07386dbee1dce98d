"""Any order of calls, ends, waits and clock jumps, and what holds in all of them."""

from __future__ import annotations

import math

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.base import ErrorKind, RateLimits, Scope, Usage
from adapters.errors import LOST_KINDS, UNSENT_KINDS
from proxy.candidate import Candidate
from proxy.limits.ticket import LONGEST_DAY_S, Ticket
from proxy.limits.windows import DAY_S, Limits
from tests.proxy.limits.kit import (
    ANSWERS,
    GEMINI,
    GROQ,
    GROQ_SMALL,
    Clock,
    admitted,
    error,
    health_with,
)
from tests.sampling import ALL


class Life(RuleBasedStateMachine):
    """Any order of calls, ends, waits and clock jumps, against a plain account of what is due."""

    limits = Limits(requests_per_minute=4, tokens_per_minute=100, requests_per_day=40)
    candidates = (GROQ, GROQ_SMALL, GEMINI)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.health = health_with(self.clock, groq=self.limits)
        self.under_way: list[tuple[Ticket, list[dict[str, float]]]] = []
        self.calls: dict[Candidate, list[dict[str, float]]] = {c: [] for c in self.candidates}
        self.told: dict[str, list[tuple[float, float]]] = {}
        self.doubted: dict[str, set[Ticket]] = {}  # calls let in since a place told a wait

    def places(self, candidate: Candidate) -> tuple[str, str]:
        return candidate.provider, str(candidate)

    def let_in(self, ticket: Ticket, tokens: int, calls: int) -> None:
        call = {"at": self.clock.now, "tokens": float(min(tokens, 100)), "requests": 1.0}
        begun = [dict(call) for _ in range(calls)]
        for place in self.places(ticket.candidate):
            for end, wall_end in self.told.get(place, []):
                assert self.clock.now >= end or self.clock.wall >= wall_end, "a told wait was cut"
            if place in self.doubted:
                self.doubted[place].add(ticket)
        self.calls[ticket.candidate] += begun
        self.under_way.append((ticket, begun))
        if ticket.candidate.provider == "groq":
            self.check_windows(ticket.candidate)

    def check_windows(self, candidate: Candidate) -> None:
        def used(what: str, period_s: float) -> float:
            since = self.clock.now - period_s
            return sum(call[what] for call in self.calls[candidate] if call["at"] > since)

        assert used("requests", 60) <= 4
        assert used("requests", DAY_S) <= 40
        assert used("tokens", 60) <= 100

    @rule(
        which=st.lists(st.sampled_from(candidates), min_size=1, unique=True),
        tokens=st.integers(0, 120),
        calls=st.dictionaries(st.sampled_from(candidates), st.integers(2, 6)),
    )
    def ask(self, which: list[Candidate], tokens: int, calls: dict[Candidate, int]) -> None:
        leave = self.health.admit_first(which, tokens, calls)
        if isinstance(leave, Ticket):
            self.let_in(leave, tokens, calls.get(leave.candidate, 1))
        else:
            assert sorted(leave, key=lambda wait: wait.at) == leave
            for wait in leave:
                is_never = wait.param is not None
                assert is_never or self.clock.now < wait.at <= self.clock.now + 26 * 3600
                assert not is_never or wait.candidate in calls

    @rule(candidate=st.sampled_from(candidates), tokens=st.integers(0, 120))
    def ask_one(self, candidate: Candidate, tokens: int) -> None:
        leave = self.health.admit(candidate, tokens)
        if isinstance(leave, Ticket):
            self.let_in(leave, tokens, 1)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), used=st.integers(0, 150))
    def answer(self, data: st.DataObject, used: int) -> None:
        ticket, calls = self.take(data)
        ticket.answered()
        ticket.succeeded(Usage(prompt=used))
        if len(calls) == 1:
            calls[0]["tokens"] = used
        self.trust(ticket)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), used=st.integers(0, 150), kind=st.none() | st.sampled_from(ErrorKind))
    def end_one(self, data: st.DataObject, used: int, kind: ErrorKind | None) -> None:
        """One of several calls ends, for itself."""
        ticket, calls = data.draw(st.sampled_from(self.under_way))
        number = data.draw(st.integers(0, len(calls) - 1))
        call = calls[number]
        if len(calls) > 1 and "over" not in call:
            ticket.spent(number, error(kind) if kind else Usage(completion=used))
            call["over"] = 1
            if kind:
                self.give_back(call, kind)
            else:
                call["tokens"] = used

    def give_back(self, call: dict[str, float], kind: ErrorKind) -> None:
        if kind in UNSENT_KINDS:
            call["requests"] = 0
        if kind not in LOST_KINDS:
            call["tokens"] = 0

    def trust(self, ticket: Ticket) -> None:
        """`ticket` was answered: a place that was in doubt when it was let in is so no more."""
        for place in self.places(ticket.candidate):
            if ticket in self.doubted.get(place, ()):
                del self.doubted[place]

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        limit=st.sampled_from([None, -1, 0, 50, 1000]),
        remaining=st.sampled_from([None, -1, 0, 7, 2000]),
        reset_s=st.sampled_from([None, -1.0, 0.0, 0.5, 1e9, math.inf]),
    )
    def observe(
        self, data: st.DataObject, limit: int | None, remaining: int | None, reset_s: float | None
    ) -> None:
        ticket = data.draw(st.sampled_from([ticket for ticket, _ in self.under_way]))
        ticket.observed(RateLimits(limit, remaining, reset_s, limit, remaining, reset_s))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.take(data)[0].abandoned()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def make_none(self, data: st.DataObject) -> None:
        ticket, calls = self.take(data)
        ticket.unused()
        for call in calls:
            if "over" not in call:
                call["requests"] = call["tokens"] = 0

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        kind=st.sampled_from(sorted(ErrorKind)),
        scope=st.sampled_from(sorted(Scope)),
        wait_s=st.sampled_from([None, 0.5, 3, 40, 600, 7200]),
    )
    def fail(
        self, data: st.DataObject, kind: ErrorKind, scope: Scope, wait_s: float | None
    ) -> None:
        ticket, calls = self.take(data)
        ticket.failed(error(kind, wait_s, scope=scope))
        if len(calls) == 1:
            self.give_back(calls[0], kind)
        if kind in ANSWERS:
            self.trust(ticket)
        if wait_s and kind in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA_DAY, ErrorKind.SERVER):
            self.tell(ticket.candidate, kind, scope, wait_s)

    def tell(self, candidate: Candidate, kind: ErrorKind, scope: Scope, wait_s: float) -> None:
        provider, model = self.places(candidate)
        place = provider if scope in (Scope.PROVIDER, Scope.KEY) else model
        waits = self.told.setdefault(place, [])
        if kind is ErrorKind.QUOTA_DAY:
            end = self.clock.now + wait_s
            waits[:] = [wait for wait in waits if wait[0] > end or wait[1] == math.inf]
            waits.append((end, self.clock.wall + wait_s))
        else:
            waits.append((self.clock.now + min(wait_s, 3600), math.inf))
        self.doubted[place] = set()

    def take(self, data: st.DataObject) -> tuple[Ticket, list[dict[str, float]]]:
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(seconds=st.sampled_from([0.25, 1, 5, 10, 30, 60, 600, 7200]))
    def wait(self, seconds: float) -> None:
        self.clock.passes(seconds)
        self.forget_ended_days()

    @rule(seconds=st.sampled_from([-DAY_S, -3600, 3600, DAY_S]))
    def jump(self, seconds: float) -> None:
        self.clock.wall += seconds
        self.health.snapshot()
        self.forget_ended_days()

    def forget_ended_days(self) -> None:
        self.told = {
            place: [ends for ends in waits if self.clock.wall < ends[1]]
            for place, waits in self.told.items()
        }

    @rule()
    def restart(self) -> None:
        kept = self.health.day_quotas()
        self.health = health_with(self.clock, groq=self.limits)
        self.health.restore(kept)
        self.under_way = []
        self.calls = {candidate: [] for candidate in self.candidates}
        # What seems to be longer than a day can be was told by a clock that was wrong.
        latest = self.clock.wall + LONGEST_DAY_S
        self.told = {
            place: [
                (end, min(wall_end, latest))
                for end, wall_end in waits
                if self.clock.now < end and wall_end < math.inf
            ]
            for place, waits in self.told.items()
        }
        self.doubted = {place: set() for place, waits in self.told.items() if waits}

    @invariant()
    def at_most_one_call_tries_what_is_in_doubt(self) -> None:
        open_tickets = {ticket for ticket, _ in self.under_way}
        assert all(len(tickets & open_tickets) <= 1 for tickets in self.doubted.values())
        trying = [ticket.candidate for ticket, _ in self.under_way if ticket.is_probe]
        assert len(trying) == len(set(trying))

    def teardown(self) -> None:
        for ticket, _ in self.under_way:
            ticket.abandoned()
        self.clock.passes(26 * 3600 + DAY_S)
        for candidate in self.candidates:
            admitted(self.health, candidate, tokens=100).succeeded()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60 if ALL else 20, stateful_step_count=60, deadline=None)
