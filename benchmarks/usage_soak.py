"""Memory over 20,000 requests with the database locked in the middle; every row must be kept.

    uv run benchmarks/usage_soak.py [--requests 20000]

The first and the last quarter are written as they come; while the middle half is sent, another
program holds the database, so that the queue fills up to its bound. Exits with 1 if a row is
missing beyond what the queue may drop, or if memory has grown by more than the queue may take.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from run import HERE, Load, cpu_s, drive, free_port, request_bytes, rss_mb, running, servers

QUEUE = 10_000
QUEUE_MB = 30.0
TICK_S = 1.5


def written(path: Path) -> int:
    """The rows that are in the database."""
    connection = sqlite3.connect(path, timeout=10)
    count: int = connection.execute("SELECT COUNT(*) FROM requests").fetchone()[0]
    connection.close()
    return count


def soak(requests: int, folder: Path) -> bool:
    """Run it; whether all held."""
    path = folder / "store.db"
    port, own = free_port(), free_port()
    upstream = f"http://127.0.0.1:{port}"
    command, env, models = servers(upstream)["pointsman"]
    env = env | {"POINTSMAN_DATABASE_URL": f"sqlite:///{path}"}
    quarter = Load("quarter", requests // 4, 16)
    request = request_bytes(own, models[0], quarter)

    def send(pid: int, what: str) -> float:
        before = cpu_s(pid)
        _, _, failed = uvloop.run(drive(own, request, quarter))
        cost_us = (cpu_s(pid) - before) / quarter.requests * 1e6
        print(f"{what:<32} {rss_mb(pid):6.1f} MB  {cost_us:5.0f} µs CPU  {failed} failed")
        return rss_mb(pid)

    with (
        running([sys.executable, str(HERE / "upstream.py"), str(port)], port),
        running([*command, str(own)], own, env) as pid,
    ):
        send(pid, "first quarter, not counted")
        time.sleep(TICK_S)
        flat = send(pid, "first quarter again")
        time.sleep(TICK_S)
        before = written(path)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        send(pid, "second quarter, locked")
        locked = send(pid, "third quarter, locked")
        other.execute("ROLLBACK")
        other.close()
        time.sleep(2 * TICK_S)
        kept = written(path) - before
        end = send(pid, "last quarter")
        time.sleep(TICK_S)
        total = written(path)
    expected = min(2 * quarter.requests, QUEUE)
    print(f"kept of the locked half: {kept} of {expected}; written in all: {total}")
    print(f"memory: {flat:.1f} MB before, {locked:.1f} MB at the fullest, {end:.1f} MB at the end")
    return kept >= expected and locked - flat < QUEUE_MB and end - flat < QUEUE_MB


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if soak(options.requests, Path(folder)) else 1)


if __name__ == "__main__":
    main()
