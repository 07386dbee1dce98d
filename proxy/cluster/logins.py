"""Sessions of the admin page that hold at every server, by a digest of what their cookies hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from proxy.cluster.bus import AwayError, Bus
from proxy.cluster.news import News


class SharedSessions:
    def __init__(self, bus: Bus, news: News) -> None:
        self._bus = bus
        self._news = news

    async def begin(self, session: str, key: str, for_s: float) -> None:
        """Let it hold everywhere, where Valkey answers."""
        with contextlib.suppress(AwayError):
            await self._bus.keep(f"session:{session}", key.encode(), for_s)

    async def find(self, session: str) -> tuple[str, float] | None:
        """By which key it was begun, and for how long it still holds; None if nothing says so."""
        with contextlib.suppress(AwayError):
            if found := await self._bus.kept(f"session:{session}"):
                return found[0].decode(), found[1]
        return None

    def when_ended(self, forget: Callable[[str], None]) -> None:
        """Call `forget` with each that somebody ends elsewhere."""
        self._news.ended = forget

    async def end(self, session: str) -> None:
        self._news.log_out(session)
        with contextlib.suppress(AwayError):
            await self._bus.forget(f"session:{session}")
