"""A thread for what would hold up everybody else: reading and translating what is large."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

from adapters.errors import ErrorKind, unsent
from adapters.wire.json_size import read_bytes
from adapters.wire.pieces import loads
from adapters.wire.writing import IN_PIECES

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 128 * 1024
"""What is smaller takes less time than two threads take to wait for one another."""

SWITCH_S = 0.0005
"""For so long each turn of the loop may wait for the thread, while something is done in it."""
USUAL_SWITCH_S = 0.005
"""Python's own: the other threads have little to do, and each change between two costs CPU."""

FEW_STEPS = 150
"""In working out schemas: about 3 ms, for which nobody need wait in a thread's line."""
MANY_STEPS = 50_000
"""For all the schemas in one request: a few bytes of references and alternatives make thousands."""


class NotHereError(Exception):
    """What is worked on turns out to be large."""


class Steps(threading.local):
    """What the work in this thread has taken, and the most that it may take."""

    taken = 0
    most: float = math.inf

    def take(self, many: int = 1) -> None:
        """Count steps before they are done. Raises NotHereError on the loop, else AdapterError."""
        self.taken += many
        if self.taken <= self.most:
            return
        if self.most == FEW_STEPS:
            raise NotHereError
        raise unsent(
            "",
            ErrorKind.BAD_REQUEST,
            "the schemas are too large once their references and alternatives are worked out",
            param="tools",
        )


class Aside:
    """One thread, so that never more than one keeps the loop waiting for the interpreter."""

    def __init__(self) -> None:
        self.steps = Steps()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large")  # begun when it is needed

    async def do(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What `work` gives, which nobody else may change meanwhile."""
        here = copy_context()
        loop = asyncio.get_running_loop()

        def bounded() -> T:
            self.steps.taken, self.steps.most = 0, MANY_STEPS
            here.run(IN_PIECES.set, True)
            sys.setswitchinterval(SWITCH_S)
            try:
                return here.run(work, *given, **named)
            finally:
                sys.setswitchinterval(USUAL_SWITCH_S)

        return await loop.run_in_executor(self._pool, bounded)

    async def close(self) -> None:
        """Take no more; what is at work ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


ASIDE: ContextVar[Aside | None] = ContextVar("aside", default=None)
"""Where the task that answers a request may do such work; without one it is done at once."""

WEIGHT: ContextVar[int] = ContextVar("weight", default=0)
"""What the request that is being answered costs to read, in bytes of plain text."""


def weight_of(text: bytes | bytearray) -> int:
    """What it costs to read, in bytes of plain text: many small values are slow as well."""
    return len(text) if len(text) > LARGE_BYTES else read_bytes(text)


def steps() -> Steps:
    """Those of the request at work now; no limit where none is."""
    thread = ASIDE.get()
    return Steps() if thread is None else thread.steps


async def aside(size: int, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What `work` gives; of so many bytes as are large, it is done in the thread.

    So is, once more from its beginning, what turns out to take more than a few steps.
    """
    thread = ASIDE.get()
    if thread is None:
        return work(*given, **named)
    if size <= LARGE_BYTES:
        mine = thread.steps
        mine.taken, mine.most = 0, FEW_STEPS
        try:
            return work(*given, **named)
        except NotHereError:
            pass
        finally:
            mine.most = math.inf
    return await thread.do(work, *given, **named)


async def read_aside(content: bytes, read: Callable[[Any], T]) -> T:
    """What `read` makes of the value that a JSON text holds. Raises orjson.JSONDecodeError."""
    return await aside(len(content), lambda: read(loads(content)))
