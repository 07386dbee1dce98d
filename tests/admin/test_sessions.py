"""Sessions of the page: random, with an end, one a login and a port; and a brake for guesses."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from admin.auth import MAX_SESSIONS, SESSION_S, Gate
from admin.brake import FREE, LONGEST_S, MAX_ADDRESSES, Brake
from proxy.gate.keys import digest
from proxy.store.keys.team_keys import OWNER, TeamKey, TeamKeys

pytestmark = pytest.mark.anyio

TOKEN = "an-admin-token-of-the-tests"


class Time:
    """A clock that goes by what is slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gate(time: Time) -> Gate:
    return Gate(SecretStr(TOKEN), clock=time, wall=time, sleep=time.sleep)


def asking(*, port: int = 8000, host: str = "127.0.0.1", **headers: str) -> Request:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": lines, "client": (host, 1), "server": ("127.0.0.1", port)}
    return Request(scope)


async def cookie(gate: Gate, *, port: int = 8000, old: str = "") -> str:
    response = Response()
    assert await gate.log_in(TOKEN, asking(port=port, cookie=old), response)
    return response.headers["set-cookie"].partition(";")[0]


async def test_each_login_and_each_port_has_a_session_of_its_own(gate: Gate) -> None:
    first, second, other = [await cookie(gate, port=port) for port in (8000, 8000, 9000)]
    assert len({text.partition("=")[2] for text in (first, second, other)}) == 3
    assert first.startswith("pointsman_admin_8000=")
    assert other.startswith("pointsman_admin_9000=")
    assert await gate.who(asking(cookie=f"{other}; {second}"))
    assert not await gate.who(asking(cookie=other))


async def test_a_session_ends_after_half_a_day(gate: Gate, time: Time) -> None:
    session = asking(cookie=await cookie(gate))
    time.now += SESSION_S - 1
    assert await gate.who(session)
    assert gate.still_admits(session)
    time.now += 1
    assert not await gate.who(session)
    assert not gate.still_admits(session)
    assert SESSION_S == 12 * 3600


async def test_a_clock_that_is_set_back_makes_no_session_longer(gate: Gate, time: Time) -> None:
    session = asking(cookie=await cookie(gate))
    time.now -= 1
    assert not await gate.who(session)


async def test_a_session_can_be_ended_and_ends_with_the_next_login(gate: Gate) -> None:
    first = await cookie(gate)
    response = Response()
    await gate.log_out(asking(cookie=first), response)
    assert not await gate.who(asking(cookie=first))
    assert "Max-Age=0" in response.headers["set-cookie"]
    second = await cookie(gate)
    await cookie(gate, old=second)
    assert not await gate.who(asking(cookie=second))


async def test_a_restart_ends_every_session(gate: Gate) -> None:
    session = asking(cookie=await cookie(gate))
    assert not await Gate(SecretStr(TOKEN)).who(session)


async def test_sessions_are_bounded(gate: Gate) -> None:
    cookies = [await cookie(gate) for _ in range(MAX_SESSIONS + 1)]
    assert not await gate.who(asking(cookie=cookies[0]))
    assert await gate.who(asking(cookie=cookies[1]))


@pytest.mark.parametrize("by_header", [True, False])
async def test_wrong_tokens_are_slowed_and_then_turned_away(
    gate: Gate, time: Time, by_header: bool
) -> None:
    async def guess(token: str, host: str = "127.0.0.1") -> bool:
        if by_header:
            shown = asking(host=host, authorization=f"Bearer {token}")
            return await gate.who(shown) is not None
        return await gate.log_in(token, asking(host=host), Response())

    session = asking(cookie=await cookie(gate))
    began = time.now
    for number in range(100):
        assert not await guess(str(number))
    assert time.now - began == 100 - FREE
    assert await guess(TOKEN)  # in its turn
    assert await guess(TOKEN, "127.0.0.2")  # whose turn it is at once
    assert time.slept[-1] == 1.0
    assert await gate.who(session)


async def test_those_at_once_are_turned_away_unheard(time: Time) -> None:
    async def no_time(_: float) -> None:
        pass

    keys = TeamKeys()
    keys.replace([TeamKey("olga", digest(b"psk-olga").hex(), "olga", OWNER)])
    gate = Gate(
        SecretStr(TOKEN), passport=lambda _: "pass", keys=keys, clock=time, wall=time, sleep=no_time
    )
    heard = 0
    for _ in range(100):
        try:
            await gate.who(asking(authorization="Bearer wrong"))
            heard += 1
        except HTTPException as error:
            assert error.status_code == 429
            assert error.headers == {"retry-after": "6"}
    assert heard == FREE + LONGEST_S
    with pytest.raises(HTTPException):
        await gate.who(asking(authorization=f"Bearer {TOKEN}"))
    assert not await gate.who(asking())  # who shows nothing does not guess
    for unguessable in ("psk-olga", "pass"):
        who = await gate.who(asking(authorization=f"Bearer {unguessable}"))
        assert who and who.is_owner
    assert await gate.log_in("psk-olga", asking(), Response())
    time.now += 100
    assert await gate.who(asking(authorization=f"Bearer {TOKEN}"))


async def test_the_addresses_that_are_remembered_are_bounded(time: Time) -> None:
    brake = Brake(time, time.sleep)
    for number in range(MAX_ADDRESSES + 10):
        await brake.turn(f"10.0.{number // 256}.{number % 256}")
        time.now += 1e-4
    assert len(brake._paid_until) == MAX_ADDRESSES


async def test_right_tokens_are_never_slowed(gate: Gate, time: Time) -> None:
    for _ in range(FREE * 3):
        assert await gate.who(asking(authorization=f"Bearer {TOKEN}"))
    assert time.slept == []


async def test_a_cookie_that_was_got_over_tls_goes_over_nothing_else(gate: Gate) -> None:
    for origin, is_secure in (("https://llm.example", True), ("http://localhost:8000", False)):
        response = Response()
        assert await gate.log_in(TOKEN, asking(origin=origin), response)
        assert ("Secure" in response.headers["set-cookie"]) is is_secure
