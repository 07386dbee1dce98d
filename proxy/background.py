"""Work that goes on beside the requests. Where it fails that is logged and shown, never silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger("pointsman.background")

QUIET_S = 2.0
LONGEST_BUSY = 30
"""After so many times `QUIET_S` it is no longer waited for a quiet moment."""

T = TypeVar("T")


class Background:
    """The tasks of one server; `problems` names those that failed, for people to read."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.problems: list[str] = []

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Run `work` until it ends by itself, or with the server."""
        task = asyncio.create_task(work(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def start_once(self, name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """The same, unless what has this name is still at work: it sees to what has come since."""
        if all(task.done() for task in self._tasks if task.get_name() == name):
            self.start(name, work)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        name = task.get_name()
        log.error("%s failed inside the proxy", name, exc_info=error)
        problem = f"{name} failed inside the proxy; its log has the details"
        if problem not in self.problems:
            self.problems.append(problem)


async def quiet(
    asked: Callable[[], int], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Return when nobody has asked for a while, by how many have, or that takes too long."""
    for _ in range(LONGEST_BUSY):
        before = asked()
        await sleep(QUIET_S)
        if before == asked():
            return
