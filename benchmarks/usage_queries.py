"""How long the page waits for its numbers, over a usage log of a million rows.

    uv run benchmarks/usage_queries.py [postgresql+psycopg://…]

The database is SQLite's, in a new file, or the empty one that is named. Each query is run five
times through `proxy.store.database.Database`; the median is told, in ms. Exits with 1 if one of the
sums takes longer than 300 ms.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from adapters.base import Usage
from proxy.candidate import Candidate
from proxy.routing.answers.receipt import Receipt
from proxy.store.base import Tables
from proxy.store.database import Database
from proxy.store.usage.queries import (
    Filter,
    Span,
    request,
    requests,
    usage,
)
from proxy.store.usage.request_log import TABLE
from proxy.store.usage.rows import usage_row
from proxy.store.usage.steps import starts

ROWS = 1_000_000
DAYS = 30
LONGEST_MS = 300
CANDIDATES = tuple(Candidate(f"provider-{number}", "a-model-of-its-own") for number in range(4))


def fill(path: Path, now_s: float, rows: int) -> None:
    """A new SQLite file with a month of eight apps, spread evenly."""
    log = Database(f"sqlite:///{path}")
    add(log, now_s, rows)
    log.close()


def add(log: Database, now_s: float, rows: int) -> None:
    """The same to an empty database; more than a server would keep."""
    chance = random.Random(1)
    for start in range(0, rows, 500):
        numbers = range(start, min(start + 500, rows))
        ages = (DAYS * 86_400 * (1 - number / rows) for number in numbers)
        fresh = [columns(chance, f"req-{start + i}", now_s - a) for i, a in enumerate(ages)]
        log.write(partial(_put, fresh), durable=False)


def _put(fresh: Sequence[Mapping[str, object]], tables: Tables) -> None:
    tables.put(TABLE, fresh)


def columns(chance: random.Random, name: str, at: float) -> dict[str, object]:
    """One made-up request."""
    receipt = Receipt(considered=CANDIDATES, finish="stop")
    receipt.usage = Usage(chance.randrange(5000), chance.randrange(900))
    receipt.tried(chance.choice(CANDIDATES), 200, None)
    row = usage_row(
        receipt,
        request_id=name,
        at=at,
        app=f"app-{chance.randrange(8)}",
        asked="gpt-4o",
        is_stream=True,
        status=200 if chance.random() < 0.97 else 502,
        error=None,
        bytes_in=900,
        bytes_out=3000,
    )
    total_s = chance.expovariate(1)
    return row.columns() | {"total_s": total_s, "first_s": total_s * chance.random()}


def main() -> None:
    """Fill a database and time the page's queries."""
    now_s = time.time()
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if sys.argv[1:] else f"sqlite:///{Path(folder) / 'store.db'}"
        database = Database(url)
        database.open()
        add(database, now_s, ROWS)
        while database.sum_up():
            pass

        def page(days: int, step: str, by: str) -> None:
            since_s = now_s - days * 86_400
            span = Span(int(since_s * 1000), int(now_s * 1000) + 1)
            begins = starts(since_s, now_s, step)
            database.read(lambda log: usage(log, span, begins, by=by))

        def listed(chosen: Filter) -> None:
            database.read(lambda log: requests(log, chosen, 50))

        sums: dict[str, Callable[[], object]] = {
            "a day by provider": lambda: page(1, "hour", "provider"),
            "all by provider": lambda: page(DAYS + 1, "day", "provider"),
            "all by app": lambda: page(DAYS + 1, "day", "app"),
        }
        lists: dict[str, Callable[[], object]] = {
            "log, newest": lambda: listed(Filter()),
            "log, oldest": lambda: listed(Filter(before=100)),
            "log, nothing fits": lambda: listed(Filter(app="nobody")),
            "receipt": lambda: database.read(lambda log: request(log, "req-5")),
        }
        slow = [name for name, run in sums.items() if timed(name, run) > LONGEST_MS]
        for name, run in lists.items():
            timed(name, run)
        database.close()
    sys.exit(1 if slow else 0)


def timed(name: str, run: Callable[[], object]) -> float:
    """The median of five, printed."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1000)
    print(f"{name:<20} {statistics.median(times):7.1f} ms")
    return statistics.median(times)


if __name__ == "__main__":
    main()
