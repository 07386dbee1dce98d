"""Whether a request costs the same when there is more of everything."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from usage_queries import fill

from parts.load import Job
from parts.processes import Running, answer_so, free_port, held, put, running, send, upstream
from parts.systems import System, pointsman
from parts.traffic import PLAIN, STREAM, job_of

FOREVER_MS = 3_600_000
WARM_S = 0.5


@dataclass(frozen=True)
class Grown:
    """The CPU of a plain request in µs, 16 connections, with `few` and with `many` of `what`."""

    what: str
    few: int
    many: int
    few_us: float
    many_us: float


Way = Callable[[int, Path], AbstractContextManager[Job]]
"""Sets up a server that has so many of something; what to send it."""


def growth(folder: Path, *, seconds: float, turns: int) -> list[Grown]:
    """Both ends of each; the two servers are measured by turns."""
    kinds: Sequence[tuple[str, int, int, Way]] = (
        ("open upstream connections", 10, 1000, _connections),
        ("stored usage rows", 1, 10_000, _rows),
        ("configured models", 1, 20, _models),
    )
    found = []
    for what, few, many, way in kinds:
        costs = _costs(way, (few, many), folder, seconds=seconds, turns=turns)
        found.append(Grown(what, few, many, *costs))
    return found


def _costs(
    way: Way, counts: Sequence[int], folder: Path, *, seconds: float, turns: int
) -> list[float]:
    costs: dict[int, list[float]] = {count: [] for count in counts}
    with contextlib.ExitStack() as stack:
        jobs = {}
        for count in counts:
            own = folder / f"{way.__name__}-{count}"
            own.mkdir()
            job = stack.enter_context(way(count, own))
            jobs[count] = replace(job, seconds=seconds, warm_s=WARM_S)
        for _ in range(turns):
            for count, job in jobs.items():
                result = send(job)
                if result.failed:
                    raise RuntimeError(f"{result.failed} requests failed: {way.__name__} {count}")
                costs[count].append(result.cpu_s / result.requests * 1e6)
    return [statistics.median(costs[count]) for count in counts]


@contextlib.contextmanager
def _connections(count: int, folder: Path) -> Iterator[Job]:
    with upstream() as url, _served(pointsman(url, folder)) as (system, process):
        answer_so(url, gap_ms=FOREVER_MS)
        # The upstream says the first word of a stream, and then nothing more.
        streams = replace(STREAM, connections=count)
        with held(replace(job_of(streams, system, "groq", process.port, seconds=0), hold=True)):
            answer_so(url)
            yield job_of(PLAIN, system, "groq", process.port, seconds=0, pid=process.pid)


@contextlib.contextmanager
def _rows(count: int, folder: Path) -> Iterator[Job]:
    fill(folder / "pointsman.db", time.time(), count)
    with upstream() as url, _served(pointsman(url, folder)) as (system, process):
        yield job_of(PLAIN, system, "groq", process.port, seconds=0, pid=process.pid)


@contextlib.contextmanager
def _models(count: int, folder: Path) -> Iterator[Job]:
    """So many listed by each provider, and as many names of the user's own for them."""
    with upstream() as url:
        answer_so(url, models=count)
        with _served(pointsman(url, folder)) as (system, process):
            aliases = {f"own-{number}": {"groq": f"m{number}"} for number in range(count)}
            base = f"http://127.0.0.1:{process.port}"
            put(f"{base}/api/user/preferences", {"aliases": aliases})
            asked = replace(system, routes={"groq": f"own-{count - 1}"})
            yield job_of(PLAIN, asked, "groq", process.port, seconds=0, pid=process.pid)


@contextlib.contextmanager
def _served(system: System) -> Iterator[tuple[System, Running]]:
    port = free_port()
    with running(system.started_on(port), port, system.env) as process:
        yield system, process
