"""A new SQLite database, made with nothing but the standard library.

`schema.sql` is what `database.py` would make; the tests hold the two together, and write the file
anew (`uv run python -m tests.proxy.store.schema`). What cannot be made here is left to it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from proxy import private
from proxy.store.snapshot import BROKEN, SnapshotError

SCHEMA = Path(__file__).with_name("schema.sql")


def prepare_folder(path: Path) -> None:
    """Make the file's folder, and an empty file unless there is one. Raises OSError."""
    private.make_folder(path.parent)
    private.check_folder(path.parent)
    if not private.check_file(path):
        # Made here and not by SQLite, so that it is nobody else's to read from the first byte on.
        with suppress(FileExistsError):  # another process was quicker
            os.close(private.create(path))


def create_database(path: Path) -> None:
    """Make a file of the schema `HEAD`, without rows.

    Raises SnapshotError where that fails, or where another process does the same at this moment.
    """
    try:
        prepare_folder(path)
        with closing(sqlite3.connect(path, timeout=0.25, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA.read_text("utf-8"))
    except BROKEN as error:
        raise SnapshotError(str(error)) from error
