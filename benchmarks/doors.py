"""CPU and calls of functions that a request and a chunk take at each door, beside chat's.

    python -m benchmarks.doors [--rounds 300]

The whole server is at work, only the sockets are played (`tests/cost`). The doors take turns, and
the middle of their rounds counts, so that what else the machine does weighs the same on all.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.cost.calls import ANSWER, Client, count, logged, serving
from tests.cost.wires import Provider, streamed, whole
from tests.faults.dialects import DIALECTS
from tests.proxy.doors.talks import TALKS

DIALECT = DIALECTS["groq"]
WORDS = 100
WARM = 20


async def cpu(rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Microseconds a request, and a chunk of a stream, by door."""
    provider = Provider(DIALECT)
    plain, stream = [whole(DIALECT.whole(ANSWER))], streamed(DIALECT, WORDS)
    took: dict[tuple[str, bool], list[float]] = defaultdict(list)
    with logged():
        async with serving(DIALECT, provider, folder) as server:
            client = Client(server, provider)
            for _ in range(rounds):
                for door, talk in TALKS.items():
                    for streams, answer in ((False, plain), (True, stream)):
                        before = time.thread_time()
                        await client.ask(answer, stream=streams, talk=talk)
                        took[door, streams].append(time.thread_time() - before)
    middle = {key: statistics.median(values[WARM:]) * 1e6 for key, values in took.items()}
    return {
        door: {
            "request": middle[door, False],
            "chunk": (middle[door, True] - middle[door, False]) / WORDS,
        }
        for door in TALKS
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doors", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = asyncio.run(cpu(options.rounds + WARM, folder))
        for at, (door, talk) in enumerate(TALKS.items()):
            own = folder / str(at)
            own.mkdir()
            calls = asyncio.run(count(DIALECT, own, talk))
            told = [
                f"{what} {took:6.1f} us ({took / times['chat'][what]:.2f}), {calls[what]:.0f} calls"
                for what, took in times[door].items()
            ]
            sys.stdout.write(f"{door:<16} {'; '.join(told)}\n")


if __name__ == "__main__":
    main()
