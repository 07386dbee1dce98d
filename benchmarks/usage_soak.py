"""Memory over 20,000 requests with the database locked in the middle; every row must be kept.

    uv run benchmarks/usage_soak.py [--requests 20000]

The first and the last quarter are written as they come; while the middle half is sent, another
program holds the database for a minute, so that the queue fills up to its bound. Exits with 1 if
a row is missing beyond what the queue may drop, or if memory has grown by more than the queue may
take.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from parts.load import Job
from parts.processes import Running, free_port, running, send, upstream
from parts.systems import pointsman
from parts.traffic import PLAIN, job_of

QUEUE = 10_000
QUEUE_MB = 30.0
TICK_S = 1.5
LOCKED_S = 60.0


def written(path: Path) -> int:
    """The rows that are in the database."""
    connection = sqlite3.connect(path, timeout=10)
    count: int = connection.execute("SELECT COUNT(*) FROM requests").fetchone()[0]
    connection.close()
    return count


@dataclass(frozen=True)
class Server:
    """The server under load, and where its clients send."""

    process: Running
    job: Job

    def ask(self, what: str) -> Done:
        """A quarter of the requests."""
        result = send(self.job)
        rss_mb = self.process.rss_mb()
        cost_us = result.cpu_s / result.requests * 1e6
        print(f"{what:<32} {rss_mb:6.1f} MB  {cost_us:5.0f} µs CPU  {result.failed} failed")
        return Done(result.requests, rss_mb)


class Done(NamedTuple):
    """The requests of a quarter, and the memory after it."""

    requests: int
    rss_mb: float


def soak(requests: int, folder: Path) -> bool:
    """Run it; whether all held."""
    port = free_port()
    with upstream() as url:
        system = pointsman(url, folder)
        job = job_of(PLAIN, system, "groq", port, seconds=0)
        with running(system.started_on(port), port, system.env) as process:
            job = replace(job, least=requests // 4, warm_s=0, pid=process.pid)
            return locked_in_the_middle(Server(process, job), folder / "pointsman.db")


def locked_in_the_middle(server: Server, path: Path) -> bool:
    """Five quarters, the third and the fourth with the database locked; whether all held."""
    server.ask("first quarter, not counted")
    time.sleep(TICK_S)
    flat = server.ask("first quarter again")
    time.sleep(TICK_S)
    before = written(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    until = time.monotonic() + LOCKED_S
    second = server.ask("second quarter, locked")
    locked = server.ask("third quarter, locked")
    time.sleep(max(0.0, until - time.monotonic()))
    other.execute("ROLLBACK")
    other.close()
    time.sleep(2 * TICK_S)
    kept = written(path) - before
    end = server.ask("last quarter")
    time.sleep(TICK_S)
    expected = min(second.requests + locked.requests, QUEUE)
    memory = [f"{done.rss_mb:.1f} MB" for done in (flat, locked, end)]
    print(f"kept of the locked half: {kept} of {expected}; written in all: {written(path)}")
    print("memory before, at the fullest, at the end: " + ", ".join(memory))
    return kept >= expected and max(locked.rss_mb, end.rss_mb) - flat.rss_mb < QUEUE_MB


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if soak(options.requests, Path(folder)) else 1)


if __name__ == "__main__":
    main()
