"""Talks over providers that vanish, stall, load and come back: does anybody notice?

    python benchmarks/routing.py [--requests 10000] [--seed 7] [--order groq,gemini,ollama]

Told at the end: client errors that another provider could have saved, talks that alternated
between providers though nobody had failed them, and calls above a limit. All three should be 0.
Time is virtual; server, fakes and apps share one process.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from proxy.candidate import Candidate
from proxy.routing.planning.sessions import WELL_S
from tests.faults.fake import Call, Fake, Reply, refusal
from tests.faults.world import VirtualTime, World

ORDER = ("groq", "gemini", "ollama")
LIMITS = (60, 90)
"""Of the first ones in the order, in calls a minute; the last has none, and is always well."""
TALKS = 200
AT_ONCE = 10
EVERY = 10
"""After so many rounds the providers' states change."""
MINUTE_S = 60.0
TOKENS = 20


@dataclass
class Provider:
    """A fake with a state; `sent_at` are the moments of its calls."""

    fake: Fake
    time: VirtualTime
    state: str = "well"
    sent_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fake.rule = self.next

    def next(self, _call: Call) -> Reply | None:
        self.sent_at.append(self.time.now)
        match self.state:
            case "vanished":
                return Reply((), "reset")
            case "stalled":
                return Reply((), "hang")
            case "loading":
                return refusal(self.fake.dialect, 503, message="the model is loading")
        return None

    def above(self, limit: int) -> int:
        """The calls that were one too many in the minute before them."""
        at = self.sent_at
        return sum(
            i + 1 - bisect_left(at, one - MINUTE_S + 1e-6) > limit for i, one in enumerate(at)
        )


@dataclass
class Talk:
    """One conversation: how many turns it has had, and by whom it was answered when."""

    number: int
    turns: int = 0
    by: str | None = None
    moved_at: float = 0.0
    alternated: int = 0

    def body(self) -> dict[str, object]:
        said = [{"role": "user", "content": f"Talk {self.number}."}]
        for _ in range(self.turns):
            said += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And?"}]
        return {"model": "gpt-4o", "messages": said, "stream": self.turns % 2 == 0}

    def answered(self, by: str, attempts: str, now: float, *, was_free: bool) -> None:
        """It may change its provider where that fails or is paused, or the preferred one is back.

        `was_free` tells that nothing stood before the one that it was with.
        """
        has_failed = self.by is not None and f"{self.by}:" in attempts.rpartition(",")[0]
        was_away = now - self.moved_at >= WELL_S
        if self.by not in (None, by):
            comes_back = was_away  # to the order as it is, be its first one paused just then
            self.alternated += was_free and not has_failed and not comes_back
            self.moved_at = now
        self.by = by
        self.turns = (self.turns + 1) % 8


async def turn(world: World, client: httpx.AsyncClient, talk: Talk, found: Counter[str]) -> None:
    was_free = _is_free(world, talk.by)
    headers = {"x-session-id": f"talk-{talk.number}"}
    answer = await client.post("/chat/completions", json=talk.body(), headers=headers)
    found[f"{answer.status_code}"] += 1
    if answer.status_code != 200:
        found["errors"] += 1
        print(answer.status_code, answer.headers.get("x-pointsman-attempts"), answer.text[:300])
        return
    attempts = answer.headers.get("x-pointsman-attempts", "")
    was_free = was_free and _is_free(world, talk.by)
    by = answer.headers["x-pointsman-provider"]
    talk.answered(by, attempts, world.time.now, was_free=was_free)


def _is_free(world: World, provider: str | None) -> bool:
    if provider is None:
        return False
    candidate = Candidate(provider, world.fakes[provider].dialect.model)
    return world.parts.health.wait(candidate, TOKENS) is None


async def soak(
    world: World, requests: int, order: Sequence[str], limits: Mapping[str, int], seed: int
) -> Counter[str]:
    """What came of so many requests; one provider without a limit is well at every moment."""
    chance = random.Random(seed)
    providers = {name: Provider(world.fakes[name], world.time) for name in order}
    talks = [Talk(number) for number in range(TALKS)]
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=world.url, timeout=30) as client:
        for rounds in range(requests // AT_ONCE):
            if rounds % EVERY == 0:
                for name in order[:-1]:
                    providers[name].state = chance.choice(
                        ["well", "well", "vanished", "stalled", "loading"]
                    )
            asked = chance.sample(talks, AT_ONCE)
            await asyncio.gather(*(turn(world, client, talk, found) for talk in asked))
            world.time.pass_(chance.random() * 10)
    found["alternated"] = sum(talk.alternated for talk in talks)
    for name, limit in limits.items():
        found[f"calls of {name}"] = len(providers[name].sent_at)
        found[f"above the limit of {name}"] = providers[name].above(limit)
    return found


async def main(requests: int, order: Sequence[str], seed: int) -> None:
    limits = dict(zip(order, LIMITS, strict=False))
    with tempfile.TemporaryDirectory() as folder:
        world = World(*order, time=VirtualTime(), folder=Path(folder), limits=limits, silence_s=1.5)
        await world.start()
        try:
            found = await soak(world, requests, order, limits, seed)
        finally:
            await world.stop()
    found.setdefault("errors", 0)
    for name, count in sorted(found.items()):
        print(f"{name:<28}{count:>8}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--order", default=",".join(ORDER))
    asked = parser.parse_args()
    asyncio.run(main(asked.requests, asked.order.split(","), asked.seed))
