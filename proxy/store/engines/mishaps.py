"""What is wrong with a database, in the user's words."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from proxy.private_files import NotPrivateError
from proxy.store.base import StoreError, named

SPARE_FILES = 16
_DAMAGED = (AttributeError, TypeError, ValueError)
_WRONG: tuple[type[Exception], ...] = (ImportError, OSError, sqlite3.Error, *_DAMAGED)


@contextmanager
def told(path: Path | None, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise a StoreError that says it; `path` is the SQLite file, if it is one.

    `also` are the errors of a library that is not always loaded.
    """
    try:
        yield
    except (*_WRONG, *also) as error:
        raise StoreError(_reason(error, path)) from error


def _reason(error: Exception, path: Path | None) -> str:
    cause: BaseException = getattr(error, "orig", None) or error
    where = named(path)
    if isinstance(cause, NotPrivateError):
        return f"{where} is not used: {cause}"
    code = _code(cause)
    for codes, words in _WORDS.items():
        if code.startswith(codes):
            return words.format(where)
    if isinstance(cause, ImportError):
        cure = "" if cause.name != "psycopg" else " (pip install 'pointsman[postgres]')"
        return f"{where} needs a driver that is not installed: {cause.name}{cure}"
    if isinstance(cause, _DAMAGED):
        return f"{where} holds what this program did not write"
    if type(error).__name__ == "OperationalError" and path is None:
        return f"{where} cannot be reached{_why(str(cause))}"
    return (
        f"{where} cannot be used ({type(cause).__name__}):"
        " set POINTSMAN_DATABASE_URL to another, or mend it"
    )


_SAID: Mapping[str, str] = {
    "connection refused": "nobody listens at its address",
    "password authentication": "its user or password is wrong",
    "does not exist": "it has no such database or user",
    "resolve host": "nobody knows the name of its host",
    "timeout": "it does not answer",
    "timed out": "it does not answer",
}
"""By what drivers say."""


def _why(said: str) -> str:
    """What kept a database server from being reached, without any name or address."""
    return next((f": {_SAID[word]}" for word in _SAID if word in said.lower()), "")


_WORDS: Mapping[tuple[str, ...], str] = {
    ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"): "{} is locked by another program",
    ("SQLITE_FULL", "ENOSPC", "53100"): "the disk with {} is full",
    ("SQLITE_IOERR", "EIO"): "{} cannot be read or written: its disk is full, or damaged",
    ("SQLITE_READONLY", "EROFS", "25006"): "{} is read-only",
    ("SQLITE_CORRUPT", "SQLITE_NOTADB"): "{} is broken",
    ("EEXIST", "ENOTDIR"): "{} cannot be used: a file stands where its folder should be",
    ("EMFILE", "ENFILE"): "too many files are open to use {}",
    ("EISDIR",): "{} is not a file: name one with POINTSMAN_DATABASE_URL",
    ("ENAMETOOLONG",): "{} cannot be used: its name is too long",
    (
        "SQLITE_CANTOPEN",
        "EACCES",
        "EPERM",
    ): "{} cannot be opened: who may read and write it and its folder?",
}
"""By SQLite's name of an error, the system's, or PostgreSQL's code."""


def _code(cause: BaseException) -> str:
    if isinstance(cause, OSError):
        return errno.errorcode.get(cause.errno or 0, "")
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""


def check_files() -> None:
    """Raise StoreError unless there is room for the files that are read to load a library."""
    spare: list[int] = []
    try:
        for _ in range(SPARE_FILES):
            spare.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - those before a failure
    except OSError as error:
        raise StoreError("too many files are open to load the database's library") from error
    finally:
        for one in spare:
            os.close(one)
