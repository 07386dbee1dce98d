"""Writes schema.sql as SQLModel's tables are now: `uv run python -m tests.proxy.store.schema`."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from proxy.store.engines.migrate import migrate
from proxy.store.engines.tables import TABLES
from proxy.store.schema import SCHEMA


def schema() -> str:
    """The statements that make a database as SQLModel makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            migrate(connection, TABLES)
        engine.dispose()
        return dump(path)


def dump(path: Path) -> str:
    """The statements that make the database anew."""
    with closing(sqlite3.connect(path)) as connection:
        begin, *statements, commit = connection.iterdump()
        assert (begin, commit) == ("BEGIN TRANSACTION;", "COMMIT;")
        return re.sub(r" +\n", "\n", "\n".join(statements) + "\n")


if __name__ == "__main__":
    SCHEMA.write_text(schema(), "utf-8")
