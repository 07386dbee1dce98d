"""How much is done in one turn of the loop, whoever wants it: counted, not timed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from starlette.types import Message, Receive

from adapters.wire import json_size
from proxy.errors import ApiError
from proxy.gate import body
from proxy.gate.body import SLICE_BYTES, read_body
from proxy.gate.room import Admission, Place
from proxy.gate.turns import TURN_BYTES, Turns

pytestmark = pytest.mark.anyio

KIB = 1024


@pytest.fixture
async def turn() -> Callable[[], int]:
    """The number of the loop's turn."""
    loop, turns = asyncio.get_running_loop(), [0]

    def go_on() -> None:
        turns[0] += 1
        loop.call_soon(go_on)

    go_on()
    return lambda: turns[0]


async def test_a_turn_has_room_for_so_much_and_the_line_is_kept(turn: Callable[[], int]) -> None:
    turns, done, served = Turns(100), Counter[int](), list[int]()

    async def work(number: int) -> None:
        await turns.take(30)
        done[turn()] += 30
        served.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(50)]
    await asyncio.sleep(0)
    for gone in (tasks.pop(20), tasks.pop(30)):  # who leaves the line takes nothing with it
        gone.cancel()
    await asyncio.gather(*tasks)

    assert served == sorted(served) and len(served) == 48
    assert max(done.values()) <= 120
    assert len(done) <= 14


async def test_of_many_large_bodies_no_turn_counts_more_than_its_share(
    turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counter[int]()

    class Counting(json_size.Values):
        def feed(self, piece: bytes | bytearray) -> None:
            counted[turn()] += len(piece)
            super().feed(piece)

    monkeypatch.setattr(body, "Values", Counting)
    admission = Admission()
    piece = b"x" * 256 * KIB
    bodies = [read_body({}, sender(piece, 8), Place(admission)) for _ in range(20)]

    assert [len(one) for one in await asyncio.gather(*bodies)] == [8 * len(piece)] * 20
    assert sum(counted.values()) == 20 * 8 * len(piece)
    assert max(counted.values()) <= TURN_BYTES + 2 * SLICE_BYTES


async def test_of_many_small_bodies_no_turn_weighs_more_than_its_share(
    turn: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    weighed = Counter[int]()

    def weigh(text: bytes | bytearray) -> int:
        weighed[turn()] += len(text)
        return json_size.read_bytes(text)

    monkeypatch.setattr(body, "read_bytes", weigh)
    admission = Admission()
    text = b"[" + b"{}," * 20_000 + b"{}]"
    await asyncio.gather(
        *(read_body({}, sender(text, 1), Place(admission, str(at))) for at in range(20))
    )

    assert sum(weighed.values()) == 20 * len(text)
    assert max(weighed.values()) <= TURN_BYTES + 2 * len(text)


async def test_too_many_values_are_refused_before_the_rest_has_come() -> None:
    admission, asked = Admission(), list[int]()
    place = Place(admission)
    with pytest.raises(ApiError) as refused:
        await read_body({}, sender(b"{}," * 40 * KIB, 200, asked), place)
    place.leave()

    assert (refused.value.status, refused.value.code) == (400, "invalid_json")
    assert (b"connection", b"close") in refused.value.headers()
    assert len(asked) == 3
    assert admission.bodies.taken == 0


def sender(piece: bytes, times: int, asked: list[int] | None = None) -> Receive:
    """So many times the same piece of a body."""
    left = times

    async def receive() -> Message:
        nonlocal left
        left -= 1
        if asked is not None:
            asked.append(left)
        return {"type": "http.request", "body": piece, "more_body": left > 0}

    return receive
