"""Several hosts that stand for one: the least busy answers, and a conversation stays where it is.

What a host has read of a conversation lies in its cache; elsewhere all of it is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from adapters.base import Adapter
from proxy.candidate import Candidate
from proxy.routing.planning.home import permitted_to
from proxy.routing.planning.plan import Plan
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import MAX_TALKS, Sessions, Talk


class Pools:
    """Which providers stand together, by each of their names (`of`), and under which `names`.

    `pools` are the providers by the name of each pool. `listed` tells which providers have a model,
    `busy` how many calls one has at work.
    """

    def __init__(
        self,
        pools: Mapping[str, Sequence[str]],
        adapters: Mapping[str, Adapter],
        *,
        listed: Callable[[str], Sequence[str]],
        busy: Callable[[str], int],
        sessions: Sessions,
    ) -> None:
        self.of = {one: pool for pool in pools.values() for one in pool}
        self.names = {one: name for name, pool in pools.items() for one in pool}
        self._adapters = adapters
        self._listed = listed
        self._busy = busy
        self._sessions = sessions
        self._homes: OrderedDict[bytes, Candidate] = OrderedDict()

    def arranged(self, plan: Plan, talk: Callable[[], Talk | None], preference: Preference) -> Plan:
        """The plan with all of a pool that have the model in the place of the first of them.

        In front the one where the talk is at home, then whoever is least busy.
        """
        if plan.pinned or not any(one.provider in self.of for one in plan.candidates):
            return plan
        known = talk()
        home = None if known is None or known.begins else self._homes.get(known.id)
        found: dict[Candidate, None] = {}
        for one in plan.candidates:
            if one.provider not in self.of:
                found[one] = None
                continue
            group = list(dict.fromkeys((one, *self._others(one, plan.candidates, preference))))
            group.sort(key=lambda c: (c != home, self._busy(c.provider)))
            found |= dict.fromkeys(group)
        return replace(plan, candidates=tuple(found))

    def _others(
        self, one: Candidate, planned: Sequence[Candidate], preference: Preference
    ) -> Iterator[Candidate]:
        """The same model at the others of the pool, as far as it may be asked there."""
        having, permits = self._listed(one.model), permitted_to(preference, self._adapters)
        for name in self.of.get(one.provider, ()):
            adapter, same = self._adapters[name], Candidate(name, one.model, one.key)
            is_alike = adapter.local == self._adapters[one.provider].local
            may = permits(name, one.model) and not adapter.unconfigured
            if same in planned or (name in having and is_alike and may):
                yield same

    def settle(self, talk: Talk, by: Candidate, wanted: Candidate, preference: Preference) -> None:
        """A talk was answered `by` one of a pool, and is at home there; else as for any other."""
        if by.provider not in self.of:
            self._sessions.settle(talk, by, wanted, preference)
            return
        self._homes[talk.id] = by
        self._homes.move_to_end(talk.id)
        if len(self._homes) > MAX_TALKS:
            self._homes.popitem(last=False)
