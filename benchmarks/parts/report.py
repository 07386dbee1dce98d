"""The figures as tables, beside what the project has set itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parts.traffic import CHUNKS, LONG, ONE, PLAIN, STREAM, STREAMS, WAITING


@dataclass(frozen=True)
class Row:
    """What a load cost a system on one route: CPU in µs (of a chunk, where the load says so),
    requests a second, times in ms, memory in MB.
    """

    load: str
    system: str
    route: str
    requests: int
    failed: int
    cpu_us: float
    a_second: float
    p50_ms: float
    p95_ms: float
    first_ms: float
    rss_mb: float

    def line(self, base_us: float = 0.0) -> str:
        """One line of a table; with `base_us`, how many times that the CPU is."""
        ratio = f"{self.cpu_us / base_us:6.2f} x" if base_us and self.cpu_us else " " * 8
        return (
            f"  {self.system:<13} {self.route:<7} {self.cpu_us:9.1f} µs CPU {ratio}"
            f"  {self.a_second:7.0f}/s  p50 {self.p50_ms:8.2f}  p95 {self.p95_ms:8.2f}"
            f"  first {self.first_ms:8.2f} ms  {self.rss_mb:4.0f} MB"
            + (f"  {self.failed} FAILED" if self.failed else "")
        )


@dataclass(frozen=True)
class Aim:
    """A figure that the project has set itself, and what came of it; `unit` is of all three."""

    name: str
    must: float
    aim: float
    found: float
    unit: str

    def line(self) -> str:
        verdict = "aim" if self.found <= self.aim else "must" if self.found <= self.must else "MISS"
        return (
            f"  {self.name:<44} {self.found:8.3g} {self.unit:<3}"
            f"  must {self.must:<5g} aim {self.aim:<5g} {verdict}"
        )


OURS = "pointsman"
FLAT = 0.2
"""What a request may cost more when there is more of everything."""
YARDSTICK = "pass-through"


def report(found: dict[str, Any]) -> str:
    """All of a run: the tables of the loads, what grows, and the aims."""
    rows = [Row(**row) for row in found["rows"]]
    lines = ["", *_loads(rows), "", "what grows, µs CPU a plain request"]
    for one in found["growth"]:
        change = one["many_us"] / one["few_us"] - 1
        lines.append(
            f"  {one['few']} to {one['many']} {one['what']:<28}"
            f" {one['few_us']:6.1f} to {one['many_us']:6.1f} ({change:+.0%})"
            + (" MISS" if change > FLAT else "")
        )
    lines += ["", "idle: " + ", ".join(f"{n} {mb:.0f} MB" for n, mb in found["idle_mb"].items())]
    lines += ["", "what was aimed at", *(aim.line() for aim in aims(rows, found))]
    return "\n".join(lines)


def _loads(rows: Sequence[Row]) -> Iterator[str]:
    for load in dict.fromkeys(row.load for row in rows):
        of_load = [row for row in rows if row.load == load]
        base = next((row.cpu_us for row in of_load if row.system == YARDSTICK), 0.0)
        yield f"{load}  (x is times the {YARDSTICK})"
        yield from (row.line(base) for row in of_load)


def aims(rows: Sequence[Row], found: dict[str, Any]) -> Iterator[Aim]:
    """Those whose figures were measured; the worst of the routes counts."""

    def worst(load: str, field: str) -> float | None:
        values = [getattr(row, field) for row in rows if (row.load, row.system) == (load, OURS)]
        return max(values, default=None)

    def direct(load: str, field: str) -> float:
        rest = (row for row in rows if (row.load, row.system) == (load, "direct"))
        return float(getattr(next(rest), field))

    for load, must, aim in (
        (PLAIN, 200.0, 110.0),
        (WAITING, 350, 190),
        (CHUNKS, 35, 23),
        (STREAMS, 800, 450),
        (LONG, 1000, 400),
    ):
        cpu = worst(load.name, "cpu_us")
        if cpu is not None:
            yield Aim(f"CPU: {load.name}", must, aim, cpu, "µs")
    lost = [
        (1 - row.a_second / direct(row.load, "a_second")) * 100
        for row in rows
        if (row.load, row.system) == (WAITING.name, OURS)
    ]
    if lost:
        yield Aim("throughput lost, 64 in flight", 10, 5, max(lost), "%")
    for load, field, must, aim in ((ONE, "p50_ms", 0.4, 0.2), (STREAM, "first_ms", 1.5, 0.7)):
        time = worst(load.name, field)
        if time is not None:
            what = "time to the first chunk" if field == "first_ms" else "p50"
            yield Aim(f"added {what}", must, aim, time - direct(load.name, field), "ms")
    yield Aim("memory, idle", 60, 45, found["idle_mb"][OURS], "MB")
    yield Aim("memory, at the fullest", 100, 70, max(_memory(rows)), "MB")
    yield Aim("from the command to listening", 0.4, 0.3, found["start_s"], "s")


def _memory(rows: Sequence[Row]) -> Iterator[float]:
    yield 0.0
    yield from (row.rss_mb for row in rows if row.system == OURS)
