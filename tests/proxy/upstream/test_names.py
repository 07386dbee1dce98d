"""Names are looked up once at a time, and one that hangs holds up nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from proxy.upstream import names as module
from proxy.upstream.dial import Dialer
from proxy.upstream.names import Names
from tests.proxy.upstream.calls import until

pytestmark = pytest.mark.anyio


class Resolver:
    """A name server that answers only when told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.knows = True
        patch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, port: int, **_: Any) -> Any:
        self.asked.append(host)
        self.answers.wait(10)
        if not self.knows:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver(monkeypatch)
    yield resolver
    resolver.answers.set()


async def test_numeric_addresses_ask_nobody(resolver: Resolver) -> None:
    [(family, *_, place)] = await Names().addresses("127.0.0.1", 80)
    assert (family, place) == (socket.AF_INET, ("127.0.0.1", 80))
    [(family, *_, place)] = await Names().addresses("::1", 443)
    assert (family, place) == (socket.AF_INET6, ("::1", 443, 0, 0))
    assert resolver.asked == []


async def test_a_name_is_looked_up_once_for_all_who_wait(resolver: Resolver) -> None:
    names = Names()
    waiting = [asyncio.create_task(names.addresses("a.test", 80)) for _ in range(5)]
    await until(lambda: bool(resolver.asked))
    waiting[0].cancel()
    resolver.answers.set()
    found = await asyncio.gather(*waiting[1:])
    assert resolver.asked == ["a.test"]
    assert {place for [(*_, place)] in found} == {("127.0.0.1", 80)}
    await names.addresses("a.test", 80)  # what was found is not kept: addresses change
    assert resolver.asked == ["a.test"] * 2


async def test_a_name_nobody_knows_is_an_error_for_all(resolver: Resolver) -> None:
    resolver.knows = False
    resolver.answers.set()
    names = Names()
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await names.addresses("nowhere.test", 80)


async def test_look_ups_that_hang_are_not_without_number(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LOOKUPS", 2)
    names = Names()
    hanging = [asyncio.create_task(names.addresses(f"{n}.test", 80)) for n in range(2)]
    await until(lambda: len(resolver.asked) == 2)
    with pytest.raises(OSError, match="does not answer"):
        await names.addresses("third.test", 80)
    resolver.answers.set()
    await asyncio.gather(*hanging)
    assert await names.addresses("third.test", 80)


def test_names_that_hang_hold_up_no_numeric_address(resolver: Resolver) -> None:
    """On the loop that the server runs on, whose own look-ups have two threads for everybody."""

    async def scenario() -> None:
        dialer = Dialer(None)
        hanging = [asyncio.create_task(dialer._connected_socket(f"{n}.test", 80)) for n in range(8)]
        await until(lambda: len(resolver.asked) == 8)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            async with asyncio.timeout(5):
                with await dialer._connected_socket("127.0.0.1", port) as sock:
                    assert sock.getpeername() == ("127.0.0.1", port)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
