"""A thread for what would hold up everybody else: reading and translating what is large."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 256 * 1024
"""What is smaller takes less time than two threads take to wait for one another."""


class Aside:
    """One thread, so that never more than one keeps the loop waiting for the interpreter."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large")  # begun when it is needed

    async def do(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What `work` gives, which nobody else may change meanwhile."""
        here = copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: here.run(work, *given, **named))

    async def close(self) -> None:
        """Take no more; what is at work ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


ASIDE: ContextVar[Aside | None] = ContextVar("aside", default=None)
"""Where the task that answers a request may do such work; without one it is done at once."""


async def aside(size: int, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What `work` gives; of so many bytes as are large, it is done in the thread."""
    thread = ASIDE.get() if size > LARGE_BYTES else None
    return work(*given, **named) if thread is None else await thread.do(work, *given, **named)
