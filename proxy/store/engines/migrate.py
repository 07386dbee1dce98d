"""The schema's history, applied at the start: one transaction, and a copy of the file before it.

A new database gets today's tables as they are; Alembic knows the way there from every released
schema. One that it does not know is a newer version's, which this one must not touch. There is no
way down: the copy is the way back.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proxy import private_files
from proxy.store.base import BUSY_TIMEOUT_MS, NewerSchemaError
from proxy.store.engines.mishaps import check_files, told

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

HEAD = "0010"
HAS_VERSION = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
TOUCH = "UPDATE alembic_version SET version_num = version_num"
VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
SCRIPTS = Path(__file__).with_name("migrations")
MIGRATING_MS = 5000
"""What another process has to make or change the tables, on a machine that is busy."""
LOCK = 0x706F696E74
"""The advisory lock under which PostgreSQL's schema is looked at and changed."""


def migrate(connection: Connection, schema: MetaData) -> None:
    """Bring a database up to `schema`, in the connection's transaction.

    Raises NewerSchemaError, and whatever SQLAlchemy raises when the database cannot be used.
    """
    _wait_for_others(connection)
    found = _version(connection)
    if found is None:
        schema.create_all(connection)
        _stamp(connection)
    elif found != HEAD:
        _upgrade(connection, found, None)


def migrate_file(path: Path) -> None:
    """Bring a SQLite file of an older version up to today's schema; raises the same."""
    if "alembic" not in sys.modules:
        check_files()
    import alembic.command  # noqa: F401 - not while the file is locked: others wait half a second
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine("sqlite://", creator=partial(_connected, path), poolclass=NullPool)
    event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
    with told(path, also=(SQLAlchemyError,)), engine.begin() as connection:
        found = _version(connection)
        if found is not None and found != HEAD:
            _upgrade(connection, found, path)


def version_of(connection: sqlite3.Connection) -> str | None:
    """The schema of a SQLite file; None where it has none of ours."""
    if not connection.execute(HAS_VERSION).fetchall():
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def _connected(path: Path) -> sqlite3.Connection:
    # Without a level of isolation, else Python commits before and after a change of tables.
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)


def _wait_for_others(connection: Connection) -> None:
    """Let one process after the other look at the schema; SQLite's transactions do so anyway."""
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":
        usual = connection.execute(text("SHOW lock_timeout")).scalar_one()
        connection.execute(text(f"SET LOCAL lock_timeout = {MIGRATING_MS}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{usual}'"))


def _upgrade(connection: Connection, found: str, path: Path | None) -> None:
    check_known(found)
    # Imported here, as only an older database needs it: it takes a third of a second and 11 MB.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    if path is not None:
        _back_up(path, found)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_known(found: str) -> None:
    """Raises NewerSchemaError for a schema from which no migration leads to today's."""
    known = (path.stem.partition("_")[0] for path in (SCRIPTS / "versions").glob("*.py"))
    if found not in known:
        raise NewerSchemaError(unknown_schema(found))


def unknown_schema(found: str) -> str:
    """What is wrong with a database of a schema that this version does not know."""
    if len(found) == len(HEAD) and found.isdecimal():
        return (
            f"the database was written by a newer version (its schema is {found}):"
            " use that version, or set POINTSMAN_DATABASE_URL to another file"
        )
    return (
        f"the database belongs to another program (its schema is {found[:40]!r}):"
        " set POINTSMAN_DATABASE_URL to another one"
    )


def _stamp(connection: Connection) -> None:
    from sqlalchemy import text

    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _version(connection: Connection) -> str | None:
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return version


def _back_up(path: Path, version: str) -> None:
    copy = path.with_name(f"{path.name}.backup-{version}")
    copy.unlink(missing_ok=True)
    os.close(private_files.create(copy))
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
