"""Several addresses of one name: the first that answers wins, and the others leave nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import weakref
from collections.abc import Iterator

import pytest

from proxy.upstream.dial import Address, by_turns, race

pytestmark = pytest.mark.anyio


def address(port: int, host: str = "127.0.0.1") -> Address:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refusing() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that answers no SYN: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


async def test_an_address_that_refuses_makes_way_at_once(listening: int, refusing: int) -> None:
    with await race([address(refusing), address(listening)], delay_s=60) as sock:
        assert sock.getpeername()[1] == listening
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_silent_address_is_not_waited_for(listening: int, silent: int) -> None:
    before = asyncio.all_tasks()
    with await race([address(silent), address(listening)], delay_s=0.01) as sock:
        assert sock.getpeername()[1] == listening
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_when_all_refuse_their_error_comes_out(refusing: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await race([address(refusing), address(refusing)])


def test_families_take_turns() -> None:
    six: Address = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", 1, 0, 0))
    first, second, third = address(1), address(2), address(3)
    assert list(by_turns([six, first, second, third])) == [six, first, second, third]
    assert list(by_turns([first, second, third, six])) == [first, six, second, third]


async def test_a_cancelled_race_leaves_no_task_and_no_socket(listening: int, silent: int) -> None:
    before = asyncio.all_tasks()
    for turns in range(8):
        running = asyncio.create_task(race([address(silent), address(listening)], delay_s=0))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result().close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


async def test_what_was_to_be_sent_is_let_go_of_with_the_failure(refusing: int) -> None:
    class Prompt:
        """Held by the frame of who dials."""

    async def dialled() -> weakref.ref[Prompt]:
        prompt = Prompt()
        with contextlib.suppress(OSError):
            await race([address(refusing), address(refusing)])
        return weakref.ref(prompt)

    gc.disable()
    try:
        assert (await dialled())() is None
    finally:
        gc.enable()
