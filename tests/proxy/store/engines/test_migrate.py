"""The schema's history: every released schema comes to today's, all of it or nothing."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from proxy.store.base import NewerSchemaError, StoreError, sqlite_path
from proxy.store.database import Database
from proxy.store.engines import migrate
from proxy.store.engines.migrate import HEAD, SCRIPTS
from proxy.store.engines.tables import TABLES
from proxy.store.kept import preferences
from tests.proxy.store.kit import FULL_ROW, opened, running

pytestmark = pytest.mark.anyio

MOMENT = "2026-01-02 03:04:05"
FACTS = ("nullable", "default", "autoincrement")
RELEASED = [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()][::-1]
OLDER = [revision for revision in RELEASED if revision != HEAD]


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """The database as its administrator sees it."""
    if path := sqlite_path(url):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def released(engine: sa.Engine, revision: str) -> None:
    """Make the database one of that version, with a choice in it."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(
            sa.text(
                "INSERT INTO user_preferences (id, default_llm_provider, models, aliases,"
                " fallback, created_at, updated_at) VALUES ('default', 'far',"
                f" '{{\"far\": \"big\"}}', '{{}}', '[]', '{MOMENT}', '{MOMENT}')"
            )
        )


def shape(engine: sa.Engine) -> dict[str, Any]:
    """The tables as the database itself tells of them."""
    look = sa.inspect(engine)
    return {
        table: (
            [(column["name"], str(column["type"]), *map(column.get, FACTS)) for column in columns],
            look.get_pk_constraint(table)["constrained_columns"],
            sorted((index["name"], index["column_names"]) for index in look.get_indexes(table)),
        )
        for table in look.get_table_names()
        if (columns := look.get_columns(table))
    }


def version(engine: sa.Engine) -> str:
    with engine.begin() as connection:
        return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar())


def test_the_newest_migration_is_the_schema_of_today() -> None:
    assert RELEASED[-1] == HEAD
    assert ScriptDirectory(str(SCRIPTS)).get_heads() == [HEAD]


def test_the_migrations_lead_to_the_tables_of_today(engine: sa.Engine) -> None:
    released(engine, HEAD)

    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), TABLES) == []


def test_a_new_database_is_like_a_migrated_one(engine: sa.Engine, url: str) -> None:
    with opened(url):
        fresh = shape(engine)
    assert version(engine) == HEAD
    with engine.begin() as connection:
        for table in fresh:
            connection.execute(sa.text(f'DROP TABLE "{table}"'))

    released(engine, HEAD)

    assert shape(engine) == fresh
    assert set(fresh) >= {"user_preferences", "signatures", "cooldowns", "requests"}


@pytest.mark.parametrize("revision", OLDER)
def test_an_older_database_is_brought_up_to_date(
    engine: sa.Engine, url: str, revision: str
) -> None:
    released(engine, revision)

    with opened(url) as database:
        [row] = database.read(preferences.stored)
        database.write(partial(preferences.save, row=FULL_ROW))

    assert (row.provider, row.models) == ("far", {"far": "big"})
    assert version(engine) == HEAD


@pytest.mark.parametrize("revision", OLDER)
def test_there_is_a_copy_of_the_file_before(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "store.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    released(engine, revision)
    before = shape(engine)
    engine.dispose()

    with opened(f"sqlite:///{path}"):
        pass

    [copy] = tmp_path.glob("*.backup-*")
    assert copy.name == f"store.db.backup-{revision}"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    saved = sa.create_engine(f"sqlite:///{copy}")
    assert (version(saved), shape(saved)) == (revision, before)
    saved.dispose()


def test_a_database_of_today_is_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(f"sqlite:///{tmp_path / 'store.db'}"):
            pass

    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


async def test_a_server_reads_what_an_older_version_left(engine: sa.Engine, url: str) -> None:
    released(engine, OLDER[0])

    async with running(url) as kept:
        assert kept.storage.problem is None
        assert kept.provider == "far"
        await kept.switch("near")
        assert kept.provider == "near"


# What must not be touched


@pytest.fixture
def newer(engine: sa.Engine, url: str) -> str:
    """The URL of a database that a newer version has written."""
    with opened(url) as database:
        database.write(partial(preferences.save, row=FULL_ROW))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    return url


def test_a_newer_schema_is_left_alone(engine: sa.Engine, newer: str) -> None:
    before = shape(engine)
    database = Database(newer)

    with pytest.raises(NewerSchemaError, match="9999"):
        database.open()
    database.close()

    assert (version(engine), shape(engine)) == ("9999", before)


def test_the_schema_of_another_program_is_left_alone(engine: sa.Engine, newer: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'ae1027a6acf'"))
    database = Database(newer)

    with pytest.raises(NewerSchemaError, match=r"another program.*ae1027a6acf.*another one"):
        database.open()
    database.close()
    assert version(engine) == "ae1027a6acf"


async def test_with_a_newer_schema_no_server_starts(newer: str) -> None:
    with pytest.raises(NewerSchemaError, match="newer version"):
        async with running(newer):
            pass


async def test_a_schema_that_becomes_newer_under_a_server_is_told(
    engine: sa.Engine, url: str
) -> None:
    async with running(url) as kept:
        await kept.switch("far")
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        kept.storage._database.close()

        with pytest.raises(StoreError, match="newer version"):
            await kept.switch("near")
        assert kept.storage.problem and "newer version" in kept.storage.problem
        assert kept.provider == "far"
    assert version(engine) == "9999"


@pytest.fixture
def broken_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migration of tomorrow that fails in its middle."""
    scripts = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, scripts)
    (scripts / "versions" / "0999_broken.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '0999', '{HEAD}'\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('x', sa.Integer))\n"
        "    op.execute('DELETE FROM user_preferences')\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
    )
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "HEAD", "0999")
    return "0999"


@pytest.mark.parametrize("revision", RELEASED)
def test_a_migration_that_fails_leaves_all_as_it_was(
    engine: sa.Engine, url: str, broken_step: str, revision: str
) -> None:
    released(engine, revision)
    before = shape(engine)
    database = Database(url)

    with pytest.raises(StoreError):
        database.open()
    database.close()

    assert (version(engine), shape(engine)) == (revision, before)
    with engine.begin() as connection:
        kept = connection.execute(sa.text("SELECT default_llm_provider FROM user_preferences"))
        assert kept.scalars().all() == ["far"]


def test_a_reader_does_not_read_another_version(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    released(engine, OLDER[0])
    engine.dispose()
    reader = Database(f"sqlite:///{tmp_path / 'store.db'}", looks_only=True)

    with pytest.raises(Exception, match="another version"):
        reader.read(preferences.stored)
