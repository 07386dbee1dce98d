"""Room for requests and bodies: first come, first served, and never more than there is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proxy.errors import ApiError
from proxy.gate.room import Admission, Place, Room
from tests.fakes.server import Fault, Gate
from tests.security.kit import Fakes, ask, body_of, connect, post, read_reply, serving, settings_for

pytestmark = pytest.mark.anyio


def room(size: int, *, max_waiting: int = 10, max_wait_s: float = 10) -> Room:
    return Room(size, max_waiting=max_waiting, max_wait_s=max_wait_s)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("files", "size", "line"), [(65536, 1500, 256), (256, 64, 64), (1024, 320, 256), (10, 1, 1)]
)
async def test_no_more_are_let_in_than_there_are_files_for(
    files: int, size: int, line: int
) -> None:
    admission = Admission()
    admission.fit(files)

    taken = [await admission.requests.take(1) for _ in range(size)]
    waiting = [asyncio.create_task(admission.requests.take(1)) for _ in range(line)]
    await settle()
    assert (admission.requests.taken, admission.requests.waiting) == (len(taken), line)
    with pytest.raises(ApiError):
        await admission.requests.take(1)
    for task in waiting:
        task.cancel()


async def test_the_first_to_come_is_the_first_to_be_served() -> None:
    one = room(1)
    served: list[int] = []

    async def use(number: int) -> None:
        taken = await one.take(1)
        served.append(number)
        await asyncio.sleep(0)
        one.give_back(taken)

    await asyncio.gather(*(use(number) for number in range(10)))
    assert served == list(range(10))


async def test_a_large_one_is_not_passed_by_smaller_ones() -> None:
    one = room(10)
    first = await one.take(6)
    order: list[str] = []
    large = asyncio.create_task(one.take(8))
    large.add_done_callback(lambda _: order.append("large"))
    await settle()
    small = asyncio.create_task(one.take(1))
    small.add_done_callback(lambda _: order.append("small"))
    await settle()
    assert order == []
    one.give_back(first)
    await settle()
    assert order == ["large", "small"]


async def test_more_than_there_is_takes_all_of_it() -> None:
    one = room(10)
    assert await one.take(99) == 10
    one.give_back(10)
    assert await one.take(10) == 10


async def test_a_line_that_is_too_long_refuses() -> None:
    one = room(1, max_waiting=1)
    await one.take(1)
    waiting = asyncio.create_task(one.take(1))
    await settle()
    with pytest.raises(ApiError) as refused:
        await one.take(1)
    assert (refused.value.status, refused.value.code) == (503, "overloaded")
    assert refused.value.should_retry
    one.give_back(1)
    assert await waiting == 1


async def test_waiting_has_an_end() -> None:
    one = room(1, max_wait_s=0.001)
    await one.take(1)
    with pytest.raises(ApiError, match="waiting"):
        await one.take(1)
    one.give_back(1)
    assert await one.take(1) == 1


@pytest.mark.parametrize("served_already", [False, True])
async def test_who_leaves_the_line_loses_nothing_of_the_room(served_already: bool) -> None:
    one = room(2)
    await one.take(2)
    gone = asyncio.create_task(one.take(2))
    next_one = asyncio.create_task(one.take(1))
    await settle()
    if served_already:
        one.give_back(2)
    gone.cancel()
    await settle()
    if not served_already:
        one.give_back(2)
    assert await next_one == 1
    assert await one.take(1) == 1


async def test_a_place_gives_everything_back_once() -> None:
    admission = Admission(max_requests=1, max_body_bytes=100)
    for _ in range(3):
        place = Place(admission)
        await place.hold_body(80)
        place.shrink_body(30)
        place.shrink_body(50)
        await place.enter()
        assert await admission.bodies.take(70) == 70
        admission.bodies.give_back(70)
        place.leave()
        place.leave()
    assert await admission.bodies.take(100) == 100


def test_a_server_that_is_full_says_so(fakes: Fakes, tmp_path: Path) -> None:
    gate = Gate()
    fakes.groq.then(*[Fault(hold=gate)] * 2)
    with serving(settings_for(fakes, tmp_path)) as server:
        server.parts.admission.requests = room(2, max_waiting=0)
        with connect(server.port) as first, connect(server.port) as second:
            for sock in (first, second):
                sock.sendall(post(body_of()))
            fakes.groq.wait_until(lambda _: fakes.chats == 2)
            third = ask(server.port, post(body_of()))
            assert (third.status, third.code) == (503, "overloaded")
            assert third.headers["x-should-retry"] == "true"
            gate.open()
            assert [read_reply(sock).status for sock in (first, second)] == [200, 200]
        assert ask(server.port, post(body_of())).status == 200
    assert fakes.chats == 3
