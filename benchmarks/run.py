"""What a request, a chunk and a stream cost: pointsman beside other gateways, in one run.

    uv run benchmarks/run.py [--quick] [--json FILE] [--litellm COMMAND] [--portkey FOLDER]

Everything runs on this machine: a fake upstream, the gateways, and the clients, each in a process
of its own. CPU is the gateway's own (user and system, all threads), so a busy machine changes it
little; still, compare figures of one run only. Other gateways live in environments of their own:
`uv tool install 'litellm[proxy]'`, `npm install --prefix FOLDER @portkey-ai/gateway`. The quick
mode leaves them out unless they are named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parts.growth import growth
from parts.load import Result
from parts.machine import machine
from parts.processes import Running, answer_so, free_port, running, send, upstream
from parts.report import Row, report
from parts.systems import System, pointsman, systems
from parts.traffic import LOADS, MANY, PLAIN_CHUNKS, Load, job_of


@dataclass(frozen=True)
class Target:
    """A system that runs; `process` is None where there is none but the upstream."""

    system: System
    process: Running | None
    port: int


@dataclass(frozen=True)
class Plan:
    """How much is measured: each load so many seconds, `rounds` times; the medians are told."""

    seconds: float
    rounds: int
    starts: int
    loads: Sequence[Load] = LOADS
    growth: bool = True

    def only(self, part: str) -> Plan:
        """Only the loads whose name holds `part`."""
        loads = [load for load in self.loads if part in load.name]
        return replace(self, loads=loads, growth=not part)


FULL = Plan(seconds=2.0, rounds=3, starts=5)
QUICK = Plan(seconds=0.5, rounds=1, starts=2, loads=[load for load in LOADS if load is not MANY])


@contextlib.contextmanager
def started(found: Sequence[System], upstream_url: str) -> Iterator[list[Target]]:
    """All systems, side by side: who is not asked takes no time."""
    with contextlib.ExitStack() as stack:
        targets = []
        for system in found:
            if not system.command:
                targets.append(Target(system, None, int(upstream_url.rpartition(":")[2])))
                continue
            port = free_port()
            process = stack.enter_context(running(system.started_on(port), port, system.env))
            targets.append(Target(system, process, port))
        yield targets


def measure(target: Target, load: Load, route: str, seconds: float) -> Result:
    """One load on one route of one system."""
    pid = target.process.pid if target.process else None
    return send(job_of(load, target.system, route, target.port, seconds=seconds, pid=pid))


def row_of(target: Target, load: Load, route: str, results: Sequence[Result]) -> Row:
    """The medians over the rounds."""
    return Row(
        load=load.name,
        system=target.system.name,
        route=route,
        requests=sum(result.requests for result in results),
        failed=sum(result.failed for result in results),
        cpu_us=statistics.median(r.cpu_s / r.requests * 1e6 for r in results) / load.units,
        a_second=statistics.median(r.requests / r.seconds for r in results),
        p50_ms=statistics.median(r.p50_ms for r in results),
        p95_ms=statistics.median(r.p95_ms for r in results),
        first_ms=statistics.median(r.first_p50_ms for r in results),
        rss_mb=target.process.rss_mb() if target.process else 0.0,
    )


def all_rows(targets: Sequence[Target], upstream_url: str, plan: Plan) -> Iterator[Row]:
    """Every load on every route, the systems by turns in each round."""
    for load in plan.loads:
        chunks, gap_ms = (load.chunks, 2.0) if load.chunks else (PLAIN_CHUNKS, 0.0)
        answer_so(upstream_url, delay_ms=load.delay_ms, chunks=chunks, gap_ms=gap_ms)
        ways = [(target, route) for target in targets for route in target.system.routes]
        results: dict[tuple[int, str], list[Result]] = {}
        for _ in range(plan.rounds):
            for number, (target, route) in enumerate(ways):
                found = measure(target, load, route, plan.seconds)
                results.setdefault((number, route), []).append(found)
        for number, (target, route) in enumerate(ways):
            yield row_of(target, load, route, results[number, route])


def start_s(system: System, times: int) -> float:
    """From the command to a port that listens: the median of some starts, the first not counted."""
    seconds = []
    for _ in range(times + 1):
        port = free_port()
        with running(system.started_on(port), port, system.env) as process:
            seconds.append(process.start_s)
    return statistics.median(seconds[1:])


def run(
    plan: Plan, folder: Path, *, litellm: str | None, portkey: Path | None
) -> dict[str, object]:
    """Measure it all; what `report` shows and what is written as JSON."""
    with upstream() as url:
        ours = pointsman(url, folder)
        found = {"start_s": start_s(ours, plan.starts)}
        others = systems(url, folder, litellm=litellm, portkey=portkey)
        with started(others, url) as targets:
            idle = {t.system.name: t.process.rss_mb() for t in targets if t.process}
            rows = []
            for row in all_rows(targets, url, plan):
                rows.append(row)
                print(row.line(), flush=True)
        grown = growth(folder, seconds=plan.seconds, turns=plan.rounds) if plan.growth else []
    versions = {system.name: system.version for system in others if system.version}
    return {
        "machine": machine() | {"versions": versions},
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "idle_mb": idle,
        "rows": [vars(row) for row in rows],
        "growth": [vars(one) for one in grown],
    } | found


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute, and less exact")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--only", default="", help="only the loads whose name holds this")
    parser.add_argument("--litellm", help="LiteLLM's command")
    parser.add_argument("--portkey", type=Path, help="the folder where npm has put its gateway")
    options = parser.parse_args()
    plan = (QUICK if options.quick else FULL).only(options.only)
    litellm = options.litellm or (None if options.quick else shutil.which("litellm"))
    with tempfile.TemporaryDirectory() as folder:
        found = run(plan, Path(folder), litellm=litellm, portkey=options.portkey)
    print(report(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
