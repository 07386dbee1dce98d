"""A request that comes back to who has sent it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters import REGISTRY
from proxy.app import create_app
from proxy.settings import Settings
from tests.proxy.doors.serving.kit import LONG_S, PATH, Station
from tests.proxy.serving import Host

HOP = "x-pointsman-hop"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": False}


def own_id(station: Station) -> str:
    assert station.host.app is not None
    hop: str = station.host.app.state.parts.upstream.hop
    return hop


def test_what_has_been_here_before_goes_round(station: Station) -> None:
    mine, others = own_id(station), [f"{n:016x}" for n in range(6)]
    for ids in ([mine], [*others[:2], mine], others):
        for path in ("/api/chat", PATH):
            answer = station.client.post(path, json=CHAT, headers={HOP: ", ".join(ids)})
            assert answer.status_code == 508
        assert "loop detected" in answer.text and "_BASE_URL" in answer.text
    lines = [(HOP, others[0]), (HOP, mine)]
    assert station.client.post("/api/chat", json=CHAT, headers=lines).status_code == 508
    assert station.north.requests == []


def test_one_of_us_may_stand_before_another(station: Station) -> None:
    assert station.client.post(PATH, json=CHAT, headers={HOP: f"{7:016x}"}).status_code == 200
    for wrong in ("x", f"{7:016x};a: b", f"{7:016x},"):
        assert station.client.post(PATH, json=CHAT, headers={HOP: wrong}).status_code == 400


@pytest.fixture
def looped(tmp_path: Path) -> Any:
    """A server whose one provider is itself."""
    with Host().running() as host:
        settings: Any = {name: kind.Settings() for name, kind in REGISTRY.items()}
        settings["ollama"] = REGISTRY["ollama"].Settings(base_url=host.base_url)
        store = f"sqlite:///{tmp_path}/store.db"
        app = create_app(Settings(providers=settings, database_url=store, max_wait_s=0))
        with host.serving(app), httpx.Client(base_url=host.base_url, timeout=LONG_S) as client:
            yield client


def test_nobody_asks_himself_for_ever(looped: httpx.Client) -> None:
    answer = looped.post("/api/chat", json={**CHAT, "model": "ollama/m"})
    assert answer.status_code in (502, 503) and "loop detected" in answer.json()["error"]
    names = [one["name"] for one in looped.get("/api/tags").json()["models"]]
    assert names[0] == "default"
    assert looped.get("/api/ps").json() == {"models": []}
    [own] = [
        one
        for one in looped.get("/admin/api/status?reach=1").json()["providers"]
        if one["id"] == "ollama"
    ]
    assert own["title"]
