"""What a client is told when nobody could answer, and what else its owner may do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from adapters.base import ErrorKind
from proxy.candidate import Candidate
from proxy.errors import ApiError, from_adapter, from_failures, pinned_broke
from proxy.limits.health import Health
from proxy.routing.attempts import FINAL_KINDS, Attempts
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.home import STAYS


def final_error(
    attempts: Attempts, chooser: Chooser, health: Health, now: float, *, has_answered: bool
) -> ApiError:
    """The error of all attempts. `has_answered` tells whether anybody has, since the start."""
    for at, (candidate, failure) in enumerate(attempts.failures):
        if wait := health.wait(candidate):
            attempts.failures[at] = candidate, failure.but(retry_after_s=wait.at - now)
    attempts.receipt.passed |= {wait.candidate: wait.why for wait in attempts.waits or ()}
    failures = attempts.errors(now)
    final = [failure for failure in failures if failure.kind in FINAL_KINDS]
    error = from_adapter(final[-1]) if final else from_failures(failures)
    if attempts.plan.pinned and attempts.failures and failures[-1].kind is ErrorKind.SERVER:
        error = pinned_broke(error)
    message = error.message
    if error.code == "context_length_exceeded":
        message = f"{message.rstrip('.')}. {attempts.sizes()}"
    if error.status >= 500 and not attempts.plan.pinned:
        message = chooser.cure_of_choice(attempts.preference) + message
    if error.status == 503 and not attempts.preference.chosen and not has_answered:
        message += " " + chooser.ways_to_an_answer()
    if error.status >= 500 and attempts.preference.local_only:
        message += f" {STAYS}: nobody elsewhere was asked."
    return error.but(message=message)


async def no_larger(
    candidate: Candidate,
    attempts: Attempts,
    windows: Callable[[Sequence[Candidate]], Awaitable[Mapping[Candidate, int]]],
) -> set[Candidate]:
    """The candidates not known to take more than this one, for whom a request was too long.

    Where its own window is unknown, they must be known to take the request.
    """
    attempts.windows = known = await windows(attempts.plan.candidates)
    too_small = known.get(candidate, attempts.tokens)
    return {c for c in attempts.plan.candidates if known.get(c, 0) <= too_small}
