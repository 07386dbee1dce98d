"""A deadline that passes while the process does not run is not the provider's fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest

from proxy.upstream.connection import GRACE_S, LATE_S, Connection, Origin


class Loop:
    """A clock that stands until it is moved, and the timer that was set last."""

    def __init__(self) -> None:
        self.now = 100.0
        self.at = 0.0
        self._fire: Callable[[], None]

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, fire: Callable[[], None]) -> Any:
        self.at, self._fire = at, fire
        return self

    def cancel(self) -> None:
        """A timer is its own handle here."""

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self._fire()


class Exchange:
    """An answer that is waited for."""

    def __init__(self) -> None:
        self.timed_out = False
        self.complete = False
        self.error = None
        self.buffered = 0

    def time_out(self, _error: object, _s: float) -> None:
        self.timed_out = True

    def feed(self, _data: bytes) -> None:
        """A byte is as good as any."""


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def waiting(loop: Loop) -> tuple[Connection, Exchange]:
    connection = Connection(Origin(False, "h", 1), cast(Any, None), cast(Any, loop))
    connection._transport = cast(Any, type("T", (), {"abort": lambda self: None})())
    exchange = Exchange()
    connection.begin(cast(Any, exchange))
    connection.arm(10, httpx.ReadTimeout)
    return connection, exchange


def test_a_silence_of_the_whole_time_is_a_timeout(
    loop: Loop, waiting: tuple[Connection, Exchange]
) -> None:
    loop.pass_(10)
    assert waiting[1].timed_out


def test_after_a_pause_what_waits_in_the_socket_is_read_first(
    loop: Loop, waiting: tuple[Connection, Exchange]
) -> None:
    connection, exchange = waiting
    loop.pass_(600)  # the process was stopped: the timer comes before the reading
    assert not exchange.timed_out
    connection.data_received(b"x")
    connection.arm(10, httpx.ReadTimeout)
    loop.pass_(GRACE_S)
    assert not exchange.timed_out


def test_after_a_pause_a_provider_that_said_nothing_has_timed_out(
    loop: Loop, waiting: tuple[Connection, Exchange]
) -> None:
    loop.pass_(10 + LATE_S + 1)
    assert not waiting[1].timed_out
    assert loop.at == pytest.approx(loop.now + GRACE_S)
    loop.pass_(GRACE_S)
    assert waiting[1].timed_out
