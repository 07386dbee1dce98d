"""One of several servers: asks the others before a call, tells them what it meets, hears theirs.

Calls are counted together before they are made: one round trip, none where a provider has no limit.
What they teach is looked at ten times a second and told: nothing of it lies on a request's way.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.cluster.bus import AwayError, Bus
from proxy.cluster.call import LOOK_MS, Call, Full, Held
from proxy.cluster.logins import SharedSessions
from proxy.cluster.news import News
from proxy.limits.health import Health
from proxy.limits.ticket import Permit, Ticket
from proxy.store.kept.preferences import Preferences
from proxy.store.keys.lease import Lease

log = logging.getLogger("pointsman.cluster")

FIRST_ANSWER_S = 5.0
LOOK_S = LOOK_MS / 1000
AT_ONCE = 100
"""So many calls are corrected in one go: nobody else is answered meanwhile."""
MAX_UNTOLD = 4096
"""So many of the last calls that were let in without the others are told to them later."""
HERE_S = 1.0


class Replica:
    """`problem` says what is wrong now, or is None."""

    def __init__(
        self,
        bus: Bus,
        health: Health,
        news: News,
        preferences: Preferences,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.id = secrets.token_hex(4)
        self._bus = bus
        self.sharing = [health]
        self._news = news
        self._preferences = preferences
        self.sessions = SharedSessions(bus, news)
        self._clock = clock
        self._sleep = sleep
        self._numbers = itertools.count()
        self._held: list[Held] = []
        self._untold: deque[Held] = deque(maxlen=MAX_UNTOLD)
        self._full: dict[str, Full] = {}
        self._place = "0"
        self._servers = 1
        self._tried = asyncio.Event()
        self._one_tells = asyncio.Lock()
        self.problem: str | None = None
        bus.turned = self._turned

    def agreeing(self) -> tuple[bool, int]:
        """Whether Valkey is at hand, and how many servers there were last, this one among them."""
        return self._bus.is_up, self._servers

    async def agree(self, admit: Callable[[], Permit], lease: Lease | None = None) -> Permit:
        """The permit that `admit` gives and the others give as well, or what stands before it.

        They have to agree to the `lease`, too. Raises ApiError 429 where they do not.
        """
        permit = admit()
        while isinstance(permit, Ticket) and not await self._admits(permit, lease):
            permit = admit()
        return permit

    async def _admits(self, ticket: Ticket, lease: Lease | None) -> bool:
        """Whether all agree to the call that this is a permit for; if not it was given back.

        While Valkey is away this server's own count stands, held to its share of each limit.
        """
        if not self._tried.is_set():
            await self._first_answer(ticket)
        call = Call(f"{self.id}-{next(self._numbers)}", ticket, lease)
        if not call.asks:
            return True
        if not self._bus.is_up:
            self._untold += call.held
            return True
        try:
            answer = await self._bus.admit(*call.question())
        except AwayError:
            call.unheard()
            self._held += call.held  # should it have been heard it is given back
            return False  # a permit of its own share is what it needs now
        except BaseException:
            ticket.unused()
            self._held += call.held
            raise
        try:
            if not call.agreed(answer):
                return False
        finally:
            if full := call.full:
                self._full[full.key] = full.joined(self._full.get(full.key))
        self._held += call.held
        return True

    async def _first_answer(self, ticket: Ticket) -> None:
        """At the start it is waited for, not long: what the others have used is not known yet."""
        try:
            async with asyncio.timeout(FIRST_ANSWER_S):
                await self._tried.wait()
        except TimeoutError:
            self._tried.set()
        except BaseException:
            ticket.unused()
            raise

    async def spend(self, counter: str, amount: int, known: int) -> int | None:
        """What a counter of all servers comes to, `amount` added; None while Valkey is away."""
        try:
            return await self._bus.add(counter, amount, known)
        except AwayError:
            return None

    async def run(self) -> None:
        try:
            await self._bus.open()
        except ImportError:
            self.problem = "POINTSMAN_SHARED_URL needs `--extra cluster`: nothing is shared"
            self._tried.set()
            log.error("%s", self.problem)  # noqa: TRY400 - the words say it all
            return
        async with asyncio.TaskGroup() as tasks:
            for work in (self._hearing, self._telling, self._choosing, self._living):
                tasks.create_task(work())

    async def close(self) -> None:
        """Leave, so that the others' shares grow at once."""
        try:
            await self._settle(everything=True)
            await self._bus.gone(self.id)
        except AwayError:
            pass
        await self._bus.close()

    async def _living(self) -> None:
        """Say that it lives, count the others, and hold to the share of each while it is alone."""
        while True:
            was = self._bus.is_up
            if await self._bus.ping():
                await self._quietly(self._count)
            if self._bus.is_up and not was:
                self._news.join()
                log.info(
                    "Valkey answers: limits are kept by all servers together (now %d)",
                    self._servers,
                )
            if not self._tried.is_set():
                self._turned()
                self._tried.set()
            await self._sleep(HERE_S if self._bus.is_up else HERE_S / 4)

    async def _count(self) -> None:
        self._servers = max(1, await self._bus.here(self.id))

    def _turned(self) -> None:
        """Valkey has come or gone: from this moment on the limits are those of all, or a share."""
        if self._bus.is_up:
            self.problem = None
            self._share(1)
            return
        self._share(self._servers)
        self.problem = f"Valkey does not answer: 1/{self._servers} of each limit is used here"
        if self._servers == 1:
            self.problem = "Valkey does not answer: limits are kept by this server alone"
        log.warning(self.problem)

    def _share(self, servers: int) -> None:
        for health in self.sharing:
            health.share(servers)

    async def _choosing(self) -> None:
        """Tell at once that the owner has chosen; the database has the truth, the news hurries."""
        with self._preferences.watch() as changed:
            while True:
                await changed.wait()
                changed.clear()
                self._news.choose()
                await self._quietly(self._tell)

    async def _hearing(self) -> None:
        """Take over what others say, from the first that is kept, and from where it broke off."""
        while True:
            if self._bus.is_up:
                now_ms = await self._quietly(self._bus.now_ms)
                async for place, news in self._bus.news(self._place):
                    self._place = place
                    age_s = max(0, (now_ms or 0) - int(place.partition("-")[0])) / 1000
                    if not isinstance(news, dict) or news.get("by") == self.id:
                        continue
                    if news.get("of") == "joined":
                        await self._quietly(self._count)
                    self._news.heard(news, age_s)
            await self._sleep(HERE_S / 4)

    async def _telling(self) -> None:
        """Tell what is new here, and correct what calls were counted as."""
        while True:
            await self._sleep(LOOK_S)
            if self._bus.is_up:
                await self._quietly(self._count_up)
                await self._quietly(self._tell)
                await self._quietly(self._settle)
                await self._quietly(self._lessen)

    async def _tell(self) -> None:
        async with self._one_tells:
            for news in self._news.fresh():
                await self._bus.tell({"by": self.id, **news})

    async def _settle(self, *, everything: bool = False) -> None:
        for held in self._held:
            if held.probe and held.ticket.tries() != held.probe:
                await self._bus.release(f"probe:{held.probe}", held.id)
                held.probe = None
        over = [one for one in self._held if everything or one.is_over]
        corrections = [found for one in over for found in one.corrections()]
        for at in range(0, len(corrections), AT_ONCE):
            await self._bus.settle(corrections[at : at + AT_ONCE])
        settled = {id(one) for one in over}
        self._held = [one for one in self._held if id(one) not in settled]

    async def _count_up(self) -> None:
        """Have all count what was let in here while Valkey was away."""
        while some := list(itertools.islice(self._untold, AT_ONCE)):
            now = self._clock()
            await self._bus.count([taken for one in some for taken in one.taken(now)])
            for _ in some:
                self._held.append(self._untold.popleft())

    async def _lessen(self) -> None:
        """What others have given back of a limit that was full is free here, too."""
        full = list(self._full.values())
        if full:
            used = await self._bus.used([one.key for one in full])
            for one, amount in zip(full, used, strict=True):
                one.looks -= 1
                one.window.lessen(one.others, amount)
                if one.looks <= 0 and self._full.get(one.key) is one:
                    del self._full[one.key]

    async def _quietly(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await work()
        except AwayError:
            return None
