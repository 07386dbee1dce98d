"""Who has shown the admin token at one server is known at all of them, until it is over."""

from __future__ import annotations

import time

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from admin.auth import SESSION_S, Gate, Who
from proxy.store.keys.team_keys import TeamKeys, fresh
from tests.proxy.cluster.kit import Member, Server, members, until

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-the-owner"


def gate_of(member: Member) -> Gate:
    return Gate(SecretStr(TOKEN), shared=member.replica.sessions)


def asking(port: int, cookie: str = "", host: str = "front:8080") -> Request:
    """A request that a server at `port` gets from a balancer."""
    lines = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/admin",
        "query_string": b"",
        "headers": lines,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", port),
    }
    return Request(scope)


async def cookie_of(gate: Gate, port: int, host: str = "front:8080") -> str:
    response = Response()
    assert await gate.log_in(TOKEN, asking(port, host=host), response)
    return response.headers["set-cookie"].partition(";")[0]


async def test_a_session_holds_at_every_server_at_once_and_ends_at_all(valkey: Server) -> None:
    async with members(valkey.url, 2) as all_:
        one, other = map(gate_of, all_)
        cookie = await cookie_of(one, 8001)
        assert await other.who(asking(8002, cookie))
        assert other.still_admits(asking(8002, cookie))
        assert not await other.who(asking(8002, cookie + "x"))
        assert not await other.who(asking(8002))
        await one.log_out(asking(8001, cookie), Response())
        await until(lambda: not other.still_admits(asking(8002, cookie)))
        assert not await other.who(asking(8002, cookie))


async def test_who_came_by_a_key_is_nobody_else_at_another_server(valkey: Server) -> None:
    async with members(valkey.url, 2) as all_:
        made, shown = fresh("anna")
        keys = TeamKeys()
        keys.replace([made])
        one, other = [
            Gate(SecretStr(TOKEN), keys=keys, shared=member.replica.sessions) for member in all_
        ]
        response = Response()
        assert await one.log_in(shown, asking(8001), response)
        cookie = response.headers["set-cookie"].partition(";")[0]
        assert await other.who(asking(8002, cookie)) == Who("anna", is_owner=False)


async def test_its_name_has_the_port_that_the_browser_knows() -> None:
    gate = Gate(SecretStr(TOKEN))
    ports = {"front:8080": 8080, "front": 80, "[::1]": 80, "[::1]:81": 81, "a:99999": 99999}
    for host, port in ports.items():
        cookie = await cookie_of(gate, 8001, host)
        assert cookie.startswith(f"pointsman_admin_{port}=")
        assert await gate.who(asking(8002, cookie, host))


async def test_it_ends_everywhere_at_the_same_time(valkey: Server) -> None:
    async with members(valkey.url, 2) as all_:
        now = time.time()
        one, other = [
            Gate(SecretStr(TOKEN), wall=lambda: now, shared=member.replica.sessions)
            for member in all_
        ]
        cookie = await cookie_of(one, 8001)
        assert await other.who(asking(8002, cookie))
        now += SESSION_S
        assert not other.still_admits(asking(8002, cookie))


async def test_without_valkey_it_holds_where_it_began(valkey: Server) -> None:
    async with members(valkey.url, 2) as all_:
        one, other = map(gate_of, all_)
        valkey.stop()
        await until(lambda: all(member.replica.problem for member in all_))
        cookie = await cookie_of(one, 8001)
        assert await one.who(asking(8001, cookie))
        assert not await other.who(asking(8002, cookie))
