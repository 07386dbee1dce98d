"""What models there are: the lists of all providers."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice

from adapters.base import Adapter, AdapterError, Model
from adapters.tasks import Prepares
from adapters.wire.aside import ASIDE, Aside, aside
from proxy.candidate import Candidate
from proxy.redact import Mask
from proxy.routing.planning.candidates import ANY_MODEL

log = logging.getLogger("pointsman.models")

NEVER = -math.inf
FRESH_S = 60.0
RETRY_S = 5.0
TIMEOUT_S = 2.0
FIRST_LIST_S = 1.0
LONGEST_S = 60.0
"""What a provider has for its whole list, which may come in pages."""
MAX_MODELS = 2000
MODEL_BYTES = 512
"""To look one through for keys takes as long as to read so much of a text."""
MAX_NAME = 256


class Catalog:
    """What each provider offers: asked in parallel, with a short timeout, the last good list kept.

    A provider that does not answer delays nobody beyond the timeout: it keeps its old list, and
    the answer, when it comes after all, is the new one. `tell` is called with each list that comes,
    `ask` gets one; what `mask` would mask is no name of a model. Long lists are read in `thread`.
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        tell: Callable[[str, Sequence[Model]], None] = lambda _provider, _models: None,
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[Adapter], Awaitable[Sequence[Model]]] = lambda adapter: adapter.models(),
        mask: Mask = str,
        thread: Aside | None = None,
    ) -> None:
        self._adapters = adapters
        self._list = ask
        self._mask = mask
        self._thread = thread
        self._tell = tell
        self._clock = clock
        # Each look at pydantic's settings takes a quarter of a microsecond.
        self._own = {name: adapter.settings.model for name, adapter in adapters.items()}
        self._lists: dict[str, Sequence[Model]] = {}
        self._names = dict.fromkeys(adapters, frozenset[str]())  # of the models in the lists
        self._fresh_until = dict.fromkeys(adapters, NEVER)
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._slow: set[str] = set()

    def lists(self) -> Mapping[str, Sequence[Model]]:
        """The last good list of each provider that has ever given one."""
        return self._lists

    def is_configured(self, provider: str) -> bool:
        """Whether there is a provider of this name that can be asked."""
        adapter = self._adapters.get(provider)
        return adapter is not None and adapter.unconfigured is None

    def providers_of(self, model: str) -> list[str]:
        """The providers that list a model of this name, or are set to use it."""
        latest = f"{model}:latest"
        return [
            provider
            for provider, own in self._own.items()
            if own in (model, latest)
            or model in (listed := self._names[provider])
            or latest in listed
        ]

    async def know(self, model: str) -> None:
        """See to it that the lists are fresh enough to look `model` up.

        Only for a provider's very first list does the request wait, and not long; later ones come
        in the background.
        """
        if model in self._own.values():
            return
        asking = self._refresh()
        if not asking or model == ANY_MODEL:
            return
        first = {one for one in asking if self._fresh_until[one] == NEVER} - self._slow
        if first:
            await asyncio.wait([asking[provider] for provider in first], timeout=FIRST_LIST_S)
            self._slow |= first & self._asking.keys()

    async def windows(self, candidates: Sequence[Candidate]) -> Mapping[Candidate, int]:
        """How many tokens each takes, of those where that is known or a list now says it."""
        known = self._windows(candidates)
        if len(known) < len(candidates):
            await self.refreshed()
            known = self._windows(candidates)
        return known

    def _windows(self, candidates: Sequence[Candidate]) -> dict[Candidate, int]:
        found: dict[Candidate, int] = {}
        for one in candidates:
            rows = (row for row in self._lists.get(one.provider, ()) if row.id == one.model)
            listed = next(rows, None)
            own = self._adapters[one.provider].capabilities(one.model).context
            if size := (listed and listed.context) or own:
                found[one] = size
        return found

    async def refreshed(self) -> Mapping[str, Sequence[Model]]:
        """The lists, asked for again where they are not fresh."""
        if asking := self._refresh():
            await asyncio.wait(asking.values(), timeout=TIMEOUT_S)
        return self._lists

    async def relist(self, provider: str) -> None:
        """See to it that the list of one provider is fresh, if that can be had in time."""
        if task := self._refresh([provider]).get(provider):
            await asyncio.wait([task], timeout=TIMEOUT_S)

    async def warm(self) -> None:
        """Have each list once. Nothing is asked of a local provider that is not there."""
        ready = [name for name in self._adapters if self.is_configured(name)]
        await asyncio.gather(*map(self._warm, ready))

    async def _warm(self, provider: str) -> None:
        ASIDE.set(self._thread)
        adapter = self._adapters[provider]
        if adapter.last_resort or (adapter.local and not (await adapter.is_available()).reachable):
            return
        await self.relist(provider)

    async def prepare(self) -> None:
        """Have made, one after the other, what the requests of providers do not wait for.

        It takes processes of their own, so it is for a moment when nobody is asking; `warm` has
        told by then which local providers are there.
        """
        for provider, adapter in self._adapters.items():
            is_there = not adapter.local or provider in self._lists
            if not (is_there and self.is_configured(provider) and isinstance(adapter, Prepares)):
                continue
            try:
                await adapter.prepare()
            except Exception as error:  # requests do without
                log.warning("%s could not be prepared: %s", provider, type(error).__name__)

    async def close(self) -> None:
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _refresh(self, only: Iterable[str] | None = None) -> Mapping[str, asyncio.Task[None]]:
        """Ask whoever has no fresh list and is not being asked; everyone who is, by provider."""
        now = self._clock()
        for provider in self._adapters if only is None else only:
            if provider in self._asking or self._fresh_until[provider] > now:
                continue
            if self._adapters[provider].unconfigured is None:
                self._asking[provider] = asyncio.create_task(self._ask(provider))
        return self._asking

    async def _ask(self, provider: str) -> None:
        fresh_s = RETRY_S
        ASIDE.set(self._thread)
        try:
            async with asyncio.timeout(LONGEST_S):
                listed = await self._list(self._adapters[provider])
            models = await aside(len(listed) * MODEL_BYTES, self._kept, listed)
            self._lists[provider] = models
            self._names[provider] = frozenset(model.id for model in models)
            self._tell(provider, models)
            fresh_s = FRESH_S
        except AdapterError as error:
            log.debug("no list of models from %s: %s", provider, error.gist)
        except TimeoutError:
            log.debug("no list of models from %s in time", provider)
        except Exception:
            log.exception("no list of models from %s", provider)
        finally:
            self._fresh_until[provider] = self._clock() + fresh_s
            del self._asking[provider]

    def _kept(self, models: Sequence[Model]) -> Sequence[Model]:
        """The models of a list that anybody could ask for, and be told of."""
        named = (model for model in models if 0 < len(model.id) <= MAX_NAME)
        told = (model for model in named if self._mask(words := _words(model)) == words)
        return list(islice(told, MAX_MODELS))


def _words(model: Model) -> str:
    """All that a provider says in words of a model."""
    return f"{model.id} {model.owned_by}"
