"""Lists, counts and checks, which cost nothing, are asked by whichever key is not refused."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext

from msgspec.structs import replace

from adapters.base import Adapter, AdapterError, Availability, Model
from adapters.errors import ErrorKind, Scope, unsent
from proxy.candidate import Candidate
from proxy.limits.health import Health
from proxy.limits.ticket import KEY_KINDS
from proxy.routing.planning.keys import Keys, told_by_each

log = logging.getLogger("pointsman.keys")

LOOK_S = 0.05
LOOKS = 40
"""So often, and so far apart, it is looked if a request under way shows its key to be good."""


class AnyKey:
    """Asks a provider by its keys, and has `health` know of each that turns out to be refused.

    `masked` takes out of an error what nobody is to read.
    """

    def __init__(
        self, keys: Keys, health: Health, masked: Callable[[AdapterError], AdapterError]
    ) -> None:
        self._keys = keys
        self._health = health
        self._masked = masked
        self._turns = defaultdict[Candidate, asyncio.Lock](asyncio.Lock)

    async def models(self, adapter: Adapter) -> list[Model]:
        """The list of models by the first key that gets it. Raises AdapterError."""
        name = adapter.name
        failure = unsent(name, ErrorKind.AUTH, "each of its keys is refused", scope=Scope.KEY)
        for one in self._numbers(name):
            try:
                async with self._turn(one) as said:
                    if said is not None:
                        continue
                    models = await self.adapter(one).models()
                    self._health.take_key(name, one.key)
                    return models
            except AdapterError as error:
                if not one.key or error.kind not in KEY_KINDS:
                    raise
                failure = error
        raise failure

    async def reached(self, adapter: Adapter, *, again: bool) -> Availability:
        """Whether the provider answers by any of its keys; a refused one is asked only `again`."""
        numbers = self._numbers(adapter.name)
        found = await asyncio.gather(*(self._reached(one, again=again) for one in numbers))
        return told_by_each(found, self._keys.ends(adapter.name))

    def usable(self, candidate: Candidate) -> Candidate | None:
        """The candidate by the first key by which it may be asked now."""
        for one in self._usable(candidate.provider):
            by_key = replace(candidate, key=one.key)
            if self._health.wait(by_key) is None:
                return by_key
        return None

    def adapter(self, candidate: Candidate) -> Adapter:
        """Who asks by the key of `candidate`, be it one of several or the only one."""
        keys = self._keys
        return keys.adapter(candidate) if candidate.key else keys.adapters[candidate.provider]

    def refused(self, candidate: Candidate, error: AdapterError) -> None:
        """Learn of a key from a refusal; one that only may not do this may do something else."""
        if candidate.key and error.kind is ErrorKind.AUTH and error.scope is Scope.KEY:
            name, key = candidate.provider, candidate.key
            end = self._keys.end(candidate)
            log.error("[%s] refuses key %s: it is left out until that is mended", name, end)
            self._health.refuse_key(name, key, self._masked(error.at(name)))

    async def _reached(self, one: Candidate, *, again: bool) -> Availability:
        async with self._turn(one) as said:
            if said is not None and not again:
                return Availability(reachable=False, detail=said)
            found = await self.adapter(one).is_available()
            if found.error:
                self.refused(one, found.error)
            elif found.reachable:
                self._health.take_key(one.provider, one.key)
            return found

    @asynccontextmanager
    async def _turn(self, one: Candidate) -> AsyncGenerator[str | None]:
        """In which words the key was refused; by one that is new it is asked by one at a time."""
        provider, key, health = one.provider, one.key, self._health
        async with self._turns[one] if health.is_new_key(provider, key) else nullcontext():
            looks = 0
            while looks < LOOKS and health.is_trying(provider, key):
                looks += 1
                await asyncio.sleep(LOOK_S)
            if health.is_new_key(provider, key):
                self._keys.trying.add((provider, key))
            try:
                yield health.refused_key(provider, key)
            except AdapterError as error:
                self.refused(one, error)
                raise
            finally:
                self._keys.trying.discard((provider, key))

    def _usable(self, provider: str) -> Iterator[Candidate]:
        for one in self._numbers(provider):
            if self._health.refused_key(provider, one.key) is None:
                yield one

    def _numbers(self, provider: str) -> list[Candidate]:
        many = len(self._keys.by_key.get(provider, ()))
        return [Candidate(provider, "", key) for key in range(1, many + 1)] or [
            Candidate(provider, "")
        ]
