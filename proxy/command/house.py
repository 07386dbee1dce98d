"""Whom a command asks: the server that is running, else the settings and the database alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.base import Json
from proxy.command.remote import Remote, running
from proxy.settings import Settings

if TYPE_CHECKING:
    from proxy.console.ledger import Ledger
    from proxy.console.team import Written
    from proxy.store.base import Tables

T = TypeVar("T")


@contextmanager
def house(settings: Settings) -> Iterator[Remote | Offline]:
    """The server at the configured address, or what one would say that started there now."""
    with running(settings) as server:
        yield server or Offline(settings)


class Offline:
    """The answers of the admin API without a server. Imports what it needs when it is asked.

    All raise ApiError, StoreError and NewerSchemaError.
    """

    is_running = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def facts(self) -> Json:
        """What a server would know; no provider is asked."""
        return asyncio.run(self._facts())

    status = facts

    def ask(self, method: str, path: str, body: Json | bytes | None = None, **query: str) -> Json:
        match method, path, body:
            case "POST", "/admin/api/explain", bytes():
                return asyncio.run(self._explained(body, query["door"]))
            case "PUT", "/api/user/preferences", dict():
                return self._choose(query.get("app"), body)
            case "GET", "/admin/api/usage", _:
                return asyncio.run(self._logged(lambda ledger: ledger.usage(query)))
            case "GET", "/admin/api/arms", _:
                return asyncio.run(self._logged(lambda ledger: ledger.arms(query)))
            case "GET", "/admin/api/keys", _:
                return self._keys()
            case _, "/admin/api/keys", _:
                return self._write_key(method, query.get("name"), body)
        raise ValueError(f"nobody answers {method} {path} without a server")

    async def _facts(self) -> Json:
        from proxy.command.offline import offline
        from proxy.console.status import status_of

        async with offline(self._settings) as parts:
            return status_of(parts, {})

    async def _explained(self, body: bytes, door: str) -> Json:
        from proxy.command.offline import offline
        from proxy.console.explain import explain, learn
        from proxy.doors import request_at

        request = request_at(door, body)
        async with offline(self._settings) as parts:
            preference = parts.preferences.get(None)
            await learn(request, parts, preference)
            return explain(request, parts, preference, parts.health.snapshot())

    def _choose(self, app: str | None, change: Json) -> Json:
        """Write a choice, which the next start finds."""
        from proxy.console.change import app_row_id, choose

        row_id, providers = app_row_id(app), self._settings.providers
        self._write(partial(choose, row_id=row_id, change=change, providers=providers))
        return {}

    async def _logged(self, ask: Callable[[Ledger], Awaitable[Json]]) -> Json:
        from proxy.console.ledger import Ledger
        from proxy.store.usage.rows import UsageQueue

        async def query(work: Callable[[Tables], Any]) -> Any:
            return self._read(work)

        return await ask(Ledger(query, UsageQueue(0)))

    def _keys(self) -> Json:
        from proxy.console.team import told
        from proxy.store.keys import team_keys

        return {"keys": [told(key) for key in reversed(self._read(team_keys.stored))]}

    def _write_key(self, method: str, name: str | None, asked: Any) -> Json:
        from proxy.console import team
        from proxy.store.keys.mark import Mark

        settings, now = self._settings, time.time()
        providers, taken = settings.providers, settings.client_keys
        works: dict[str, Callable[[Tables], Written]] = {
            "POST": partial(team.make, asked=asked, taken=taken, providers=providers, now=now),
            "PATCH": partial(team.change, name=name, asked=asked, providers=providers),
            "DELETE": partial(team.revoke, name=name, now=now),
        }
        _, told = self._write(works[method])
        Mark(settings.store_url).leave()
        return told

    def _read(self, work: Callable[[Tables], T]) -> T:
        from proxy.store.database import Database

        with closing(Database(self._settings.store_url, looks_only=True)) as database:
            return database.read(work)

    def _write(self, work: Callable[[Tables], T]) -> T:
        from proxy.store.database import Database

        with closing(Database(self._settings.store_url)) as database:
            return database.write(work)
