"""CPU that choosing, limits, health and the attempt loop cost a request when all is well.

    python benchmarks/bookkeeping.py [--requests 20000]

The provider is in memory and answers at once. The same answer read without a router is taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from adapters.base import Capabilities, ChatRequest, Event, Finish, ProviderSettings, Text, Usage
from proxy.candidate import Candidate
from proxy.gate.work import Rounds, Work
from proxy.limits.health import Health
from proxy.limits.ticket import Ticket
from proxy.limits.windows import Limits
from proxy.redact import Redactor
from proxy.routing.answers.receipt import Receipt
from proxy.routing.pictures.fetching import ImageFetcher
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from proxy.routing.router import Router

LIMITS = Limits(requests_per_minute=10**9, tokens_per_minute=10**12, requests_per_day=10**9)
ANSWER: list[list[Event]] = [
    [Text("Hello.")],
    [Finish("stop"), Usage(prompt=9, completion=2)],
]
REQUEST = ChatRequest("default", [{"role": "user", "content": "Hello. " * 40}])
PREFERENCE = Preference("a", chosen=True, fallback=("a", "b", "c"))


class InMemory:
    """As much of an adapter as the router asks for."""

    last_resort = False
    unconfigured = None
    settings = ProviderSettings(model="m")

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(image_urls=True)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        for batch in ANSWER:
            yield batch


def health() -> Health:
    return Health(dict.fromkeys("abc", LIMITS), clock=time.monotonic, wall=time.time)


def router() -> Router:
    async def know(_model: str) -> None:
        return None

    async def windows(_: Sequence[Candidate]) -> dict[Candidate, int]:
        return {}

    adapters: Any = {name: InMemory() for name in "abc"}
    chooser = Chooser(adapters, listed=lambda _: (), last_resort=lambda _: None)
    images = ImageFetcher("off")
    return Router(
        adapters,
        chooser,
        health(),
        know=know,
        relist=know,
        windows=windows,
        images=images,
        redactor=Redactor([]),
    )


async def cpu_us(work: Callable[[], Awaitable[None]], requests: int) -> float:
    """Microseconds of CPU that one call of `work` costs: the best of five runs."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(requests // 5):
            await work()
        best = min(best, (time.process_time() - began) / (requests // 5))
    return best * 1e6


async def measure(requests: int) -> dict[str, float]:
    """Microseconds a request: the whole way through the router, and its parts."""
    whole, alone, kept = router(), InMemory(), health()
    candidate, rounds = Candidate("a", "m"), Rounds()

    async def bare() -> None:
        async for _ in alone.chat(REQUEST):
            pass

    async def routed() -> None:
        work = Work(rounds)
        answer = await whole.chat(REQUEST, PREFERENCE, Receipt(), work)
        async for _ in answer:
            pass
        await answer.aclose()
        work.close()

    async def tickets() -> None:
        leave = kept.admit_first((candidate,), 70)
        assert isinstance(leave, Ticket)
        leave.answered()
        leave.succeeded(Usage(prompt=9, completion=2))

    without = await cpu_us(bare, requests)
    return {
        "router_us": round(await cpu_us(routed, requests) - without, 1),
        "health_us": round(await cpu_us(tickets, requests), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    print(json.dumps(asyncio.run(measure(parser.parse_args().requests))))


if __name__ == "__main__":
    main()
