"""What is wrong with a database, in the user's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from proxy.private import NotPrivateError
from proxy.store.snapshot import StoreError, named

_DAMAGED = (AttributeError, TypeError, ValueError)
_WRONG = (ImportError, OSError, SQLAlchemyError, sqlite3.Error, *_DAMAGED)


@contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Raise a StoreError that says it; `path` is the SQLite file, if it is one."""
    try:
        yield
    except _WRONG as error:
        raise StoreError(_reason(error, path)) from error


def _reason(error: Exception, path: Path | None) -> str:
    cause = (isinstance(error, DBAPIError) and error.orig) or error
    where = named(path)
    if isinstance(cause, NotPrivateError):
        return f"{where} is not used: {cause}"
    code = _code(cause)
    for codes, words in _WORDS.items():
        if code.startswith(codes):
            return words.format(where)
    if isinstance(cause, ArgumentError):
        return "POINTSMAN_DATABASE_URL is not the URL of a database"
    if isinstance(cause, ImportError):
        return f"{where} needs a driver that is not installed: {cause.name}"
    if isinstance(cause, _DAMAGED):
        return f"{where} holds what this program did not write"
    if isinstance(error, OperationalError) and path is None:
        return f"{where} cannot be reached"
    return (
        f"{where} cannot be used ({type(cause).__name__}):"
        " set POINTSMAN_DATABASE_URL to another, or mend it"
    )


_WORDS: Mapping[tuple[str, ...], str] = {
    ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"): "{} is locked by another program",
    ("SQLITE_FULL", "ENOSPC", "53100"): "the disk with {} is full",
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
