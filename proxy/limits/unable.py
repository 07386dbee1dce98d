"""What models have said that they cannot do, so that requests go to those that can. No I/O.

It moves a model back and bars it from nothing: who is left alone is asked all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from adapters.errors import Cannot
from proxy.candidate import Candidate

KEPT_S = 24 * 3600.0
"""After a day a model is tried again: it may have been replaced under its name."""
MAX_KNOWN = 256
SCHEMA = "schema "


class _Refused(Struct, frozen=True):
    """From how much on it was refused, and until when that is remembered."""

    least: int
    until: float


class Unable:
    """`demands` are what a request asks for, and how much of it: see `planning/demands.py`.

    `known` is empty while nothing is remembered, so that requests need not be looked at.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.known: dict[Candidate, dict[str, _Refused]] = {}

    def refused(self, candidate: Candidate, cannot: Cannot, demands: Mapping[str, int]) -> None:
        """Remember a refusal, if it is one that other requests would meet."""
        what = cannot.what
        if what == "schema":
            what = next((name for name in demands if name.startswith(SCHEMA)), what)
        amount = demands.get(what, 0)
        if not cannot.lasts or amount <= int(cannot.is_limit):
            return
        if candidate not in self.known and len(self.known) >= MAX_KNOWN:
            del self.known[next(iter(self.known))]
        least = amount if cannot.is_limit else 1
        refusal = _Refused(least, self._clock() + KEPT_S)
        self.known.setdefault(candidate, {})[what] = refusal

    def lacks(self, candidate: Candidate, demands: Mapping[str, int]) -> str | None:
        """What the request asks for that the model has refused, None if it may be asked."""
        now = self._clock()
        for what, refusal in self.known.get(candidate, {}).items():
            if demands.get(what, 0) >= refusal.least and now < refusal.until:
                return what.partition(" ")[0]
        return None

    def answered(self, candidate: Candidate, demands: Mapping[str, int]) -> None:
        """Forget what the model has done after all."""
        if refusals := self.known.pop(candidate, None):
            left = {what: one for what, one in refusals.items() if demands.get(what, 0) < one.least}
            if left:
                self.known[candidate] = left

    def forget(self, provider: str) -> None:
        """Forget all of one provider's models: its owner says that things have changed."""
        for candidate in [one for one in self.known if one.provider == provider]:
            del self.known[candidate]
