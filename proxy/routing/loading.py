"""Which models are being loaded into memory now: to wait for one is no failure of its provider."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from adapters.base import Adapter, AdapterError, ErrorKind, Loads
from proxy.background import Background
from proxy.candidate import Candidate
from proxy.routing.answers.receipt import Receipt

log = logging.getLogger("pointsman.router")

LATE_KINDS = frozenset({ErrorKind.TIMEOUT_FIRST_BYTE, ErrorKind.STALL})
LOOK_AFTER_S = 0.1
"""Who has begun to answer by then has loaded nothing, and is not asked."""
T = TypeVar("T")


class Loading:
    """`since` holds them with the Unix second from which on that is known."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        background: Background,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._adapters = adapters
        self._background = background
        self._wall = wall
        self._counts: dict[Candidate, int] = {}
        self.since: dict[Candidate, float] = {}

    def warm(self, candidate: Candidate) -> None:
        """Have a model loaded before anybody asks it, if it is one of those that are."""
        adapter = self._adapters[candidate.provider]
        if isinstance(adapter, Loads) and not adapter.unconfigured:
            self._background.start("loading a model", partial(self._load, adapter, candidate))

    async def _load(self, adapter: Loads, candidate: Candidate) -> None:
        if await adapter.is_loaded(candidate.model):
            return
        self._begin(candidate)
        try:
            await adapter.load(candidate.model)
        except AdapterError as error:
            log.info("[%s] is not loaded: %s", candidate.provider, error.gist)
        finally:
            self._end(candidate)

    async def seen(self, candidate: Candidate, opening: Awaitable[T], receipt: Receipt) -> T:
        """What `opening` gives; meanwhile its server is asked whether it is loading the model.

        Then who is late has not failed. To hang up would end the loading, so it is asked for anew.
        """
        candidate = candidate.by_any()
        adapter = self._adapters[candidate.provider]
        began_s = receipt.elapsed_s()
        looking = None
        if isinstance(adapter, Loads):
            looking = asyncio.create_task(self._look(adapter, candidate))
        try:
            found = await opening
        except AdapterError as met:
            if met.kind in LATE_KINDS and candidate in self.since:
                self.warm(candidate)
                raise met.but(kind=ErrorKind.LOADING) from None
            raise
        else:
            if candidate in self.since:
                receipt.loading_s = receipt.elapsed_s() - began_s
                receipt.warn(f"loaded={candidate.provider}")
            return found
        finally:
            if looking is not None and not looking.cancel() and looking.result():
                self._end(candidate)

    async def _look(self, adapter: Loads, candidate: Candidate) -> bool:
        await asyncio.sleep(LOOK_AFTER_S)
        if await adapter.is_loaded(candidate.model) is not False:
            return False
        self._begin(candidate)
        return True

    def _begin(self, candidate: Candidate) -> None:
        self._counts[candidate] = self._counts.get(candidate, 0) + 1
        self.since.setdefault(candidate, round(self._wall()))

    def _end(self, candidate: Candidate) -> None:
        self._counts[candidate] -= 1
        if not self._counts[candidate]:
            del self._counts[candidate], self.since[candidate]
