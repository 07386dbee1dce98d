"""A SQLite file that holds something of each kind."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from proxy.store.kept import preferences, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.store.kit import opened
from tests.proxy.store.usage.test_rows import row as usage_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def file(path: Path) -> str:
    """The URL of a SQLite file that holds a choice, a signature, a cooldown and a usage row."""
    url = f"sqlite:///{path}"
    with opened(url) as database:
        database.write(partial(preferences.save, row=StoredPreference(provider="far")))
        database.write(partial(signatures.save, fresh={"call_1": "signature"}))
        database.append([usage_row().columns()])
    return url


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is put into the folder of who runs the tests."""
    folder = tmp_path / "own"
    monkeypatch.setattr("proxy.store.storage.own_folder", lambda: folder)
    return folder
