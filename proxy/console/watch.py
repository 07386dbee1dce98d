"""The status for those who watch: providers asked now and then, one object made for all pages.

Nothing runs while nobody looks. However many pages are open, the work is done once, and a page that
reads slowly gets the newest state and not every one in between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Protocol

import orjson

from adapters.base import Adapter, Availability, Json
from proxy.background import Background
from proxy.console.status import Sources, status_of
from proxy.doors.models.catalog import Catalog
from proxy.store.kept.preferences import Preferences

log = logging.getLogger("pointsman.watch")

TICK_S = 0.35
LEAST_S = 0.15
HEARTBEAT_S = 15.0
ASK_LOCAL_S = 3.0
ASK_CLOUD_S = 30.0
ASK_TIMEOUT_S = 4.0


class Reached(Protocol):
    """Whether a provider answers; keys that it has refused are asked only `again`."""

    async def __call__(self, adapter: Adapter, *, again: bool) -> Availability: ...


class Reach:
    """Whether each provider answers, asked in the background and at most every few seconds."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        mask: Callable[[str], str],
        reached: Reached,
    ) -> None:
        self._adapters = adapters
        self._reached = reached
        self._mask = mask
        self._asking: dict[str, asyncio.Task[Availability]] = {}
        self._asked_at: dict[str, float] = {}
        self.known: dict[str, Availability] = {}

    def refresh(self) -> None:
        """Begin to ask those whose last answer is old; returns at once."""
        now = time.monotonic()
        for name, adapter in self._adapters.items():
            every_s = ASK_LOCAL_S if adapter.local else ASK_CLOUD_S
            if adapter.unconfigured or now - self._asked_at.get(name, -every_s) < every_s:
                continue
            self._begin(name, again=False)

    async def ask(self, name: str) -> Availability:
        """What `name` answers now, also by keys that it has refused before."""
        return await asyncio.shield(self._begin(name, again=True))

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _begin(self, name: str, *, again: bool) -> asyncio.Task[Availability]:
        if name not in self._asking or self._asking[name].done():
            self._asked_at[name] = time.monotonic()
            self._asking[name] = asyncio.create_task(self._ask(name, again=again))
        return self._asking[name]

    async def _ask(self, name: str, *, again: bool) -> Availability:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await self._reached(self._adapters[name], again=again)
        except TimeoutError:
            answer = Availability(False, "it does not answer in time")
        except Exception:
            log.exception("asking %s whether it answers failed inside the proxy", name)
            answer = Availability(False, "asking failed inside the proxy; its log has the details")
        answer = replace(answer, detail=self._mask(answer.detail))
        self.known[name] = answer
        return answer


class Watch:
    """The live feed. `facts` makes the status of what is known of the providers' reach."""

    def __init__(
        self,
        facts: Callable[[Mapping[str, Availability]], Json],
        reach: Reach,
        catalog: Catalog,
        preferences: Preferences,
        background: Background,
    ) -> None:
        self._facts = facts
        self.reach = reach
        self._catalog = catalog
        self._preferences = preferences
        self._background = background
        self._latest = b""
        self._watchers: set[asyncio.Event] = set()
        self._working: asyncio.Task[None] | None = None
        self._models: asyncio.Task[object] | None = None
        self._closed = False

    def now(self) -> bytes:
        """The status as JSON, at once; what is missing or old in it is asked for meanwhile."""
        self._refresh()
        return orjson.dumps(self._facts(self.reach.known))

    async def feed(self) -> AsyncGenerator[bytes | None, None]:
        """The status now and after each change; None when nothing changed for a while."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            self._latest = self.now()
            self._work()
            while not self._closed:
                changed.clear()
                yield self._latest
                while not self._closed and not await _is_set(changed, HEARTBEAT_S):
                    yield None
        finally:
            self._watchers.discard(changed)

    def stop(self) -> None:
        """End every feed: the server is about to stop, and pages would keep it from that."""
        self._closed = True
        self._wake()

    async def close(self) -> None:
        self.stop()
        tasks = [task for task in (self._working, self._models) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.reach.close()

    def _work(self) -> None:
        if self._working is None or self._working.done():
            self._working = self._background.start("the live status", self._follow)

    async def _follow(self) -> None:
        """While anybody watches: make the status, and wake them all if it is another one."""
        with self._preferences.watch() as chosen:
            while self._watchers and not self._closed:
                latest = self.now()
                if latest != self._latest:
                    self._latest = latest
                    self._wake()
                await asyncio.sleep(LEAST_S)
                await _is_set(chosen, TICK_S)
                chosen.clear()

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    def _refresh(self) -> None:
        if self._closed:
            return
        self.reach.refresh()
        if self._models is None or self._models.done():
            self._models = self._background.start("listing models", self._catalog.refreshed)


async def _is_set(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


async def server_sent(feed: AsyncGenerator[bytes | None, None]) -> AsyncGenerator[bytes, None]:
    """A feed as server-sent events; a comment is the heartbeat."""
    async with aclosing(feed) as states:
        async for state in states:
            yield b": still here\n\n" if state is None else b"event: status\ndata: %b\n\n" % state


def watch_of(
    sources: Sources,
    mask: Callable[[str], str],
    wall: Callable[[], float],
    reached: Reached,
) -> Watch:
    """The live feed over a server's parts; what providers say of themselves is masked."""
    facts = partial(status_of, sources, wall=wall)
    reach = Reach(sources.adapters, mask, reached)
    return Watch(facts, reach, sources.catalog, sources.preferences, sources.background)
