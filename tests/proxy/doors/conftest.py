"""A real server, and applications for it to serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.doors.exchange.kit import Build, Station
from tests.proxy.kit import adapter_class
from tests.proxy.serving import Host, app_over


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as running:
        yield running


@pytest.fixture
def build(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Build]:
    opened: list[Any] = []

    def make(**settings: Any) -> Station:
        north, south = adapter_class("north"), adapter_class("south")
        store = f"sqlite:///{tmp_path}/store.db"
        chosen = {"LLM_PROVIDER": "north", "database_url": store} | settings
        app = app_over(monkeypatch, north, south, **chosen)
        serving = host.serving(app)
        serving.__enter__()
        station = Station(host, north.script, south.script)
        opened.append((serving, station))
        return station

    yield make
    for serving, station in opened:
        station.client.close()
        station.sdk.close()
        serving.__exit__(None, None, None)
        assert (station.north.open_calls, station.south.open_calls) == (0, 0)


@pytest.fixture
def station(build: Build) -> Station:
    return build()
