"""The room that kept answers have, and for how long they are kept."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Finish, Text
from proxy.candidate import Candidate
from proxy.routing.answers.receipt import Receipt
from proxy.routing.cache import AnswerCache, InMemory
from tests.proxy.routing.kit import Clock

pytestmark = pytest.mark.anyio

HERE = Candidate("north", "m")


class _Answer:
    def __init__(self, text: str, receipt: Receipt) -> None:
        self._batches = iter([[Text(text)], [Finish("stop")]])
        self._receipt = receipt
        receipt.considered = [HERE]
        receipt.tried(HERE, 200, None)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> list[Any]:
        for batch in self._batches:
            self._receipt.note(batch)
            return batch
        raise StopAsyncIteration

    async def aclose(self) -> None:
        return None


async def _asked(cache: AnswerCache, key: bytes, text: str = "Hi.") -> bool:
    """Whether a provider was asked."""
    calls = []
    receipt = Receipt()

    async def ask() -> _Answer:
        calls.append(key)
        return _Answer(text, receipt)

    answer = await cache.answer(ask, key, receipt, fresh=False)
    found = [event async for batch in answer for event in batch]
    await answer.aclose()
    assert found == [Text(text), Finish("stop")]
    assert calls or receipt.brought >= len(text)  # a large one is told beside the others
    return bool(calls)


async def test_it_is_kept_for_its_time() -> None:
    clock = Clock()
    cache = AnswerCache(InMemory(10_000, 60, clock))
    assert await _asked(cache, b"a")
    clock.now_s += 59
    assert not await _asked(cache, b"a")
    clock.now_s += 1
    assert await _asked(cache, b"a")


async def test_the_least_used_goes_where_there_is_no_more_room() -> None:
    shelf = InMemory(2000, 60, Clock())
    cache = AnswerCache(shelf)
    for key in (b"a", b"b", b"c"):
        assert await _asked(cache, key, key.decode() * 200)
    assert not await _asked(cache, b"a", "a" * 200)
    for i in range(8):
        await _asked(cache, b"%d" % i, "x" * 150)
        await _asked(cache, b"a", "a" * 200)
    assert await _asked(cache, b"b", "b" * 200)
    assert shelf.size <= 2000


async def test_one_that_is_too_large_is_not_kept() -> None:
    cache = AnswerCache(InMemory(2000, 60, Clock()))
    for _ in range(2):
        assert await _asked(cache, b"a", "x" * 1000)
