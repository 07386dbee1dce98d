"""A request leaves nothing that only the collector could free: it comes late, and memory grows."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from tests.cost.calls import ANSWER, WORDS, Client, logged, no_garbage_collection, serving
from tests.cost.wires import Provider, streamed, whole
from tests.faults.dialects import DIALECTS, Dialect
from tests.proxy.doors.talks import TALKS

OURS = ("proxy.", "adapters.", "admin.")


def _garbage() -> list[str]:
    """The kinds of our objects, and our functions, that hold each other and nobody else does."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found, gc.garbage[:] = gc.garbage[:], []
    named = [one if hasattr(one, "__qualname__") else type(one) for one in found]
    return [f"{one.__module__}.{one.__qualname__}" for one in named if _is_ours(one)]


def _is_ours(named: object) -> bool:
    return str(getattr(named, "__module__", "")).startswith(OURS)


async def _left(dialect: Dialect, folder: Path) -> dict[str, list[str]]:
    """What remains of an answer and of a stream at each door."""
    provider, left = Provider(dialect), {}
    with logged(), no_garbage_collection():
        async with asyncio.timeout(60), serving(dialect, provider, folder) as server:
            client = Client(server, provider)
            for door, talk in TALKS.items():
                for _ in range(2):  # what is made once, for all requests, is none of the second
                    gc.collect()
                    await client.ask([whole(dialect.whole(ANSWER))], stream=False, talk=talk)
                    await client.ask(streamed(dialect, WORDS), stream=True, talk=talk)
                left[door] = _garbage()
    return left


@pytest.mark.heavy
@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_left_of_a_request_once_it_is_answered(name: str, tmp_path: Path) -> None:
    left = asyncio.run(_left(DIALECTS[name], tmp_path))

    assert left == {door: [] for door in TALKS}
