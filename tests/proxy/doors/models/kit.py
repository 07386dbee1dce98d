"""Two providers with lists, the catalog over them, and the doors that tell of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from adapters.base import Model
from proxy.doors import listing, speller_of
from proxy.doors.models.catalog import Catalog
from proxy.doors.models.offered import Offered
from proxy.doors.serving.endpoint import Endpoint, Service
from proxy.gate.guard import Guard
from proxy.gate.keys import Keys
from proxy.gate.life import Life
from tests.proxy.kit import ScriptedAdapter

BOTH = [Model("gemma", created=5, owned_by="G", context=8192), Model("qwen")]


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Station:
    """Two providers with lists, and the catalog over them."""

    adapters: Mapping[str, ScriptedAdapter]
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.adapters, clock=self.clock)

    def lists(self, name: str, listed: Any) -> None:
        self.adapters[name].script.listed = listed

    def calls(self) -> list[int]:
        return [one.script.list_calls for one in self.adapters.values()]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        nobody: Any = None
        service = Service(nobody, nobody, deadline_s=5, split_tags=False)
        routes = [
            Route(path, Endpoint(one.door, service), methods=one.methods)
            for one in listing(Offered(self.catalog, lambda: ("smart", "fast", "claude-*")))
            for path in one.paths
        ]
        guard = Guard(
            Starlette(routes=routes),
            hosts=(),
            origins=(),
            keys=Keys(),
            own_paths=(),
            form_ends=(),
            paths=[one.path_regex for one in routes],
            life=Life(),
            speller_of=speller_of,
            for_desktops=lambda _: False,
            hop="",
        )
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
