"""Several processes behind one socket, started as the command starts them."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from proxy.workers import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Crew, Worker
from tests.proxy.cluster.kit import Server, wait
from tests.proxy.command.terminal_kit import clean, one_line, run
from tests.security.kit import GOOD, Fakes, Process, ask, process

COUNT = 2


def children(one: Process) -> set[int]:
    """The processes that serve."""
    told = Path(f"/proc/{one.popen.pid}/task/{one.popen.pid}/children").read_text(encoding="ascii")
    return set(map(int, told.split()))


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_several_serve_one_socket_and_who_dies_is_started_again(
    fakes: Fakes, tmp_path: Path, valkey: Server
) -> None:
    more = {"POINTSMAN_WORKERS": str(COUNT), "POINTSMAN_SHARED_URL": valkey.url}
    with process(fakes, tmp_path, **more) as one:
        assert all(ask(one.port, GOOD).status == 200 for _ in range(8))
        wait(lambda: len(children(one)) == COUNT and "switch  " in one.said)
        before = children(one)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        wait(lambda: len(children(one)) == COUNT and killed not in children(one))
        assert "worker" in one.said
        assert f"signal {signal.SIGKILL.value}" in one.said
        assert ask(one.port, GOOD).status == 200
        one.terminate()
        assert one.exit_code() == 0
        assert one.said.count("switch  ") == 1
        assert all(is_gone(pid) for pid in before)
        [path] = (tmp_path / "data").rglob("*.db")
        with sqlite3.connect(path) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.close()
        assert one.refused().count("pointsman: the database was written by a newer version") == 1


def test_a_parent_that_is_killed_leaves_nobody_behind(
    fakes: Fakes, tmp_path: Path, valkey: Server
) -> None:
    more = {"POINTSMAN_WORKERS": str(COUNT), "POINTSMAN_SHARED_URL": valkey.url}
    with process(fakes, tmp_path, **more) as one:
        wait(lambda: len(children(one)) == COUNT)
        pids = children(one)
        one.popen.kill()
        wait(lambda: all(is_gone(pid) for pid in pids))


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        ({}, "POINTSMAN_SHARED_URL"),
        (
            {"POINTSMAN_SHARED_URL": "valkey://db", "POINTSMAN_API_KEYS": "ann:one"},
            "POINTSMAN_ADMIN_TOKEN",
        ),
    ],
)
def test_several_are_refused_without_what_they_need(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], lacking: str
) -> None:
    clean(monkeypatch, tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert lacking in one_line(run("--workers", "4"), 2)


def test_who_ends_again_and_again_is_started_ever_later() -> None:
    now = 0.0
    started: list[Worker] = []

    def start(worker: Worker) -> int:
        started.append(worker)
        return len(started)

    crew = Crew(2, start, lambda: now)
    assert crew.keep() is None
    assert crew.pids == [1, 2]
    pauses = []
    for _ in range(12):
        pid = crew.pids[-1]
        worker = crew.ended(pid)
        assert worker and worker.number == 2
        assert crew.keep() == pytest.approx(worker.pause_s)
        assert len(crew.pids) == 1
        pauses.append(worker.pause_s)
        now = worker.due
        assert crew.keep() is None
    assert pauses[:3] == [FIRST_PAUSE_S, FIRST_PAUSE_S * 2, FIRST_PAUSE_S * 4]
    assert pauses[-1] == LONGEST_PAUSE_S
    now += STEADY_S
    worker = crew.ended(crew.pids[-1])
    assert worker and worker.pause_s == 0
    assert crew.ended(12345) is None
