"""Several keys of one provider: each is a candidate of its own, in order or by turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count

from msgspec.structs import replace

from adapters.base import Adapter, Availability
from proxy.candidate import Candidate
from proxy.routing.planning.plan import Plan

SHOWN = 4
LONG_KEY = 12
"""Of a shorter one, its last characters would be too much of it."""


class Keys:
    """The adapters of each provider, one a key in their order.

    `adapters` has the first of each, `by_key` all of those that have several.
    """

    def __init__(self, adapters: Mapping[str, Sequence[Adapter]]) -> None:
        self.adapters = {name: first for name, (first, *_) in adapters.items()}
        self.by_key = {name: tuple(all_) for name, all_ in adapters.items() if len(all_) > 1}
        self.trying = set[tuple[str, int]]()
        """Keys of which it is being found out whether they are taken: others go first."""
        self._turns = {
            name: count() for name, (first, *_) in self.by_key.items() if _takes_turns(first)
        }
        self.sharing = frozenset(
            name for name, (first, *_) in self.by_key.items() if first.settings.keys_share_limits
        )

    def planned(self, plan: Callable[..., Plan]) -> Callable[..., Plan]:
        """What makes plans, with each of their candidates once a key."""
        if not self.by_key:
            return plan
        return lambda *asked, **options: self.spread(plan(*asked, **options))

    def spread(self, plan: Plan) -> Plan:
        candidates = [c for one in plan.candidates for c in self._of(one)]
        return replace(plan, candidates=tuple(candidates))

    def _of(self, candidate: Candidate) -> Iterator[Candidate]:
        name = candidate.provider
        if name not in self.by_key:
            yield candidate
            return
        many = len(self.by_key[name])
        first = next(self._turns[name]) if name in self._turns else 0
        keys = [at % many + 1 for at in range(first, first + many)]
        if self.trying:
            keys.sort(key=lambda key: (name, key) in self.trying)
        for key in keys:
            yield Candidate(name, candidate.model, key)

    def adapter(self, candidate: Candidate) -> Adapter:
        """Who asks by the key of `candidate`, which has one of several."""
        return self.by_key[candidate.provider][candidate.key - 1]

    def all_of(self, adapter: Adapter) -> Sequence[Adapter]:
        """The adapters of each key of the provider that is asked by `adapter`, itself the first."""
        return self.by_key.get(adapter.name, (adapter,))

    def others(self) -> Iterator[Adapter]:
        """All but the first of each provider."""
        for adapters in self.by_key.values():
            yield from adapters[1:]

    def end(self, candidate: Candidate) -> str:
        """How the key of `candidate` is called."""
        return self.ends(candidate.provider)[candidate.key - 1]

    def ends(self, provider: str) -> Sequence[str]:
        """How each of several keys is called: by its last characters, else by its place."""
        keys = self.by_key[provider][0].settings.all_keys() if provider in self.by_key else ()
        return ends_of(keys)

    def place(self, provider: str, key: int) -> str:
        """A name for a key that holds for as long as there is the key, and does not reveal it."""
        if not key:
            return provider
        secret = self.by_key[provider][0].settings.all_keys()[key - 1]
        return f"{provider}#{blake2b(secret.encode(), digest_size=4).hexdigest()}"

    def placed(self, place: str) -> tuple[str, int] | None:
        """The provider and the key of a place; None where there is no such key any more."""
        provider, mark, _ = place.partition("#")
        keys: Sequence[int] = range(1, len(self.by_key.get(provider, ())) + 1)
        if not mark:  # what was told of the only key, or of those that share their limits
            keys = () if keys and provider not in self.sharing else (0,)
        return next(((provider, key) for key in keys if self.place(provider, key) == place), None)


def ends_of(keys: Sequence[str]) -> Sequence[str]:
    """What may be shown of each key so that its owner knows which it is."""
    ends = [f"…{key[-SHOWN:]}" if len(key) >= LONG_KEY else "" for key in keys]
    return [
        end if end and ends.count(end) == 1 else f"#{place}" for place, end in enumerate(ends, 1)
    ]


def _takes_turns(adapter: Adapter) -> bool:
    return adapter.settings.keys == "spread"


def told_by_each(found: Sequence[Availability], ends: Sequence[str]) -> Availability:
    """What several keys say together; `ends` is how they are called."""
    if len(found) == 1:
        return found[0]
    bad = [(end, one) for end, one in zip(ends, found, strict=True) if not one.reachable]
    detail = "; ".join(f"key {end}: {one.detail}" for end, one in bad)
    return Availability(len(bad) < len(found), detail)
