"""What it costs to share limits with other servers, and what a second process on this machine adds.

    uv run --extra cluster benchmarks/sharing.py [--seconds 4] [--rounds 3]

Needs `valkey-server` or `redis-server`. CPU is that of pointsman's own processes, all together, so
that a busy machine changes it little: requests a second and core are those per second of CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from parts.load import Job, cpu_s
from parts.processes import Running, answer_so, free_port, running, send, upstream
from parts.systems import System, pointsman
from parts.traffic import Load, job_of

PLAIN = Load("answers at once", connections=32)


@dataclass(frozen=True)
class Case:
    """One way to run it; `shares` where it has a Valkey."""

    name: str
    shares: bool = False
    limits: bool = False
    workers: int = 1


CASES = (
    Case("alone, no limits"),
    Case("alone, limits", limits=True),
    Case("shared, no limits", shares=True),
    Case("shared, limits", shares=True, limits=True),
    Case("two processes, no limits", shares=True, workers=2),
    Case("two processes, limits", shares=True, limits=True, workers=2),
)
LIMITS = [
    f"GROQ_RATE_LIMIT_{what}"
    for what in ("REQUESTS_PER_MINUTE", "TOKENS_PER_MINUTE", "REQUESTS_PER_DAY")
]
MUCH = "1000000000"


def environment(case: Case, valkey: str) -> dict[str, str]:
    """The settings of a case."""
    found = dict.fromkeys(LIMITS, MUCH) if case.limits else {}
    if case.shares:
        found |= {"POINTSMAN_SHARED_URL": valkey, "POINTSMAN_SHARED_PATIENCE_S": "5"}
    return {
        "POINTSMAN_RATE_PRESET": "provider" if case.limits else "off",
        "POINTSMAN_WORKERS": str(case.workers),
        **found,
    }


def pids(parent: int) -> list[int]:
    """A process and those that it has started."""
    told = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [parent, *map(int, told.split())]


@contextlib.contextmanager
def valkey_running() -> Iterator[tuple[str, Running]]:
    """A Valkey that keeps nothing on disk, and its URL."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise SystemExit("neither valkey-server nor redis-server is installed")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command, port) as found:
        yield f"valkey://127.0.0.1:{port}", found


def measured(system: System, case: Case, seconds: float) -> tuple[float, float]:
    """Requests a second, and milliseconds of CPU a request."""
    port = free_port()
    with running(system.started_on(port), port, system.env) as process:
        job: Job = job_of(PLAIN, system, "groq", port, seconds=seconds)
        while len(pids(process.pid)) - 1 < (case.workers if case.workers > 1 else 0):
            time.sleep(0.05)
        send(replace(job, seconds=1.0))
        before = sum(map(cpu_s, pids(process.pid)))
        result = send(replace(job, warm_s=0.0))
        used = sum(map(cpu_s, pids(process.pid))) - before
    if result.failed:
        raise RuntimeError(f"{case.name}: {result.failed} of {result.requests} failed")
    return result.requests / result.seconds, used / result.requests * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    with upstream() as url, valkey_running() as (valkey, server):
        answer_so(url)
        for _ in range(asked.rounds):
            for case in CASES:
                with tempfile.TemporaryDirectory() as folder:
                    system = pointsman(url, Path(folder), **environment(case, valkey))
                    before = cpu_s(server.pid)
                    rate, ms = measured(system, case, asked.seconds)
                    found.setdefault(case.name, []).append((rate, ms))
                    its = (cpu_s(server.pid) - before) / (rate * (asked.seconds + 1)) * 1000
                    print(f"  {case.name}: {rate:.0f} a second, {ms:.3f} ms, Valkey {its:.3f} ms")
    for name, figures in found.items():
        rate, ms = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:28} {ms:6.3f} ms of CPU {1000 / ms:6.0f} a core {rate:6.0f} a second")


if __name__ == "__main__":
    main()
