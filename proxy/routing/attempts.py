"""One request's way through its candidates: who is next, what may follow a failure. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

from msgspec import Struct, field

from adapters.base import AdapterError, ErrorKind, Event
from proxy.candidate import Candidate
from proxy.gate.work import Work
from proxy.limits.ticket import KEY_KINDS, Agree, Ticket, Wait
from proxy.routing.answers.first import EmptyAnswerError
from proxy.routing.answers.receipt import Receipt
from proxy.routing.operations.operation import Operation
from proxy.routing.pictures.conversion import Album
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.preference import Preference

MAX_ATTEMPTS = 4
MAX_AT_ONE_PROVIDER = 2

FINAL_KINDS = frozenset({ErrorKind.BAD_REQUEST})
"""Failures that would be the same everywhere: the request itself is at fault."""

AGAIN_KINDS = frozenset(
    {
        ErrorKind.RATE_LIMIT,
        ErrorKind.OVERLOADED,
        ErrorKind.LOADING,
        ErrorKind.SERVER,
        ErrorKind.MALFORMED_ANSWER,
        ErrorKind.MISMATCH,
        ErrorKind.EMPTY,
    }
)
"""Failures after which the same candidate may be asked once more, if no other is left."""

TOLD_KINDS = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED, ErrorKind.LOADING})
"""Those of them that come with a time after which to ask."""


NO_PAUSE_KINDS = TOLD_KINDS | {ErrorKind.MISMATCH, ErrorKind.EMPTY}
"""Failures after which nothing is guessed: a wait was stated, or only chance was at fault."""
MAX_MISMATCHES = 2


class Attempts(Struct):
    """`deadline` is on the router's clock; `waits` is why nobody could be asked in the end.

    `preference` and `fallback` are what the plan was made by, and is made anew by where a model of
    it turns out to be gone.

    `agree` is how other servers are asked, where they have to agree to the request as well.

    `calls` holds how many calls at once a candidate needs, where that is more than one; `empty` is
    the first answer without anything in it, to be given where nobody has more to say; `windows` how
    many tokens candidates take, once a request was too long. `may_repeat` ends with the budget for
    what is tried again; whoever has not been asked still is.
    """

    operation: Operation[Any]
    request: Any
    preference: Preference
    fallback: bool | None
    plan: Plan
    receipt: Receipt
    work: Work
    tokens: int
    deadline: float
    max_wait_s: float
    calls: Mapping[Candidate, int]
    agree: Agree | None = None
    windows: Mapping[Candidate, int] = {}
    album: Album = field(default_factory=Album)
    failures: list[tuple[Candidate, AdapterError]] = field(default_factory=list)
    useless: set[Candidate] = field(default_factory=set)
    waits: Sequence[Wait] | None = None
    empty: tuple[Ticket, list[Event]] | None = None
    may_repeat: bool = True

    def __post_init__(self) -> None:
        self.receipt.considered = self.plan.candidates

    def take(self, plan: Plan, calls: Mapping[Candidate, int]) -> None:
        """Go on by another plan; who has been asked already is not asked again for that."""
        self.plan = plan
        self.calls = calls
        self.receipt.considered = plan.candidates

    def failed(self, candidate: Candidate, error: AdapterError) -> None:
        """It has come to nothing; by another key it would come to the same, if not by its key."""
        self.failures.append((candidate, error))
        if candidate.key and error.kind not in KEY_KINDS:
            same = candidate.by_any()
            self.useless |= {c for c in self.plan.candidates if c.by_any() == same}

    def untried(self) -> Sequence[Candidate]:
        """The candidates whose turn has not come yet."""
        if not self.failures:
            return self.plan.candidates
        tried = {candidate for candidate, _ in self.failures} | self.useless
        return [candidate for candidate in self.plan.candidates if candidate not in tried]

    def has_others(self) -> bool:
        """Whether another model or provider than the one that is asked next is left."""
        untried = self.untried()
        if not (untried[1:] and untried[0].key):
            return bool(untried[1:])
        return len({one.by_any() for one in untried}) > 1

    def again(self) -> list[Candidate]:
        """The candidates that have failed in a way that may pass, and may be asked once more."""
        last = dict(self.failures) if self.may_repeat else {}
        return [
            candidate
            for candidate, error in last.items()
            if error.kind in AGAIN_KINDS and self._asked(candidate) < MAX_AT_ONE_PROVIDER
        ]

    def eligible(self) -> Sequence[Candidate]:
        """Who may be asked next; those that have stated a wait may come back after it."""
        if not self.failures:
            return self.plan.candidates
        untried = self.untried()
        if not untried:
            return self.again()
        last, again = dict(self.failures), self.again()
        candidate, error = self.failures[-1]
        if isinstance(error, EmptyAnswerError) and candidate in again:
            return [candidate, *untried]
        return [*untried, *(c for c in again if last[c].kind in TOLD_KINDS)]

    def before(self, chosen: Candidate) -> Iterator[Candidate]:
        """The candidates whose turn it was, had nothing stood in their way."""
        return takewhile(lambda candidate: candidate != chosen, self.eligible())

    def may_go_on(self, error: BaseException) -> bool:
        """Whether any candidate could still do better than this failure."""
        if not isinstance(error, AdapterError) or error.kind in FINAL_KINDS:
            return False
        if self.waits is not None or self._attempts() >= MAX_ATTEMPTS:
            return False
        if error.kind is ErrorKind.MISMATCH and self._count(error.kind) >= MAX_MISMATCHES:
            return False
        return bool(self.eligible())

    def errors(self, now: float) -> list[AdapterError]:
        """What stands in the way now, as failures: the last one met of each, and those foreseen."""
        met: dict[Candidate, AdapterError] = {}
        for candidate, error in self.failures:
            met.pop(candidate, None)
            met[candidate] = error
        waits = self.waits or ()
        return list(met.values()) + [_foreseen(w, now) for w in waits if w.candidate not in met]

    def sizes(self) -> str:
        """How much was asked of how little room, for people."""
        room = ", ".join(f"{one} takes {size:,}" for one, size in self.windows.items())
        return f"The request has about {self.tokens:,} tokens{room and f'; {room}'}."

    def _count(self, kind: ErrorKind) -> int:
        return sum(error.kind is kind for _, error in self.failures)

    def has_failed(self, candidate: Candidate) -> bool:
        """Whether it has been asked already."""
        return any(one == candidate for one, _ in self.failures)

    def _asked(self, by: Candidate) -> int:
        return sum((c.provider, c.key) == (by.provider, by.key) for c, _ in self.failures)

    def _attempts(self) -> int:
        """How many there were; a key that the next of the same model followed on is none."""
        passed = sum(
            error.kind in KEY_KINDS and one != next_ and one.by_any() == next_.by_any()
            for (one, error), (next_, _) in pairwise(self.failures)
        )
        return len(self.failures) - passed


def _foreseen(wait: Wait, now: float) -> AdapterError:
    """The failure that a call would meet: in the words of the refusal that is remembered."""
    said = wait.said
    return AdapterError(
        wait.kind,
        said.message if said else f"{wait.candidate.model} is not asked now: {wait.why}",
        provider=wait.candidate.provider,
        retry_after_s=wait.at - now if wait.param is None else None,
        param=said.param if said else wait.param,
        upstream_code=said.upstream_code if said else None,
    )
