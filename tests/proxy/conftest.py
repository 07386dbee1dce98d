"""What the tests of the store take: SQLite, a PostgreSQL that is started for them, short ticks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy.store.postgres_kit import Cluster, binaries, cluster_running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; skipped where there is none, but never in CI."""
    programs = binaries()
    if programs is None:
        reason = "no PostgreSQL on this machine: apt-get install postgresql"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with cluster_running(programs) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'store.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(cluster.new_database())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of the server's takes no second here."""
    monkeypatch.setattr("proxy.store.storage.TICK_S", 0.02)
