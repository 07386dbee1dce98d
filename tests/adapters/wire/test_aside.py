"""What is large is done in a thread, with all that its request knows; the rest at once."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar

import pytest

from adapters.base import AdapterError, ErrorKind, Json
from adapters.gemini.schema import for_parameters, for_response
from adapters.translation.schema_refs import inlined
from adapters.wire.aside import (
    ASIDE,
    FEW_STEPS,
    LARGE_BYTES,
    MANY_STEPS,
    SWITCH_S,
    USUAL_SWITCH_S,
    Aside,
    aside,
    steps,
)

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


async def test_the_loop_waits_less_for_the_thread_only_while_it_is_at_work(thread: Aside) -> None:
    def fails() -> None:
        raise ValueError

    assert await thread.do(sys.getswitchinterval) == pytest.approx(SWITCH_S)
    assert sys.getswitchinterval() == pytest.approx(USUAL_SWITCH_S)
    with pytest.raises(ValueError):
        await thread.do(fails)
    assert sys.getswitchinterval() == pytest.approx(USUAL_SWITCH_S)


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


@pytest.mark.parametrize("taken", [FEW_STEPS, FEW_STEPS + 1])
async def test_what_takes_many_steps_is_done_again_aside(thread: Aside, taken: int) -> None:
    ASIDE.set(thread)
    places = list[str]()

    def work() -> None:
        places.append(threading.current_thread().name[:5])
        for _ in range(taken):
            steps().take()

    await aside(0, work)

    here = threading.current_thread().name[:5]
    assert places == ([here] if taken == FEW_STEPS else [here, "large"])
    steps().take(MANY_STEPS)  # what is no request's own work may take all that it needs


async def test_more_than_many_steps_are_the_fault_of_the_request(thread: Aside) -> None:
    ASIDE.set(thread)

    def work() -> None:
        for _ in range(MANY_STEPS + 1):
            steps().take()

    with pytest.raises(AdapterError) as met:
        await aside(0, work)
    assert met.value.kind is ErrorKind.BAD_REQUEST
    assert (met.value.param, met.value.was_sent) == ("tools", False)


def nested(depth: int, title: str) -> Json:
    """A few bytes a level, each of which is worked out twice as often as the one above."""
    schema: Json = {"title": title, "type": "string"}
    for _ in range(depth):
        branches = [{"title": "a"}, {"title": "b"}]
        schema = {"anyOf": branches, "type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize("work", [for_parameters, for_response, inlined])
async def test_a_small_schema_that_says_much_is_worked_out_aside(
    thread: Aside, work: Callable[[Json], object]
) -> None:
    """However it multiplies: by references, by alternatives, by the length of a list."""
    ASIDE.set(thread)
    word = work.__name__
    doubling = {
        "$defs": {
            str(at): {
                "properties": {name: {"$ref": f"#/$defs/{at + 1}", "title": word} for name in "ab"}
            }
            for at in range(12)
        },
        "$ref": "#/$defs/0",
    }
    many = {"allOf": [{"enum": [f"{word}{i}" for i in range(2500)]}] * 3}
    schemas = [doubling, many] + ([nested(9, word)] if work is not inlined else [])
    for schema in schemas:
        for _ in range(2):  # the second time some of them are known, and the copying is left
            places = list[str]()

            def noted(schema: Json = schema, places: list[str] = places) -> None:
                places.append(threading.current_thread().name[:5])
                work(schema)

            await aside(0, noted)
            assert places[-1] == "large"


async def test_many_small_schemas_that_say_much_are_refused(thread: Aside) -> None:
    ASIDE.set(thread)

    def work() -> None:
        for at in range(128):
            for_parameters(nested(9, f"refused {at}"))

    with pytest.raises(AdapterError, match="too large"):
        await aside(0, work)
