"""Whoever opens connections without end makes room for others himself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.gate.crowd import make_room
from tests.security.kit import (
    CHAT,
    HEAD,
    Fakes,
    Threaded,
    ask,
    body_of,
    connect,
    post,
    read_one,
    request,
    serving,
    settings_for,
)

MOST = 40
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"


@pytest.fixture
def server(fakes: Fakes, tmp_path: Path) -> Iterator[Threaded]:
    with serving(settings_for(fakes, tmp_path)) as one:
        one.max_connections = MOST
        yield one


@pytest.mark.parametrize("begin", [b"", b"GET / HT", BODY], ids=["idle", "half a head", "a body"])
def test_connections_without_end_hold_up_nobody(server: Threaded, begin: bytes) -> None:
    with contextlib.ExitStack() as stack, connect(server.port) as good:
        for _ in range(4 * MOST):
            sock = stack.enter_context(connect(server.port))
            with contextlib.suppress(ConnectionError):
                sock.sendall(begin)
            assert len(server.server_state.connections) <= MOST + 1
        assert ask(server.port, request("GET", "/health/ready")).status == 200
        assert ask(server.port, post(body_of("ollama/llama3.2"), CHAT)).status == 200
        with contextlib.suppress(ConnectionError):
            assert good.recv(1) == b""  # it was the one that had idled longest


def test_who_is_answered_is_left_alone(server: Threaded, fakes: Fakes) -> None:
    with contextlib.ExitStack() as stack, connect(server.port) as good:
        good.sendall(post(body_of("ollama/llama3.2"), CHAT)[:-1])
        for _ in range(MOST // 2):
            stack.enter_context(connect(server.port))
        good.sendall(b"}")
        assert read_one(good).status == 200


class Guest:
    def __init__(self, address: str | None, since: float | None) -> None:
        self.client = (address, 1) if address else None
        self.waits_since = since
        self.is_there = True

    def abort(self) -> None:
        self.is_there = False


def test_the_address_with_most_makes_room_and_who_waits_longest_goes_first() -> None:
    few = [Guest("few", 1.0) for _ in range(3)]
    answered = [Guest("many", None) for _ in range(2)]
    waiting = [Guest("many", 9.0 - at) for at in range(8)]
    guests = [*few, *answered, *waiting]

    make_room(guests, len(guests))
    assert all(one.is_there for one in guests)
    make_room(guests, len(guests) - 1)

    assert [one.is_there for one in guests] == [True] * 9 + [False] * 4
    make_room(guests, 4)
    assert [one.is_there for one in guests] == [True] * 5 + [False] * 8


def test_connections_without_an_address_are_counted_together() -> None:
    guests = [Guest(None, 1.0), Guest(None, 2.0)]

    make_room(guests, 1)

    assert not any(one.is_there for one in guests)
