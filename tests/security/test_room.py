"""Room for requests and bodies: first come, first served, and never more than there is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.types import Message, Receive

from proxy.errors import ApiError
from proxy.gate import body as body_module
from proxy.gate.body import read_body
from proxy.gate.memory import memory_limit
from proxy.gate.room import SMALL_BODY_BYTES, Admission, Place, Room
from tests.fakes.gate import Gate
from tests.fakes.server import Fault
from tests.security.kit import Fakes, ask, body_of, connect, post, read_reply, serving, settings_for

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


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


async def test_no_client_gets_all_and_the_next_one_passes_it_in_line() -> None:
    one = room(80)
    for _ in range(70):
        await one.take(1, "greedy")
    more = asyncio.create_task(one.take(1, "greedy"))
    await settle()
    assert not more.done()

    assert [await one.take(1, "other") for _ in range(10)] == [1] * 10
    for _ in range(10):
        one.give_back(1, "other")
    await settle()
    assert not more.done()
    one.give_back(1, "greedy")
    assert await more == 1


async def test_no_client_fills_the_line() -> None:
    one = room(8, max_waiting=16)
    await one.take(8)
    waiting = [asyncio.create_task(one.take(1, "greedy")) for _ in range(14)]
    await settle()
    with pytest.raises(ApiError):
        await one.take(1, "greedy")
    other = asyncio.create_task(one.take(1, "other"))
    await settle()

    assert one.waiting == 15
    for task in (*waiting, other):
        task.cancel()


async def test_what_clients_held_is_forgotten_with_them() -> None:
    one = room(100)
    for at in range(1000):
        one.give_back(await one.take(3, f"client {at}"), f"client {at}")

    assert one.taken == 0
    assert not one._held


async def test_a_body_of_many_small_values_takes_the_room_of_a_large_one() -> None:
    admission = Admission()
    place = Place(admission)
    body = b"[" + b"{}," * 41_000 + b"{}]"

    assert len(body) < SMALL_BODY_BYTES
    assert await read_body({}, receiver(body), place) == body
    assert admission.bodies.taken > 3 * 1024 * 1024
    place.leave()
    assert admission.bodies.taken == 0


async def test_a_body_of_text_takes_none() -> None:
    admission = Admission()
    body = b'{"a":"%b"}' % (b"x" * 120_000)

    await read_body({}, receiver(body), Place(admission))

    assert admission.bodies.taken == 0


async def test_who_has_room_and_turns_out_to_need_more_than_there_is_is_refused_at_once() -> None:
    admission = Admission(max_body_bytes=400_000)
    place, other = Place(admission), Place(admission)
    body = b"{}," * 66_000
    await other.hold_body(150_000)
    with pytest.raises(ApiError):
        await read_body({b"content-length": b"200000"}, receiver(body), place)
    place.leave()
    other.leave()
    assert await read_body({b"content-length": b"200000"}, receiver(body), place) == body
    assert admission.bodies.taken == 400_000  # all there is, for one
    place.leave()

    assert admission.bodies.taken == 0


def test_there_is_room_for_as_much_as_the_container_has_memory_for(tmp_path: Path) -> None:
    groups = tmp_path / "sys/fs/cgroup"
    cases = {
        ("0::/a/b", "memory.max"): {"a/b": "max", "a": f"{512 * MIB}", "": "max"},
        ("0::/", "memory.max"): {"": f"{512 * MIB}\n"},
        ("5:cpu:/x\n4:memory:/docker/1", "memory/memory.limit_in_bytes"): {"": f"{512 * MIB}"},
    }
    (tmp_path / "proc/self").mkdir(parents=True)
    for (told, name), limits in cases.items():
        (tmp_path / "proc/self/cgroup").write_text(told, "utf-8")
        for folder, limit in limits.items():
            file = groups / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(limit, "ascii")
        assert memory_limit(tmp_path) == 512 * MIB
    usual = memory_limit(tmp_path / "nowhere")
    assert usual is None or usual > 512 * MIB
    for memory_bytes, room in ((512 * MIB, 104 * MIB), (64 * MIB, 16 * MIB), (1 << 40, 192 * MIB)):
        admission = Admission()
        admission.fit(65536, memory_bytes)
        assert admission.bodies.most() == room


async def test_who_sends_a_large_body_slowly_holds_what_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_module, "STEADY_S", 0.0)
    monkeypatch.setattr(body_module, "STEADY_BYTES_A_S", 10**12)
    admission = Admission()
    place = Place(admission)
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive() -> Message:
        return {"type": "http.request", "body": await pieces.get(), "more_body": True}

    told = {b"content-length": b"30000000"}
    reading = asyncio.create_task(read_body(told, receive, place))
    pieces.put_nowait(b"x" * 140_000)
    while admission.bodies.taken != 140_000:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
    pieces.put_nowait(b"x" * 1000)
    while admission.bodies.taken != 141_000:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
    reading.cancel()
    place.leave()

    assert admission.bodies.taken == 0


def receiver(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
