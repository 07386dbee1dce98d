"""A real server, and applications for it to serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.proxy.doors.serving.kit import Build, Station
from tests.proxy.kit import adapter_class
from tests.proxy.serving import Host, app_over
from tests.security.kit import Fakes, Threaded, serving as served, settings_for


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as running:
        yield running


@pytest.fixture(scope="module")
def faked(session_fakes: Fakes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threaded]:
    """A server over the fakes of all providers."""
    with served(settings_for(session_fakes, tmp_path_factory.mktemp("server"))) as running:
        yield running


@pytest.fixture
def client(faked: Threaded, fakes: Fakes) -> Iterator[openai.OpenAI]:
    """OpenAI's own client of it; the fakes have heard nothing yet."""
    url = f"http://127.0.0.1:{faked.port}/v1"
    with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
        yield client


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
