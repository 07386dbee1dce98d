"""What the tests of the store share: a database that is open, and storage over it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.memory import LruMemory
from proxy.background import Background
from proxy.limits.health import DayQuota, Health
from proxy.limits.retired import Retired
from proxy.parts import Parts
from proxy.routing.planning.keys import Keys
from proxy.routing.planning.preference import Preference
from proxy.store.database import Database
from proxy.store.kept import preferences
from proxy.store.kept.preferences import Preferences, StoredPreference
from proxy.store.kept.setbacks import Setbacks
from proxy.store.keys import team_keys
from proxy.store.keys.team_keys import TeamKey, TeamKeys
from proxy.store.storage import Storage
from proxy.store.usage.prices import PriceList

PATIENCE_S = 15.0
SETTINGS = Preference(provider="near", chosen=False, fallback=("near", "far"))
PROVIDERS = ("near", "far")
FULL_ROW = StoredPreference(
    "notes",
    provider="far",
    models={"far": "big", "near": "tiny"},
    aliases={"fast": {"near": "tiny", "far": "small"}, "schnell ⚡": {}},
    fallback=("far", "near"),
    rate_preset="careful",
    local_only=True,
    split={"far": 80, "near": 20},
)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database that is open."""
    database = Database(url)
    try:
        database.open()
        yield database
    finally:
        database.close()


@dataclass
class Kept:
    """One process's memory, and the storage that keeps it."""

    storage: Storage
    preferences: Preferences
    signatures: LruMemory
    health: Health
    team: TeamKeys

    @property
    def provider(self) -> str | None:
        return self.preferences.get(None).provider

    async def switch(self, provider: str) -> None:
        await self.choose(StoredPreference(provider=provider))

    async def choose(self, row: StoredPreference) -> None:
        await chosen(self, row)

    async def make(self, key: TeamKey) -> None:
        await made(self, key)

    def spend_the_day(self, provider: str, model: str | None) -> None:
        """As if the provider had said that a day's quota is used up."""
        self.health.restore([DayQuota(provider, model, time.time() + 3600)])

    @property
    def spent(self) -> set[tuple[str, str | None]]:
        """Whose day's quota is used up."""
        return {(quota.provider, quota.model) for quota in self.health.day_quotas()}


def kept(url: str) -> Kept:
    """Storage that is not open yet."""
    choices, memory = Preferences(SETTINGS, PROVIDERS), LruMemory()
    health = Health({}, clock=time.monotonic, wall=time.time)
    team = TeamKeys()
    against = Setbacks(health, Retired({}, wall=time.time), Keys({}))
    storage = Storage(url, choices, memory, against, PriceList(), Background(), team)
    return Kept(storage, choices, memory, health, team)


@contextlib.asynccontextmanager
async def running(url: str) -> AsyncIterator[Kept]:
    """Storage at work, as in a server's process."""
    async with open_(one := kept(url)):
        yield one


@contextlib.asynccontextmanager
async def open_(one: Kept) -> AsyncIterator[None]:
    """The same that was made before."""
    await one.storage.open()
    try:
        yield
    finally:
        await one.storage.close()


async def until(holds: Callable[[], object]) -> None:
    """Waits until something holds; what does not come fails the test."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - done by other threads and processes
            await asyncio.sleep(0.01)


async def chosen(by: Kept | Parts, row: StoredPreference) -> None:
    """Save a row, and let it take effect."""
    by.preferences.replace(await by.storage.write(partial(preferences.save, row=row)))


async def made(by: Kept | Parts, key: TeamKey) -> None:
    """Save a key, a new one or a changed one, and let it take effect."""
    by.team.replace(await by.storage.write(partial(team_keys.save, key=key)))


def version(database: Database) -> object:
    """What differs once somebody has changed preferences or keys; None where there is no file."""
    found = database.changed(object())
    assert found is not None
    return found[0]


def usage_count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("SELECT COUNT(*) FROM requests").fetchone()[0]
        return count


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
