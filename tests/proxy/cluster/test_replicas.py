"""Several servers and one Valkey: what one of them uses and meets, all of them keep to."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
import valkey as library

from adapters.base import AdapterError, ErrorKind, Model, Scope, Usage
from proxy.candidate import Candidate
from proxy.cluster import replica
from proxy.limits.health import Place
from proxy.limits.ticket import Ticket, Wait
from proxy.limits.windows import Limits
from proxy.routing.planning.preference import Preference
from proxy.routing.planning.sessions import Stay, Talk
from proxy.store.kept.preferences import StoredPreference
from tests.proxy.cluster.kit import MODEL, PATIENCE_S, USUAL_S, Member, Server, members, until

NAMES = ("requests a minute", "tokens a minute")
pytestmark = pytest.mark.anyio


def refusal(kind: ErrorKind, retry_after_s: float | None = None, **more: object) -> AdapterError:
    return AdapterError(
        kind, "slow down", provider="groq", status=429, retry_after_s=retry_after_s, **more
    )


def waits(leave: Ticket | list[Wait]) -> Wait:
    assert isinstance(leave, list)
    return leave[0]


async def meets(member: Member, kind: ErrorKind) -> None:
    await until(lambda: (wait := member.health.wait(MODEL)) and wait.kind is kind)


async def test_four_servers_admit_as_many_as_one(valkey: Server) -> None:
    async with members(valkey.url, 4) as all_:
        leaves = await asyncio.gather(*(all_[n % 4].ask() for n in range(60)))
        assert sum(isinstance(leave, Ticket) for leave in leaves) == 30
        for member in all_:
            wait = waits(await member.ask())
            assert wait.kind is ErrorKind.RATE_LIMIT
            assert str(wait.gauge) == "30/30 requests a minute"
            assert 50 < wait.at - time.monotonic() <= 60


async def test_what_was_not_used_is_given_back(valkey: Server) -> None:
    async with members(valkey.url, 2) as (one, other):
        large = await one.asked(tokens=4000)
        unmade = await one.asked(tokens=2000)
        assert str(waits(await other.ask(tokens=100)).gauge) == "6000/6000 tokens a minute"
        large.succeeded(Usage(prompt=300, completion=200))
        unmade.unused()
        async with members(valkey.url, 1) as (third,):
            await until(lambda: not one.replica._held)
            assert isinstance(await third.ask(tokens=5400), Ticket)
            assert str(waits(await third.ask(tokens=200)).gauge) == "6000/6000 tokens a minute"


async def test_what_is_given_back_is_free_for_who_was_turned_away(valkey: Server) -> None:
    async with members(valkey.url, 2) as (one, other):
        large = await one.asked(tokens=5000)
        for _ in range(2):
            assert str(waits(await other.ask(tokens=2000)).gauge) == "6000/6000 tokens a minute"
        await until(lambda: other.health.wait(MODEL, 900) is None)  # as much as is left now
        assert other.health.wait(MODEL, 2000)
        large.succeeded(Usage(prompt=300, completion=200))
        await until(lambda: other.health.wait(MODEL, 2000) is None)
        assert isinstance(await other.ask(tokens=2000), Ticket)
        assert not isinstance(await other.ask(tokens=4000), Ticket)


async def test_what_a_key_spends_is_counted_by_all_and_begins_at_what_is_known(
    valkey: Server,
) -> None:
    async with members(valkey.url, 2) as (one, other):
        assert await one.replica.spend("spent:anna:day:1", 5, 100) == 105
        assert await other.replica.spend("spent:anna:day:1", 2, 0) == 107
        assert await one.replica.spend("spent:anna:day:1", 0, 0) == 107
        assert await one.replica.spend("spent:anna:day:2", 0, 0) == 0
        valkey.stop()
        assert await one.replica.spend("spent:anna:day:1", 5, 100) is None


async def test_a_provider_without_limits_is_asked_without_a_round_trip(
    valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with members(valkey.url, 1, Limits()) as (one,):
        monkeypatch.setattr(one.bus, "admit", None)
        assert isinstance(await one.ask(), Ticket)


async def test_what_one_was_told_all_know_and_when_it_ends(valkey: Server) -> None:
    cases = {
        ErrorKind.RATE_LIMIT: (40.0, Scope.MODEL),
        ErrorKind.QUOTA_DAY: (4000.0, Scope.MODEL),
        ErrorKind.AUTH: (None, Scope.KEY),
        ErrorKind.MODEL_MISSING: (None, Scope.MODEL),
    }
    for kind, (told_s, scope) in cases.items():
        async with members(valkey.url, 2) as (one, other):
            (await one.asked()).failed(refusal(kind, told_s, scope=scope))
            await meets(other, kind)
            here, there = one.health.wait(MODEL), other.health.wait(MODEL)
            assert here and there and there.said == here.said
            assert abs(here.at - there.at) < 2
            async with members(valkey.url, 1) as (late,):
                await meets(late, kind)
        valkey.stop()
        valkey.start()


async def test_one_tries_for_all_and_its_success_is_theirs(valkey: Server) -> None:
    async with members(valkey.url, 3) as all_:
        (await all_[0].asked()).failed(refusal(ErrorKind.RATE_LIMIT, 2.0))
        for member in all_:
            await until(lambda member=member: not member.health.is_well(_place()))
        await until(lambda: all(member.health.wait(MODEL) is None for member in all_))
        leaves = await asyncio.gather(*(member.ask() for member in all_))
        tries = [leave for leave in leaves if isinstance(leave, Ticket)]
        assert len(tries) == 1
        assert tries[0].is_probe
        tries[0].answered()
        tries[0].succeeded()
        for member in all_:
            await until(lambda member=member: member.health.is_well(_place()))


async def test_guesses_are_shared_too(valkey: Server) -> None:
    async with members(valkey.url, 2) as (one, other):
        for _ in range(3):
            (await one.asked()).failed(AdapterError(ErrorKind.SERVER, "oh", provider="groq"))
        await meets(other, ErrorKind.SERVER)
        wait = other.health.wait(MODEL)
        assert wait and not wait.told


async def test_they_tell_each_other_what_they_learn(valkey: Server) -> None:
    talk = Talk(b"talk", False)
    stay = Stay(Candidate("gemini", "flash"), Preference("groq", True, fallback=("gemini",)))
    async with members(valkey.url, 2) as (one, other):
        one.memory.put("call_1", "signature")
        one.sessions.settle(talk, stay.candidate, MODEL, stay.preference)
        for member in (one, other):
            member.retired.listed("groq", [Model("llama"), Model("llama-2")])
        error = refusal(ErrorKind.MODEL_MISSING)
        assert one.retired.retire("groq", "llama", error)
        one.preferences.replace([StoredPreference(provider="groq")])
        await until(lambda: other.memory.get("call_1") == "signature")
        await until(lambda: other.sessions.stays.get(b"talk") == stay)
        await until(lambda: other.retired.is_gone("groq", "llama"))
        await until(lambda: other.looked)
        one.sessions.settle(talk, MODEL, MODEL, stay.preference)
        one.retired.answered("groq", "llama")
        await until(lambda: not other.sessions.stays)
        await until(lambda: not other.retired.is_gone("groq", "llama"))


async def test_a_choice_is_told_at_once(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "LOOK_S", 3600)
    async with members(valkey.url, 2) as (one, other):
        one.preferences.replace([StoredPreference(provider="groq")])
        await until(lambda: other.looked)


async def test_what_nobody_of_us_would_say_is_passed_over(valkey: Server) -> None:
    async with members(valkey.url, 2) as (one, other):
        odd: list[object] = [
            *("text", None, [], {"of": "setback"}, {"of": "stay", "talk": 1, "stay": {}}),
            {
                "of": "setback",
                "at": ["groq", "llama", 0],
                "setback": {"kind": "none", "for_s": "x"},
            },
            {"of": "gone", "provider": 1},
            {"of": "unknown"},
            {"of": "signature"},
        ]
        for news in odd:
            await one.bus.tell(news)
        one.memory.put("after", "it")
        await until(lambda: other.memory.get("after"))
        assert other.health.wait(MODEL) is None


async def test_while_valkey_hangs_each_keeps_to_its_share(valkey: Server) -> None:
    async with members(valkey.url, 4, patience_s=USUAL_S) as all_:
        valkey.tell(signal.SIGSTOP)
        async with asyncio.timeout(20):
            leaves = [await all_[n % 4].ask() for n in range(60)]
        admitted = sum(isinstance(leave, Ticket) for leave in leaves)
        assert 4 <= admitted <= 30 + 4
        for member in all_:
            await until(lambda member=member: member.replica.problem)
            assert "1/4 of each limit" in str(member.replica.problem)
        valkey.tell(signal.SIGCONT)
        for member in all_:
            await until(lambda member=member: member.replica.problem is None)


async def test_a_password_that_was_changed_fails_no_request(valkey: Server) -> None:
    async with members(valkey.url, 1) as (one,):
        await until(lambda: one.bus.is_up)
        with library.Valkey.from_url(valkey.url) as owner:
            owner.config_set("requirepass", "new")
            await one.bus._client.connection_pool.disconnect()
            assert isinstance(await one.ask(), Ticket)
        await until(lambda: one.replica.problem)


async def hears(member: Member) -> None:
    """Wait until it waits for news."""
    async with asyncio.timeout(PATIENCE_S):
        while not (await member.bus._client.info("clients"))["blocked_clients"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_valkey_that_takes_nothing_is_one_that_is_away(valkey: Server) -> None:
    async def tell(*command: object) -> None:
        await one.bus._client.execute_command(*command)

    def turned() -> None:
        turns.append(one.bus.is_up)
        one.replica._turned()

    states = {
        ("CONFIG", "SET", "maxmemory", 1): ("CONFIG", "SET", "maxmemory", 0),
        ("REPLICAOF", "127.0.0.1", 1): ("REPLICAOF", "NO", "ONE"),
        ("SCRIPT", "FLUSH"): ("PING",),
    }
    turns: list[bool] = []
    async with members(valkey.url, 1) as (one,):
        for begin, end in states.items():
            one.bus.turned = turned
            await until(lambda: one.bus.is_up)
            await hears(one)  # which the change of role ends
            turns.clear()
            await tell(*begin)
            async with asyncio.timeout(20):
                assert isinstance(await one.ask(), Ticket)
            await until(lambda: False in turns)
            await tell(*end)
        await until(lambda: one.bus.is_up)


async def test_what_was_let_in_meanwhile_counts_for_all_once_valkey_is_back(
    valkey: Server,
) -> None:
    async with members(valkey.url, 2) as all_:
        one, other = all_
        valkey.stop()
        for member in all_:
            await until(lambda member=member: member.replica.problem)
        for member in all_:
            leaves = [await member.ask(tokens=200) for _ in range(20)]
            tickets = [leave for leave in leaves if isinstance(leave, Ticket)]
            assert len(tickets) == 15
            for ticket in tickets[1:]:
                ticket.succeeded(Usage(prompt=100, completion=50))
            tickets[0].unused()
        valkey.start()
        await until(lambda: one.replica.problem is None and other.replica.problem is None)
        await until(lambda: not any(m.replica._untold or m.replica._held for m in all_))
        assert await one.bus.used([f"{MODEL}:{name}" for name in NAMES]) == [28, 28 * 150]
        assert sum([isinstance(await member.ask(), Ticket) for member in all_ * 10]) == 2


async def test_a_valkey_that_went_and_came_back_empty_is_used_again(valkey: Server) -> None:
    async with members(valkey.url, 2) as (one, other):
        valkey.stop()
        await until(lambda: one.replica.problem and other.replica.problem)
        one.memory.put("meanwhile", "told later")
        valkey.start()
        await until(lambda: other.memory.get("meanwhile") == "told later")
        assert isinstance(await one.ask(), Ticket)


async def test_a_call_that_is_given_up_while_it_asks_holds_nothing(valkey: Server) -> None:
    async with members(valkey.url, 1, patience_s=USUAL_S) as (one,):
        valkey.tell(signal.SIGSTOP)
        asking = asyncio.create_task(one.ask())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert one.health.snapshot()[-1].gauges[0].used == 0


def _place() -> Place:
    return MODEL.provider, MODEL.model, 0
