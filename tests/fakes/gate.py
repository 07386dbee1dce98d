"""Where a fake waits for its test."""

from __future__ import annotations

import asyncio
import threading


class Gate:
    """Where an answer waits until the test lets it go on; may be opened from any thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        self._opened.set()
        for loop, event in self._waiters:
            loop.call_soon_threadsafe(event.set)

    async def passed(self) -> None:
        event = asyncio.Event()
        self._waiters.append((asyncio.get_running_loop(), event))
        if not self._opened.is_set():
            await event.wait()
