"""Two providers with lists."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.base import Model
from tests.proxy.doors.models.kit import BOTH, Station
from tests.proxy.kit import adapter


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    made = Station({name: adapter(name) for name in ("north", "south")})
    made.lists("north", BOTH)
    made.lists("south", [Model("gemma"), Model("openai/gpt-oss:20b", owned_by="O")])
    yield made
    await made.catalog.close()
