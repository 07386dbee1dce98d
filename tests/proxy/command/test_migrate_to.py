"""`migrate-to`: all that one database holds is in the other one afterwards, or nothing is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from proxy.store import carry
from proxy.store.base import StoreError
from proxy.store.carry import carry_over
from proxy.store.database import Database
from proxy.store.engines.tables import TABLES
from proxy.store.kept import preferences, signatures
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.command.terminal_kit import clean, one_line, run
from tests.proxy.store.kit import FULL_ROW, opened
from tests.proxy.store.postgres_kit import Cluster
from tests.proxy.store.usage.test_rows import row as usage_row

NAMES = [table.name for table in TABLES.sorted_tables]


def fill(url: str, rows: int) -> None:
    with opened(url) as database:
        database.write(partial(preferences.save, row=FULL_ROW))
        database.write(partial(preferences.save, row=StoredPreference("default", provider="near")))
        database.write(partial(signatures.save, fresh={"call_1": "signature"}))
        database.append([usage_row(request_id=f"req-{n}").columns() for n in range(rows)])


def held(database: Database, table: str) -> list[dict[str, object]]:
    keys = ", ".join(column.name for column in TABLES.tables[table].primary_key)
    return database.read(lambda tables: tables.find(table, f"ORDER BY {keys}"))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    clean(monkeypatch, tmp_path)
    url = f"sqlite:///{tmp_path}/store.db"
    fill(url, 7)
    return url


def test_everything_is_carried_over(
    source: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry, "PAGE", 3)
    target = cluster.url(cluster.new_database())
    result = run("migrate-to", target)
    assert result.exit_code == 0, result.output
    assert "2 user_preferences" in result.stdout and "7 requests" in result.stdout
    assert cluster.folder.name not in result.stdout
    with opened(source) as before, opened(target) as after:
        for name in NAMES:
            assert held(after, name) == held(before, name)
    assert "holds something already" in one_line(run("migrate-to", target), 1)


def test_what_is_written_meanwhile_keeps_all_of_it_back(source: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path}/other.db"
    with opened(source) as before, opened(target) as after:
        count = carry._count

        def counted(tables: object, name: str) -> int:
            return count(tables, name) + (name == "requests" and tables is not into[0])  # type: ignore[arg-type]

        into: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                carry, "_carry", lambda one, tables: into.append(tables) or _carry(one, tables)
            )
            patch.setattr(carry, "_count", counted)
            with pytest.raises(StoreError, match="7 of 8 rows of requests"):
                carry_over(before, after)
        assert held(after, "requests") == []


_carry = carry._carry


def test_a_database_does_not_move_into_itself(source: str) -> None:
    assert "in use" in one_line(run("migrate-to", source), 2)
