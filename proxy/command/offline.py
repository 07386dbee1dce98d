"""What a server would know at its start, for commands that need none: nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from proxy.app import create_app, in_order
from proxy.parts import Parts
from proxy.settings import Settings
from proxy.store.base import NewerSchemaError, StoreError
from proxy.store.database import Database
from proxy.store.kept import preferences, setbacks


@asynccontextmanager
async def offline(settings: Settings) -> AsyncIterator[Parts]:
    """The parts of a server that listens nowhere; `storage.problem` says what was unreadable."""
    parts: Parts = create_app(settings).state.parts
    async with in_order(parts):
        try:
            _load(settings.store_url, parts)
        except (StoreError, NewerSchemaError) as error:
            parts.storage.problem = str(error)
        yield parts


def _load(url: str, parts: Parts) -> None:
    # Read as it is: whoever only looks should neither migrate a file nor move a broken one aside.
    with closing(Database(url, looks_only=True)) as database:
        parts.preferences.replace(database.read(preferences.stored))
        parts.setbacks.restore(database.read(setbacks.saved))
