"""Routers that are closed at the end, with no call of theirs left open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.proxy.kit import adapter
from tests.proxy.routing.kit import Build, Station


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    stations: list[Station] = []

    def make(*names: str, **fields: Any) -> Station:
        names = names or ("north", "south")
        stations.append(Station({name: adapter(name) for name in names}, **fields))
        return stations[-1]

    yield make
    for station in stations:
        await station.router.close()
        assert station.is_quiet
