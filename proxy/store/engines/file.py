"""The file of a SQLite database: made for its owner alone, checked, and moved aside if broken."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from proxy import private_files
from proxy.store.base import BUSY_TIMEOUT_MS

log = logging.getLogger("pointsman.store")

SIDE_FILES = ("-wal", "-shm")


def connection_to(path: Path, how: str) -> sqlite3.Connection:
    """A connection to the file; `how` is a parameter of SQLite's URLs.

    Who may write throws away what stands beside a broken file and is not in it yet, so that a file
    is looked at by one who may not (`mode=ro`) first.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,  # else Python commits before and after a change of tables
        check_same_thread=False,  # one thread uses it, another one may close it at the end
    )


def file_id(path: Path) -> int | None:
    """What distinguishes a file from another one that took its place; None without a file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def keep_private(path: Path) -> None:
    """Let nobody else read or write the file and those that SQLite puts beside it with its mode.

    Raises OSError where somebody else may have put them there.
    """
    private_files.check_folder(path.parent)
    for name in (path.name, *(path.name + suffix for suffix in SIDE_FILES)):
        private_files.keep_private(path.with_name(name))


def prepare(path: Path) -> None:
    """See to it that there is a file that SQLite can use; an empty one is. Raises OSError."""
    _make(path)
    if not path.is_file():
        raise IsADirectoryError(errno.EISDIR, "no file")
    keep_private(path)
    if (verdict := _verdict(path)) != "ok":
        _move_aside(path, verdict)
        _make(path)


def _make(path: Path) -> None:
    private_files.make_folder(path.parent)
    if not private_files.check_file(path):
        # Made here and not by SQLite, so that it is nobody else's to read from the first byte on.
        with suppress(FileExistsError):  # another process was quicker
            os.close(private_files.create(path))


def _verdict(path: Path) -> str:
    try:
        with closing(connection_to(path, "mode=ro")) as connection:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return "ok"  # locked or unreadable: not broken; opening it will tell
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return str(error)


def _move_aside(path: Path, verdict: str) -> None:
    """Its owner may want to look at it."""
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    log.error("the database is broken (%s): moved to %s, starting a new one", verdict, aside.name)
    path.rename(aside)
    for suffix in SIDE_FILES:
        rest = path.with_name(path.name + suffix)
        if rest.exists():
            rest.rename(aside.with_name(aside.name + suffix))
