"""What is large is done in a thread, with all that its request knows; the rest at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from adapters.aside import ASIDE, LARGE_BYTES, Aside, aside

pytestmark = pytest.mark.anyio

KNOWN: ContextVar[str] = ContextVar("known", default="")


@pytest.fixture
async def thread() -> AsyncIterator[Aside]:
    one = Aside()
    yield one
    await one.close()


def where() -> tuple[str, str]:
    return threading.current_thread().name, KNOWN.get()


async def test_only_what_is_large_goes_aside(thread: Aside) -> None:
    KNOWN.set("me")
    here = threading.current_thread().name
    assert await aside(LARGE_BYTES + 1, where) == (here, "me")  # nobody has a thread for it

    ASIDE.set(thread)
    assert await aside(LARGE_BYTES, where) == (here, "me")
    name, known = await aside(LARGE_BYTES + 1, where)
    assert name.startswith("large")
    assert known == "me"


async def test_one_after_the_other_while_the_loop_goes_on(thread: Aside) -> None:
    ASIDE.set(thread)
    go, order = threading.Event(), list[int]()

    def work(number: int) -> None:
        assert go.wait(10)
        order.append(number)

    tasks = [asyncio.create_task(aside(LARGE_BYTES + 1, work, number)) for number in range(3)]
    await asyncio.sleep(0)
    go.set()  # which nobody could have done, had the loop been held up
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2]


async def test_what_fails_there_fails_here(thread: Aside) -> None:
    ASIDE.set(thread)

    def fail() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        await aside(LARGE_BYTES + 1, fail)
