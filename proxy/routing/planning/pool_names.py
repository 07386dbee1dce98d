"""A pool's name before a model's: any member that has the model, and nobody else. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from adapters.base import Adapter
from proxy.candidate import Candidate
from proxy.errors import model_not_found
from proxy.routing.planning.lacking import must_be_configured, unable

NO_POOLS: Mapping[str, Sequence[str]] = MappingProxyType({})


class PoolNames:
    """The names of pools, and who is meant by each."""

    def __init__(self, pools: Mapping[str, Sequence[str]], adapters: Mapping[str, Adapter]) -> None:
        self._pools = pools
        self._adapters = adapters
        names = "|".join(map(re.escape, pools))
        self._name = re.compile(rf"({names})(?:[/:](.*))?", re.ASCII | re.IGNORECASE | re.DOTALL)

    def found(self, named: str) -> re.Match[str] | None:
        """The pool and the model, where the client's name begins with a pool's."""
        return self._name.fullmatch(named)

    def members(
        self,
        named: str,
        model_for: Callable[[str], str | None],
        listed: Callable[[str], Sequence[str]],
    ) -> tuple[Candidate, ...]:
        """The members that a name means: those that have the model, else all of the pool; none if
        it is no pool's name. Raises ApiError 404, 400, or 503.

        `model_for` tells what a provider answers with where only the pool is named.
        """
        if (found := self.found(named)) is None:
            return ()
        if found[2] == "":
            raise model_not_found(named)
        members = self._pools[found[1].lower()]
        ready = [name for name in members if self._adapters[name].unconfigured is None]
        if not ready:
            must_be_configured(self._adapters[members[0]])
        able = {name: model for name in ready if (model := model_for(name)) is not None}
        models = {name: found[2] or model for name, model in able.items() if found[2] or model}
        if not models:
            raise unable(self._adapters[name] for name in members)
        having = [name for name in listed(found[2] or "") if name in models]
        return tuple(Candidate(name, models[name]) for name in having or models)
