"""Several servers and one Valkey: what a key may ask and spend it may of all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.background import Background
from proxy.clocks import Clocks
from proxy.errors import ApiError
from proxy.limits.ticket import Ticket
from proxy.limits.windows import Limits
from proxy.store.keys.allowances import Allowances
from proxy.store.keys.lease import Lease
from proxy.store.keys.team_keys import TeamKeys, fresh
from proxy.store.usage.prices import NANO
from tests.proxy.cluster.kit import MODEL, Member, Server, members, until
from tests.proxy.store.keys.test_allowances import Books
from tests.proxy.store.usage.test_rows import NEAR, answered, row

pytestmark = pytest.mark.anyio


class Door:
    """Where one key comes in at one of several servers."""

    def __init__(self, member: Member, **limits: Any) -> None:
        team = TeamKeys()
        self.member = member
        self.allowances = Allowances(team, Books(), lambda _: 10, Background(), Clocks())
        self.allowances.together = member.replica.agree
        self.allowances.spend = member.replica.spend
        member.replica.sharing.append(self.allowances.health)
        team.replace([fresh("anna", **limits)[0]])

    async def enter(self) -> tuple[Lease, Ticket]:
        """A request that is let in, and the call it makes. Raises ApiError."""
        lease = await self.allowances.enter("anna", None)
        agree = lease.agree or self.member.replica.agree
        leave = await agree(lambda: self.member.health.admit_first([MODEL], 10))
        assert isinstance(leave, Ticket)
        return lease, leave

    async def ask(self) -> bool:
        """Whether a request is let in; it costs a dollar, and has ended when this returns."""
        try:
            lease, ticket = await self.enter()
        except ApiError as error:
            assert error.status == 429
            return False
        ticket.succeeded()
        self.allowances.settle(lease, row(answered(NEAR)))
        await self.allowances._settled("anna", "day")
        return True


async def doors(all_: Sequence[Member], **limits: Any) -> list[Door]:
    return [Door(member, **limits) for member in all_]


async def test_a_keys_own_limit_is_one_for_all_servers_and_shared_out_without_valkey(
    valkey: Server,
) -> None:
    async with members(valkey.url, 2, Limits()) as both:
        at = await doors(both, requests_per_minute=10)
        assert sum(await asyncio.gather(*(at[n % 2].ask() for n in range(30)))) == 10
        with pytest.raises(ApiError, match="10/10 requests a minute used") as met:
            await at[0].enter()
        assert 0 < (met.value.retry_after_s or 0) <= 60
        valkey.stop()
        for member, door in zip(both, at, strict=True):
            await until(lambda member=member: member.replica.problem)
            [gauge] = door.allowances.gauges("anna")
            assert gauge.limit == 5


async def test_what_one_server_let_a_key_spend_the_next_request_at_another_knows(
    valkey: Server,
) -> None:
    async with members(valkey.url, 2) as both:
        at = await doors(both, day_nano_usd=3 * NANO, month_nano_usd=9 * NANO)
        assert [await at[n % 2].ask() for n in range(6)] == [True] * 3 + [False] * 3
        with pytest.raises(ApiError, match=r"has spent \$3\.00"):
            await at[0].enter()


async def test_a_request_takes_one_round_trip_by_whatever_it_is_limited(
    valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = {
        *("requests_per_minute", "tokens_per_minute", "day_nano_usd", "month_nano_usd"),
    }
    for limits, of_key, trips in (
        (Limits(), {}, 0),
        (Limits(30), {}, 1),
        (Limits(), dict.fromkeys(limited, NANO), 1),
        (Limits(30, 5000, 1000), dict.fromkeys(limited, NANO), 1),
    ):
        async with members(valkey.url, 1, limits) as (one,):
            [door] = await doors([one], **of_key)
            asked: list[str] = []
            run = one.bus._run

            async def counted(script: str, *more: Any, run: Any = run) -> Any:
                asked.append(script)  # noqa: B023 - it is called before the next turn
                return await run(script, *more)

            monkeypatch.setattr(one.bus, "_run", counted)
            monkeypatch.setattr(one.bus, "add", None)
            _, ticket = await door.enter()
            assert len(asked) == trips
            ticket.unused()


async def test_a_key_that_may_not_takes_nothing_of_the_providers_limit(valkey: Server) -> None:
    async with members(valkey.url, 2, Limits(3)) as both:
        at = await doors(both, requests_per_minute=1)
        assert await at[0].ask()
        for _ in range(5):
            assert not await at[1].ask()
        at = await doors(both)
        assert [await at[n % 2].ask() for n in range(2)] == [True, True]


async def test_who_leaves_while_all_are_asked_gives_back_what_was_counted(
    valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with members(valkey.url, 2, Limits(1)) as (one, other):
        [door] = await doors([one], requests_per_minute=1)
        admit, is_asked = one.bus.admit, asyncio.Event()

        async def told(*question: Any) -> list[int]:
            asking = asyncio.ensure_future(admit(*question))
            await asyncio.sleep(0)
            is_asked.set()
            return await asking

        monkeypatch.setattr(one.bus, "admit", told)
        entering = asyncio.create_task(door.enter())
        await is_asked.wait()
        entering.cancel()
        await asyncio.gather(entering, return_exceptions=True)
        await until(lambda: len(one.replica._held) == 1)  # the key's part ends with the request
        assert isinstance(await other.ask(), Ticket)
