"""What an owner may do with a running server: look, choose, test, explain. The page's one door."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from adapters.base import Adapter, Json
from adapters.wire.aside import ASIDE, Aside, aside, weight_of
from proxy.console.change import app_row_id, check_provider, choose, preference_object
from proxy.console.explain import explain, learn
from proxy.console.status import Sources
from proxy.console.unsaved import saving
from proxy.console.verdict import verdict_of
from proxy.console.watch import Watch, server_sent
from proxy.doors.reading.body import parse_json
from proxy.errors import bad_request
from proxy.gate.body import ClientLeft, read_body
from proxy.gate.room import Admission, Place
from proxy.routing.planning.preference import Preference
from proxy.store.base import Tables
from proxy.store.kept.preferences import DEFAULT, Preferences, StoredPreference, remove
from proxy.store.usage.arms import save_verdict

MAX_EXPLAINED_BYTES = 8 * 1024 * 1024


class Console:
    """Each method answers with what goes out as JSON; all raise ApiError and nothing else."""

    def __init__(
        self,
        sources: Sources,
        watch: Watch,
        try_again: Callable[[str], None],
        chosen: Callable[[str, Preference], None],
        read: Callable[[str, bytes | bytearray], Any],
        thread: Aside,
        admission: Admission,
    ) -> None:
        """`chosen` is told of who will be asked now; `read` tells what a body asks at a door.

        What is explained takes room of `admission`; what is large goes to the `thread`.
        """
        self._thread = thread
        self._sources = sources
        self._read = read
        self._watch = watch
        self._try_again = try_again
        self._chosen = chosen
        self._admission = admission

    def status(self) -> bytes:
        """The facts of `proxy/console/status.py` as JSON, at once."""
        return self._watch.now()

    def events(self) -> AsyncGenerator[bytes, None]:
        """The same as server-sent events: now, and after each change."""
        return server_sent(self._watch.feed())

    async def preference(self, app: str | None) -> Json:
        """What the user has chosen, or what holds for an app."""
        await self._sources.storage.preference(None)
        row_id = app_row_id(app)
        row = self._preferences.row(row_id)
        holds = self._preferences.get(None if row_id == DEFAULT else row_id)
        return preference_object(row, holds, self._sources.presets.current)

    async def change(self, app: str | None, body: bytes) -> Json:
        """Store a change; it holds for the next request when this returns."""
        row_id = app_row_id(app)
        change = parse_json(body)
        await self._write(partial(choose, row_id=row_id, change=change, providers=self._adapters))
        row = self._preferences.row(row_id)
        if change.keys() & {"default_llm_provider", "split", "models"} and row.provider:
            holds = self._preferences.get(None if row_id == DEFAULT else row_id)
            for provider in row.split or (row.provider,):
                self._chosen(provider, holds)
        return await self.preference(app)

    async def forget(self, app: str | None) -> Json:
        row_id = app_row_id(app)
        if row_id == DEFAULT:
            raise bad_request("Name the app whose choice is to be removed: ?app=…", param="app")
        await self._write(partial(remove, row_id=row_id))
        return await self.preference(app)

    async def _write(self, work: Callable[[Tables], Sequence[StoredPreference]]) -> None:
        """Save a change, and only then let it take effect."""
        with saving("The choice"):
            rows = await self._sources.storage.write(work)
        self._preferences.replace(rows)

    async def test(self, body: bytes) -> Json:
        """Ask a provider now whether it answers; nothing but its id is taken."""
        asked = parse_json(body)
        provider = check_provider(asked.get("provider"), self._adapters, "provider")
        adapter = self._adapters[provider]
        if adapter.unconfigured:
            return {"provider": provider, "ok": False, "detail": adapter.unconfigured}
        answer = await self._watch.reach.ask(provider)
        return {"provider": provider, "ok": answer.reachable, "detail": answer.detail}

    async def again(self, body: bytes) -> Json:
        """Let a provider be asked again that has refused its key, its account or a model."""
        asked = parse_json(body)
        provider = check_provider(asked.get("provider"), self._adapters, "provider")
        self._try_again(provider)
        return {"provider": provider, "ok": True}

    async def judge(self, body: bytes) -> Json:
        """Keep which of several answers to the same prompt was the best, without a word of them."""
        verdict = verdict_of(parse_json(body), self._adapters)
        with saving("The choice"):
            await self._sources.storage.write(partial(save_verdict, verdict=verdict))
        return {"ok": True, "better": next((str(c) for c, won in verdict if won), None)}

    async def explain(
        self, app: str | None, door: str, state: Mapping[str, Any], receive: Receive
    ) -> Json:
        """What a request at a door would become at each provider, and where it would go now.

        It is read as any is, and takes the room that it would take if it were asked.
        """
        place = Place(self._admission, state["client"])
        try:
            body = await read_body(state["headers"], receive, place, most=MAX_EXPLAINED_BYTES)
            return await self._explained(app, door, body)
        except ClientLeft:
            raise ClientDisconnect from None
        finally:
            place.leave()

    async def _explained(self, app: str | None, door: str, body: bytes | bytearray) -> Json:
        ASIDE.set(self._thread)
        request = await aside(weight_of(body), self._read, door, body)
        await self._sources.storage.preference(None)
        preference = self._preferences.get(app)
        await learn(request, self._sources, preference)
        health = self._sources.health.snapshot()
        return await aside(weight_of(body), explain, request, self._sources, preference, health)

    @property
    def _preferences(self) -> Preferences:
        return self._sources.preferences

    @property
    def _adapters(self) -> Mapping[str, Adapter]:
        return self._sources.adapters
