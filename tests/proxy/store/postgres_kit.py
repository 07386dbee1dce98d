"""A PostgreSQL of our own: Debian's server on a socket in a folder of its own, for one session."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

PATIENCE_S = 30.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_wal_size": "64MB",
    "max_connections": "60",
    "autovacuum": "off",
}


def binaries() -> Path | None:
    """Where the newest of the installed servers has its programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    return found[-1].parent if found else None


@dataclass
class Cluster:
    """A server that can be stopped and started; everything it has is in `folder`."""

    programs: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create(self) -> None:
        """Make its files: they belong to another user, since root may run no PostgreSQL."""
        if _other_user():
            os.chown(self.folder, *_ids())
        options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username=ann"]
        command = [str(self.programs / "initdb"), *options, "--pgdata", str(self.folder / "data")]
        done = subprocess.run(command, capture_output=True, cwd="/", **_other_user())
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Returns when it takes connections."""
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(self.programs / "postgres"),
                    *("-D", str(self.folder / "data"), "-k", str(self.folder)),
                    *options,
                ],
                cwd="/",
                stdout=log,
                stderr=log,
                **_other_user(),
            )
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                self.connect("postgres").close()
                return
            said = (self.folder / "log").read_text(encoding="utf-8")
            assert self.process.poll() is None and time.monotonic() < ends_at, said
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an administrator does, who waits for nobody."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_S)
            self.process = None

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """A connection in which every statement stands by itself."""
        return psycopg.connect(
            host=str(self.folder), user="ann", dbname=database, autocommit=True, connect_timeout=10
        )

    def new_database(self) -> str:
        """The name of an empty database."""
        name = f"store{next(self._numbers)}"
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        return name

    def url(self, database: str) -> str:
        """As POINTSMAN_DATABASE_URL takes it."""
        return f"postgresql+psycopg://ann@/{database}?host={self.folder}"


@contextlib.contextmanager
def cluster_running(programs: Path) -> Iterator[Cluster]:
    """A new server. Its folder has a short name, as that of a socket may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    cluster = Cluster(programs, folder)
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _ids() -> tuple[int, int]:
    user = pwd.getpwnam("postgres")
    return user.pw_uid, user.pw_gid


def _other_user() -> dict[str, Any]:
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if not os.geteuid() else {}
