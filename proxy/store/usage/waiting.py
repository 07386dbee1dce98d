"""Rows of the usage log that wait in files while the database server is away.

A file holds a line a row, and goes to the database in one transaction. Who is killed leaves its
files to whoever of this machine next has the database.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from proxy import private_files
from proxy.store.base import Columns

MAX_ROWS = 500
MAX_FILES = 400
"""So much is kept; what comes then finds no room."""
FRESH, TAKEN = ".rows", ".taken"
"""Who is about to write a file to the database renames it, so that nobody adds to it."""


class WaitingRows:
    """Files in a folder that is the user's alone. Several processes may use it; all raise OSError.

    `folder` is asked for when there is something to be kept.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._count = 0

    def put(self, rows: Sequence[Columns], *, alone: bool) -> bool:
        """Keep up to `MAX_ROWS` rows, `alone` in a file of their own; whether there was room."""
        text = b"".join(orjson.dumps(dict(row)) + b"\n" for row in rows)
        has_room = self._count + len(rows) <= MAX_ROWS and not alone
        if not (has_room and self._own and _added(self._own, text)):
            folder = self._folder()
            private_files.make_folder(folder)
            if len(list(folder.iterdir())) >= MAX_FILES:
                return False
            self._own, self._count = folder / f"{secrets.token_hex(8)}{FRESH}", 0
            os.close(private_files.create(self._own))
            _added(self._own, text)
        self._count += len(rows)
        if alone:
            self._own = None
        return True

    def write(self, put: Callable[[Sequence[Columns]], None]) -> None:
        """Have each file's rows `put` where they belong, then forget it."""
        try:
            paths = sorted(self._folder().iterdir())
        except OSError:  # nothing has ever been kept
            return
        for path in paths:
            if path.suffix in (FRESH, TAKEN):
                _write_one(path, put)


def _added(path: Path, text: bytes) -> bool:
    """Whether it could be added to a file, which nobody has taken."""
    with _held(path, os.O_WRONLY | os.O_APPEND) as file:
        if file is None or not path.exists():
            return False
        return os.write(file, text) == len(text)


def _write_one(path: Path, put: Callable[[Sequence[Columns]], None]) -> None:
    with _held(path, os.O_RDONLY) as file:
        if file is None:
            return
        taken = path.with_suffix(TAKEN)
        try:
            path.rename(taken)
        except FileNotFoundError:  # who took it has ended since
            return
        if rows := list(_rows(taken)):
            put(rows)
        taken.unlink()


def _rows(path: Path) -> Iterator[Any]:
    for line in path.read_bytes().splitlines():
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:  # it was being written when its writer was killed
            return


@contextmanager
def _held(path: Path, flags: int) -> Iterator[int | None]:
    """The open file, while nobody else holds it; None where another does, or it is gone."""
    try:
        file = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        yield None
        return
    try:
        yield file if _is_locked(file) and os.fstat(file).st_nlink else None
    finally:
        os.close(file)


def _is_locked(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, where several servers of one machine are none of ours
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
