"""Mixed requests with faults for a long while: does anything pile up?

    python benchmarks/soak.py [--requests 20000]

Server, fakes and apps share one process, which makes its memory an upper bound of the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults.dialects import Dialect
from tests.faults.fake import Call, Fake, Reply, refusal, stream, whole
from tests.faults.world import VirtualTime, World

AT_ONCE = 20
ROUNDS = 10
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """What there is of everything after so many requests; `rss` in MiB."""

    requests: int
    rss: float
    tasks: int
    connections: int
    records: int


def rss_mib() -> float:
    """The memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


class Trouble:
    """What a provider does next: mostly well, now and then each kind of fault."""

    def __init__(self, fake: Fake, chance: random.Random) -> None:
        self._dialect: Dialect = fake.dialect
        self._chance = chance
        fake.rule = self.next

    def next(self, call: Call) -> Reply | None:
        dialect = self._dialect
        parts = dialect.streamed(dialect.words)
        broken = stream(dialect, parts.opening + parts.words[0])
        faults = [
            refusal(dialect, 429, ("retry-after", "3")),
            refusal(dialect, 429),
            refusal(dialect, 500),
            refusal(dialect, 503),
            refusal(dialect, 400),
            refusal(dialect, 413),
            whole(b"<html>"),
            Reply((), "close"),
            Reply((), "reset"),
            Reply(broken.steps[:2], "reset"),
            broken,
        ]
        return self._chance.choice(faults) if self._chance.random() < 0.2 else None


async def leave(world: World, *, streamed: bool) -> None:
    """An app that hangs up before its answer is there."""
    asking = asyncio.create_task(world.ask(stream=streamed))
    await asyncio.sleep(0.005)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def soak(world: World, requests: int, statuses: Counter[int]) -> list[Sample]:
    """A sample after each tenth of the requests."""
    chance = random.Random(7)
    for fake in world.fakes.values():
        Trouble(fake, chance)
    samples: list[Sample] = []
    for _ in range(ROUNDS):
        for _ in range(requests // ROUNDS // AT_ONCE):
            posted = await asyncio.gather(
                leave(world, streamed=chance.random() < 0.5),
                *(
                    world.post(
                        stream=chance.random() < 0.5,
                        model=chance.choice(["gpt-4o", "gpt-4o", f"groq/m{chance.randrange(99)}"]),
                    )
                    for _ in range(AT_ONCE - 1)
                ),
            )
            statuses.update(one.status for one in posted if one)
            world.time.pass_(chance.random() * 2)
            for fake in world.fakes.values():
                fake.calls.clear()
        await world.settled()
        samples.append(sample(world, len(samples) + 1, requests))
    return samples


def sample(world: World, rounds: int, requests: int) -> Sample:
    """What there is now."""
    gc.collect()
    return Sample(
        rounds * requests // ROUNDS,
        round(rss_mib(), 1),
        world.tasks(),
        sum(fake.counts.open for fake in world.fakes.values()),
        len(world.parts.health.snapshot()),
    )


async def main(requests: int) -> None:
    statuses: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        order = ("groq", "gemini", "ollama")
        world = World(*order, time=VirtualTime(), folder=Path(folder), max_wait_s=5)
        await world.start()
        try:
            for one in await soak(world, requests, statuses):
                print(one)
        finally:
            await world.stop()
    print(dict(statuses))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    asyncio.run(main(parser.parse_args().requests))
