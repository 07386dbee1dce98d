"""How long to wait before another attempt: rotate first, wait last. The pauses are tenacity's."""

from __future__ import annotations

from tenacity import AsyncRetrying, RetryCallState
from tenacity.wait import wait_random_exponential

from proxy.routing.attempts import NO_PAUSE_KINDS, Attempts

_BACKOFF = wait_random_exponential(multiplier=0.5, max=8)


def pause_s(attempts: Attempts) -> float:
    """Only who comes back to the same place unbidden backs off."""
    was_told = attempts.failures[-1][1].kind in NO_PAUSE_KINDS
    if was_told or attempts.untried():
        return 0.0
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = len(attempts.failures)
    return _BACKOFF(state)
