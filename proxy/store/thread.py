"""The one thread that uses the database, in no request's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from proxy.store.base import NewerSchemaError, StoreError, Tables
from proxy.store.database import Database

T = TypeVar("T")


class StoreThread:
    """`problem` says what is wrong with the database now, or is None; all raise StoreError.

    Before `may_answer` is set, NewerSchemaError comes through: the server may refuse to start.
    """

    def __init__(self, url: str) -> None:
        self.problem: str | None = None
        self.may_answer = asyncio.Event()
        self._database = Database(url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def read(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of the tables, in the store's thread."""
        return await self.do(lambda database: database.read(work))

    async def write(self, work: Callable[[Tables], T], *, durable: bool = True) -> T:
        """The same in one transaction; if `durable`, it is on disk when this returns."""
        return await self.do(lambda database: database.write(work, durable=durable))

    async def query(self, work: Callable[[Tables], T]) -> T:
        """What `work` makes of what it reads; a failure is nobody else's problem."""
        return await self.quietly(lambda database: database.read(work))

    async def do(self, work: Callable[[Database], T]) -> T:
        try:
            return await self.quietly(work)
        except StoreError as error:
            self.problem = str(error)
            raise

    async def quietly(self, work: Callable[[Database], T]) -> T:
        """The same without a word of it in `problem`."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work, self._database)
        except NewerSchemaError as error:
            if not self.may_answer.is_set():
                raise
            raise StoreError(str(error)) from error  # too late to refuse to start

    def end(self) -> None:
        """Close the database, and wait for it."""
        self._thread.submit(self._database.close)
        self._thread.shutdown(wait=True)
