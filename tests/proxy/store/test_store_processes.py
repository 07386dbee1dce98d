"""The store under real servers: killed, two at once, started again, refused, broken, full.

Where no process has to die, the server is a thread: a start takes a second.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.store import storage
from tests.fakes.gemini_rules import SKIP_SIGNATURE
from tests.proxy.cluster.kit import wait
from tests.proxy.store.kit import PATIENCE_S, opened
from tests.proxy.store.postgres_kit import Cluster
from tests.security.kit import (
    Fakes,
    Reply,
    ask,
    body_of,
    post,
    process,
    request,
    serving,
    settings_for,
    sized,
)

PREFERENCES = "/api/user/preferences"
JSON = {"Content-Type": "application/json"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def file(path: Path) -> str:
    return f"sqlite:///{path}"


def put(port: int, body: bytes) -> Reply:
    return ask(port, request("PUT", PREFERENCES, body, headers=JSON))


def switch(port: int, provider: str) -> Reply:
    return put(port, b'{"default_llm_provider": "%s"}' % provider.encode())


def preference(port: int) -> Any:
    return ask(port, request("GET", PREFERENCES)).json


def provider_of(port: int) -> str | None:
    reply = ask(port, post(body_of()))
    assert reply.status == 200, reply.body
    return reply.headers["x-pointsman-provider"]


def wait_for(holds: Callable[[], object]) -> None:
    """Waits until something holds; what does not come fails the test."""
    ends_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        verdict: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
        return verdict


# Killed


@dataclass
class Load:
    """Clients that ask, and one that changes the preference, until the server is dead."""

    port: int
    numbers: Iterator[int]
    sent: int = 0
    acknowledged: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        with contextlib.suppress(OSError):
            while ask(self.port, post(body_of())).status == 200:
                pass

    def change(self) -> None:
        with contextlib.suppress(OSError):
            for number in self.numbers:
                self.sent = number
                if put(self.port, b'{"models": {"groq": "m-%d"}}' % number).status != 200:
                    return
                self.acknowledged = number
                self.enough.set()

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        works = [self.ask, self.ask, self.change]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join(PATIENCE_S)


def test_a_server_killed_at_work_has_kept_what_it_acknowledged(
    fakes: Fakes, tmp_path: Path, path: Path, file: str
) -> None:
    chance, numbers = random.Random(20), itertools.count(1)
    least = most = 0
    for _ in range(sized(3, 20)):
        with process(fakes, tmp_path, POINTSMAN_DATABASE_URL=file) as server:
            if most:
                kept = int(preference(server.port)["models"]["groq"].removeprefix("m-"))
                assert least <= kept <= most
            load = Load(server.port, numbers)
            with load.on():
                assert load.enough.wait(PATIENCE_S)
                time.sleep(chance.random() / 5)  # anywhere within a write
                server.popen.kill()
                server.popen.wait()
        least, most = load.acknowledged, load.sent
        assert integrity(path) == "ok"
    assert list(tmp_path.glob("*.corrupt-*")) == []


# Two at once


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_switch_in_one_server_is_seen_by_another(
    fakes: Fakes, tmp_path: Path, file: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        file = cluster.url(cluster.new_database())
    assert storage.TICK_S <= 0.5  # so that it takes less than a second
    answers: list[str | None] = []

    def answered(port: int) -> str | None:
        answers.append(provider_of(port))
        return answers[-1]

    with (
        process(fakes, tmp_path / "a", POINTSMAN_DATABASE_URL=file) as one,
        process(fakes, tmp_path / "b", POINTSMAN_DATABASE_URL=file) as two,
    ):
        assert answered(one.port) == answered(two.port) == "groq"
        assert switch(one.port, "ollama").status == 200
        assert answered(one.port) == "ollama"
        wait_for(lambda: answered(two.port) == "ollama")
        assert switch(two.port, "gemini").status == 200
        wait_for(lambda: answered(one.port) == "gemini")
        for server in (one, two):  # in good order: who is killed may lose its last half second
            server.terminate()
            assert server.exit_code() == 0

    with opened(file) as database:
        [[count]] = database.rows("SELECT COUNT(*) FROM requests WHERE status = :s", {"s": 200})
        assert count == len(answers) >= 5


# Started again


def test_a_tool_loop_goes_on_over_a_restart(fakes: Fakes, tmp_path: Path, file: str) -> None:
    asked: Any = body_of(
        "gemini/gemini-3-flash-preview",
        messages=[{"role": "user", "content": 'The weather in "Paris" and "Rome"?'}],
        tools=[TOOL],
    )
    with serving(settings_for(fakes, tmp_path, database_url=file)) as server:
        first = ask(server.port, post(asked)).json["choices"][0]["message"]
    calls = [
        {"id": call["id"], "type": "function", "function": call["function"]}
        for call in first["tool_calls"]
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "Sunny."} for call in calls]
    asked["messages"] += [{"role": "assistant", "content": None, "tool_calls": calls}, *results]

    with serving(settings_for(fakes, tmp_path, database_url=file)) as server:
        second = ask(server.port, post(asked))

    assert second.status == 200, second.body
    assert "thought_signature" not in second.headers.get("x-pointsman-warnings", "")
    [sent] = [one for one in fakes.gemini.requests if b"functionResponse" in one.body]
    assert b"thoughtSignature" in sent.body
    assert SKIP_SIGNATURE.encode() not in sent.body


def test_a_provider_that_is_no_longer_there_is_passed_over(
    fakes: Fakes, tmp_path: Path, path: Path, file: str
) -> None:
    with opened(file):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO user_preferences VALUES ('default', 'gone', '{\"gone\": \"m\"}',"
            ' \'{"gpt-4o": {"gone": "m"}}\', \'["gone", "ollama"]\', NULL,'
            " '2026-01-01 00:00:00', '2026-01-01 00:00:00', NULL, NULL)"
        )
    with serving(settings_for(fakes, tmp_path, database_url=file)) as server:
        for model in ("default", "gpt-4o"):
            assert ask(server.port, post(body_of(model))).status == 200
        assert ask(server.port, request("GET", "/admin/api/status")).status == 200
        assert switch(server.port, "gemini").status == 200
        assert provider_of(server.port) == "gemini"


# Refused, broken, full, read-only


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_newer_schema_refuses_to_start(
    tmp_path: Path, file: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        file = cluster.url(cluster.new_database())
    with opened(file) as database:
        newer = "UPDATE alembic_version SET version_num = '9999'"
        database.write(lambda tables: tables.run(newer))
    command = [str(Path(sys.executable).with_name("pointsman")), "--port", "0"]
    environment = {"HOME": str(tmp_path), "POINTSMAN_DATABASE_URL": file}

    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("pointsman: ")]
    assert "newer version" in line and "9999" in line


def test_a_broken_file_keeps_no_server_from_its_work(
    fakes: Fakes, tmp_path: Path, path: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"this was a database once" * 1000)
    with serving(settings_for(fakes, tmp_path, database_url=file)) as server:
        assert provider_of(server.port) == "groq"
        assert switch(server.port, "ollama").status == 200
        assert provider_of(server.port) == "ollama"
        wait(lambda: "is broken" in caplog.text)  # the log is written behind the answers

    [aside] = tmp_path.glob("*.corrupt-*")
    assert aside.read_bytes() == b"this was a database once" * 1000
    assert integrity(path) == "ok"


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something mounted at a folder; skipped where nothing may be mounted."""
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody can write to, not even root."""
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield


def store_problem(port: int) -> str | None:
    problem: str | None = ask(port, request("GET", "/admin/api/status")).json["store"]["problem"]
    return problem


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def test_on_a_full_disk_a_change_is_refused_and_requests_go_on(
    fakes: Fakes, tmp_path: Path, disk: Path
) -> None:
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m,mode=0700", "none"):
        url = f"sqlite:///{disk / 'store.db'}"
        with serving(settings_for(fakes, tmp_path, database_url=url)) as server:
            assert switch(server.port, "ollama").status == 200
            with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
                while True:
                    ballast.write(b"x" * 512)
                    ballast.flush()
            replies = [put(server.port, change(number)) for number in range(40)]
            [refused] = {reply.status for reply in replies if reply.status != 200}
            assert refused == 507
            assert "is full" in replies[-1].json["error"]["message"]
            assert provider_of(server.port) == "ollama"
            wait_for(lambda: "is full" in str(store_problem(server.port)))

            (disk / "ballast").unlink()
            wait_for(lambda: store_problem(server.port) is None)
            assert switch(server.port, "gemini").status == 200
            assert provider_of(server.port) == "gemini"
        assert integrity(disk / "store.db") == "ok"


def change(number: int) -> bytes:
    """A change that takes some room."""
    return b'{"aliases": {"alias-%d": {"ollama": "%s"}}}' % (number, b"m" * 120)


def test_in_a_read_only_folder_requests_go_on(fakes: Fakes, tmp_path: Path, disk: Path) -> None:
    url = f"sqlite:///{disk / 'store.db'}"
    with serving(settings_for(fakes, tmp_path, database_url=url)) as server:
        assert switch(server.port, "ollama").status == 200
    with (
        read_only(disk),
        serving(settings_for(fakes, tmp_path, database_url=url)) as server,
    ):
        assert provider_of(server.port) == "ollama"
        refused = switch(server.port, "gemini")
        assert refused.status == 503
        assert "nothing has changed" in refused.json["error"]["message"]
        assert provider_of(server.port) == "ollama"
        assert store_problem(server.port)
