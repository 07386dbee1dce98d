"""`pointsman doctor`: what it finds at the port and in the database."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes import OllamaFake
from tests.proxy.command.kit import ABSENT, BAD, GOOD, findings
from tests.proxy.command.terminal_kit import run, server
from tests.proxy.serving import Host

pytestmark = pytest.mark.usefixtures("any_port")


# Port


def test_a_pointsman_at_the_port_is_well(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(host, monkeypatch):
        found = findings()

    assert found["port"].startswith(f"{GOOD} {host.port}: pointsman ")
    assert found["port"].endswith("is running")


def test_a_pointsman_that_asks_for_its_token_is_a_fault(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", "t-secret")
    with server(host, monkeypatch):
        monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", "t-other")
        found = findings()["port"]

    assert found.startswith(BAD) and "POINTSMAN_ADMIN_TOKEN" in found


def test_something_else_at_the_port_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with OllamaFake() as stranger:
        port = stranger.url.rpartition(":")[2]
        found = findings("--port", port)["port"]

    assert found.startswith(f"{BAD} {port} is in use by something else than pointsman")
    assert "--port" in found


def test_a_free_port_is_well() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])

    assert findings("--port", port)["port"].startswith(f"{GOOD} {port} is free")


@pytest.mark.parametrize("host_name", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, host_name: str
) -> None:
    monkeypatch.setenv("POINTSMAN_API_KEYS", "k-secret")
    found = findings("--host", host_name, "--port", "8199")["port"]

    assert found.startswith(BAD) and host_name in found


def test_an_open_address_without_keys_is_a_fault() -> None:
    found = findings("--host", "0.0.0.0")["port"]

    assert found.startswith(BAD) and "POINTSMAN_API_KEYS" in found


# Database


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A database with a choice in it."""
    assert run("--port", "1", "use", "ollama").exit_code == 0
    return tmp_path / "store.db"


def test_a_good_database_is_named(stored: Path) -> None:
    found = findings()["database"]

    assert found.startswith(GOOD) and str(stored) in found


def test_a_file_of_no_database_is_a_fault_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database" * 100)

    told = findings()["database"]
    assert told.startswith(f"{BAD} the database {tmp_path}/store.db is broken")
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_locked_database_is_a_fault(stored: Path) -> None:
    with closing(sqlite3.connect(stored, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = findings()["database"]

    assert found.startswith(BAD) and "locked" in found


def test_a_newer_versions_database_is_a_fault(stored: Path) -> None:
    with closing(sqlite3.connect(stored)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    assert "newer version" in findings()["database"]


def test_an_older_versions_database_is_brought_on_by_the_next_start(stored: Path) -> None:
    with closing(sqlite3.connect(stored)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
        connection.commit()
    found = findings()["database"]

    assert found.startswith(GOOD) and "schema 0000, the next start brings it to" in found


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_database_is_a_fault(stored: Path) -> None:
    stored.chmod(0o400)

    assert findings()["database"].startswith(BAD)


def test_a_folder_that_cannot_be_written_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.command.doctor.os.access", lambda *_: False)

    assert "is read-only" in findings()["database"]


@pytest.mark.parametrize("url", ["nonsense", "nosuch://name:secret@host/name"])
def test_a_url_of_no_database_is_a_fault(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", url)
    found = findings()["database"]

    assert found.startswith(BAD) and "secret" not in found


def test_a_database_in_memory_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_DATABASE_URL", "sqlite://")

    assert findings()["database"].startswith(GOOD)


def test_a_low_limit_of_open_files_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, mark in ((256, ABSENT), (12, BAD)):
        monkeypatch.setattr("proxy.command.doctor.allow_open_files", lambda files=files: files)
        found = findings()["open files"]
        assert found.startswith(f"{mark} at most {files} files") and "LimitNOFILE" in found
    monkeypatch.setattr("proxy.command.doctor.allow_open_files", lambda: 65536)
    assert "open files" not in findings()


def test_why_a_command_takes_the_owner_s_server_for_a_stranger_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "commands" not in findings()
    monkeypatch.setattr("proxy.proof.Identity.trouble", lambda _self: "secret is a link")
    assert findings()["commands"].endswith("secret is a link")
