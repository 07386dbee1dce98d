"""Hostile and good traffic side by side: the good is answered, and the memory comes back.

Server, attackers, and good client with its provider are a process each. POINTSMAN_SOAK=1 makes it
long, and measures how much longer a good request takes than beside the same attacks on another
server: they take as much of the machine, and nothing of this one. Of three turns each the quietest
counts, as the machine may have other work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.security.hostile import PINNED, Attackers, attackers_running, talk
from tests.security.kit import (
    CHAT,
    SOAK,
    Fakes,
    Process,
    body_of,
    fakes_running,
    post,
    process,
    sized,
)

pytestmark = pytest.mark.anyio

GOOD_ONES = sized(40, 1500)
ROUNDS = sized(2, 20)
TURNS = sized(1, 3)
MIB = 2**20


@pytest.fixture
def attackers() -> Iterator[Attackers]:
    with attackers_running() as running:
        yield running


@pytest.fixture
def one(attackers: Attackers, tmp_path: Path) -> Iterator[tuple[Process, Fakes]]:
    with (
        fakes_running() as fakes,
        process(fakes, tmp_path, GROQ_BASE_URL=attackers.url) as server,
    ):
        yield server, fakes


async def test_good_requests_are_answered_beside_hostile_ones(
    one: tuple[Process, Fakes], attackers: Attackers, tmp_path: Path
) -> None:
    server, fakes = one
    statuses: set[int] = set()
    control: list[float] = []
    beside: list[float] = []
    await good(server)
    if SOAK:
        await attacked(attackers, server, server, rounds=2)  # what comes in with the first
    before = server.rss_bytes()
    for at in range(TURNS):
        if SOAK:
            with process(fakes, tmp_path / str(at), GROQ_BASE_URL=attackers.url) as other:
                control.append(p99((await attacked(attackers, other, server))[0]))
        took, came = await attacked(attackers, server, server)
        beside.append(p99(took))
        statuses |= came
        fakes.forget()

    assert statuses
    assert statuses <= {200, 400, 431, 502, 503}  # never our own 500
    assert "Traceback" not in server.said
    if SOAK:
        assert min(beside) < 3 * min(control), (beside, control)
        await settled(lambda: server.rss_bytes() < before + 10 * MIB)
    assert server.rss_bytes() < before + 100 * MIB


async def attacked(
    attackers: Attackers, victim: Process, server: Process, rounds: int = ROUNDS
) -> tuple[list[float], set[int]]:
    """How long good requests to `server` took beside an attack on `victim`, and its statuses."""
    attackers.begin(victim.port, rounds)
    ending = asyncio.create_task(asyncio.to_thread(attackers.end))
    took = await good(server, until=ending.done)
    return took, await ending


async def good(server: Process, until: Callable[[], bool] = lambda: True) -> list[float]:
    """How long each of many good requests took; all are answered."""
    took: list[float] = []
    while len(took) < GOOD_ONES or not until():
        began = time.monotonic()
        answer = await talk(server.port, post(body_of("ollama/llama3.2"), CHAT, **PINNED))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
        took.append(time.monotonic() - began)
    return took


async def settled(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.5)


def p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]
