"""What is wrong with a database is told in words that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from proxy.store.base import StoreError
from proxy.store.engines.mishaps import told

WORDS = {
    "SQLITE_FULL": "the disk with the database .* is full",
    "SQLITE_IOERR_SHMSIZE": "its disk is full, or damaged",
    "SQLITE_IOERR_WRITE": "its disk is full, or damaged",
    "SQLITE_READONLY_DBMOVED": "is read-only",
    "SQLITE_CANTOPEN": "who may read and write it",
    "SQLITE_BUSY_SNAPSHOT": "locked by another program",
}


@pytest.mark.parametrize("name", WORDS)
def test_an_error_of_sqlite_is_told_with_its_cure(name: str) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    with pytest.raises(StoreError, match=WORDS[name]), told(Path("/x/store.db")):
        raise error


def test_so_is_an_error_of_the_system() -> None:
    for number, words in ((errno.EIO, "damaged"), (errno.ENOSPC, "is full")):
        with pytest.raises(StoreError, match=words), told(Path("/x/store.db")):
            raise OSError(number, "as the system says")
