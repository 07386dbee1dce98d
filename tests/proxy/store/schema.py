"""Writes schema.sql as SQLModel's tables are now: `uv run python -m tests.proxy.store.schema`."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from proxy.store.new_file import SCHEMA
from tests.proxy.store.kit import opened


def schema() -> str:
    """The statements that make a database as `proxy.store.database` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        with opened(f"sqlite:///{path}"):
            pass
        return dump(path)


def dump(path: Path) -> str:
    """The statements that make the database anew."""
    with closing(sqlite3.connect(path)) as connection:
        return re.sub(r" +\n", "\n", "\n".join(connection.iterdump()) + "\n")


if __name__ == "__main__":
    SCHEMA.write_text(schema(), "utf-8")
