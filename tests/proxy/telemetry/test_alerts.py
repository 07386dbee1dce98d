"""Alerts: once a crossing, on the page, in the log, at the webhook; never in a request's way."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from pydantic import SecretStr

from adapters.base import ErrorKind, Usage
from proxy.limits.health import DayQuota
from proxy.limits.windows import Limits
from proxy.store.usage.prices import Price
from proxy.telemetry.alerts import LEAST_REQUESTS, Alarm, Reading
from proxy.telemetry.webhook import post
from tests.admin.kit import Desk, desk
from tests.fakes.gate import Gate
from tests.fakes.server import Answer, FakeServer, Fault, Request
from tests.proxy.kit import failure
from tests.proxy.store.usage.test_rows import NEAR, answered, row, script
from tests.proxy.upstream.raw_server import always, answer, raw_server

pytestmark = pytest.mark.anyio

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
PATH = "/hook/of-nobody-else"


class Hook(FakeServer):
    """The owner's webhook: takes whatever comes."""

    chat_paths = (PATH,)

    def respond(self, request: Request) -> Answer:
        return Answer(204)

    @property
    def secret(self) -> SecretStr:
        return SecretStr(f"{self.url}{PATH}")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as opened:
        yield opened


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hook: Hook) -> Callable[..., Any]:
    """A server with thresholds, whose webhook is `hook`."""

    @asynccontextmanager
    async def opened(**thresholds: float) -> AsyncIterator[Desk]:
        given = {f"alert_{name}": value for name, value in thresholds.items()}
        async with desk(monkeypatch, tmp_path, alert_webhook=hook.secret, **given) as owner:
            yield owner

    return opened


def reading(value: float, subject: str | None = None) -> Reading:
    return Reading("error_rate", subject, value, 0.8, "")


# Once a crossing


def told(alarm: Alarm, *values: float, day: date = MONDAY) -> list[float]:
    """Those of the values that were news, one look after the other."""
    return [one.value for value in values for one in alarm.crossed([reading(value)], day)]


def test_a_crossing_is_told_once() -> None:
    assert told(Alarm(), 0.1, 0.79, 0.8, 0.9, 1.0) == [0.8]


def test_a_value_that_trembles_at_its_threshold_is_told_once() -> None:
    assert told(Alarm(), 0.81, 0.79, 0.82, 0.7, 0.83, 0.61, 0.84) == [0.81]


def test_a_value_that_had_fallen_well_below_is_told_again() -> None:
    assert told(Alarm(), 0.81, 0.59, 0.79, 0.82) == [0.81, 0.82]


def test_a_new_day_is_told_of_again() -> None:
    alarm = Alarm()

    assert told(alarm, 0.9, 0.91) == [0.9]
    assert told(alarm, 0.92, 0.93, day=TUESDAY) == [0.92]


def test_each_provider_has_crossings_of_its_own() -> None:
    alarm = Alarm()

    assert len(alarm.crossed([reading(0.9, "near"), reading(0.9, "far")], MONDAY)) == 2
    assert alarm.crossed([reading(0.9, "near"), reading(0.1, "far")], MONDAY) == []


# What is looked at


async def alerts(owner: Desk) -> Any:
    return (await owner.get("/admin/api/usage"))["alerts"]


async def raised(owner: Desk) -> list[tuple[str, str | None, float]]:
    """Kind, subject and value of each alert after one more look, the newest first."""
    await owner.parts.alerts.look()
    return [(one["kind"], one["subject"], one["value"]) for one in (await alerts(owner))["raised"]]


async def test_without_thresholds_nothing_is_looked_at(served: Any) -> None:
    async with served() as owner:
        owner.parts.health.restore([DayQuota("far", None, 4e9)])
        await asyncio.wait_for(owner.parts.alerts.watch(), 5)

        assert await raised(owner) == []
        assert (await alerts(owner))["thresholds"]["day_quota"] is None


async def test_a_days_quota_that_runs_out_is_told(served: Any) -> None:
    async with served(day_quota=0.5) as owner:
        owner.parts.health.keep_to({"near": Limits(requests_per_day=4)})
        await owner.ask()
        assert await raised(owner) == []
        await owner.ask()

        assert await raised(owner) == [("day_quota", "near", 0.5)]
        [alert] = (await alerts(owner))["raised"]
        assert alert["text"] == "near has used 2 of 4 requests a day"


async def test_a_day_quota_that_the_provider_calls_spent_is_told(served: Any) -> None:
    async with served(day_quota=0.9) as owner:
        owner.parts.health.restore([DayQuota("far", "far-model", 4e9)])

        assert await raised(owner) == [("day_quota", "far", 1.0)]


async def fail(owner: Desk, times: int) -> None:
    for name in ("near", "far"):
        broken = [failure(ErrorKind.BAD_REQUEST, name, status=400)]
        script(owner, name).play(*[broken] * times)
    for _ in range(times):
        await owner.ask()
    await owner.parts.storage.flush()


async def test_errors_are_told_of_enough_requests(served: Any) -> None:
    async with served(error_rate=0.1) as owner:
        await fail(owner, 2)
        assert await raised(owner) == []
        for _ in range(LEAST_REQUESTS - 2):
            await owner.ask()
        await owner.parts.storage.flush()

        assert await raised(owner) == [("error_rate", None, 2 / LEAST_REQUESTS)]


async def test_costs_are_told(served: Any) -> None:
    async with served(cost_usd=1.5) as owner:
        await owner.parts.storage.flush()
        now = owner.parts.alerts._wall()
        request = row(answered(NEAR, usage=Usage(1, 1)), at=now)
        for _ in range(2):
            assert await raised(owner) == []
            owner.parts.storage._database.append([request.columns(Price(750_000_000, billed=True))])

        assert await raised(owner) == [("cost_usd", None, 1.5)]


# The webhook


async def test_the_webhook_is_told_once(served: Any, hook: Hook) -> None:
    async with served(day_quota=0.9) as owner:
        owner.parts.health.restore([DayQuota("far", None, 4e9)])
        for _ in range(3):
            await owner.parts.alerts.look()

    [request] = hook.requests
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["content-type"] == "application/json"
    sent = request.json
    assert sent.pop("at") > 1_700_000_000
    assert sent == {
        "event": "alert",
        "kind": "day_quota",
        "subject": "far",
        "value": 1.0,
        "threshold": 0.9,
        "text": "far says that the quota of the day is used up",
    }


async def test_nothing_that_was_said_or_is_secret_is_sent(served: Any, hook: Hook) -> None:
    async with served(error_rate=0.1, day_quota=0.1) as owner:
        owner.parts.health.keep_to({"near": Limits(requests_per_day=4)})
        key = {"authorization": "Bearer app-SECRET"}
        for _ in range(LEAST_REQUESTS):
            await owner.client.post("/v1/chat/completions", json={"SECRET": 1}, headers=key)
            await owner.ask("near/SECRET-model", headers=key)
        await owner.parts.storage.flush()
        await owner.parts.alerts.look()

        shown = json.dumps(await alerts(owner))
    assert len(hook.requests) == 2
    for request in hook.requests:
        assert b"SECRET" not in request.body
    assert hook.url not in shown


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


FAULTS = {
    "refused": (Fault(answer=Answer(500)), "it answered 500"),
    "moved": (Fault(answer=Answer(302, (("location", "/elsewhere"),))), "it answered 302"),
    "cut": (Fault(answer=Answer(200, body=(b"x",)), hold=Gate()), "TimeoutError"),
}


@pytest.mark.parametrize(("fault", "word"), FAULTS.values(), ids=FAULTS)
async def test_a_webhook_that_fails_is_logged(
    hook: Hook,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    word: str,
) -> None:
    if word == "TimeoutError":
        monkeypatch.setattr("proxy.telemetry.webhook.TIMEOUT_S", 0.05)
    hook.then(fault)

    with caplog.at_level(logging.WARNING, "pointsman.alerts"):
        await post(client, hook.secret, {})

    [line] = caplog.messages
    assert word in line and PATH not in line
    assert len(hook.requests) <= 1  # none where its time is up before it is reached


async def test_a_webhook_that_is_gone_is_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await post(client, SecretStr("http://127.0.0.1:1/secret"), {})

    assert caplog.messages == ["the webhook did not take an alert: ConnectError"]


async def test_a_webhook_with_a_wrong_certificate_is_told_nothing(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async with raw_server(always(answer()), context) as server:
        await post(client, SecretStr(server.url), {"secret": 1})

    assert caplog.messages == ["the webhook did not take an alert: ConnectError"]


async def test_requests_are_answered_while_the_webhook_hangs(served: Any, hook: Hook) -> None:
    async with served(day_quota=0.9) as owner:
        owner.parts.health.restore([DayQuota("far", None, 4e9)])
        hook.then(Fault(hold=Gate()))
        looking = asyncio.create_task(owner.parts.alerts.look())
        await asyncio.to_thread(hook.wait_until, lambda fake: len(fake.requests) == 1)

        assert (await owner.ask()).status_code == 200
        assert len((await alerts(owner))["raised"]) == 1
        assert not looking.done()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_a_look_that_fails_is_not_the_last(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("proxy.telemetry.alerts.LOOK_S", 0)
    looks = asyncio.Semaphore(0)

    async def look() -> None:
        looks.release()
        raise RuntimeError("a bug")

    async with served(day_quota=0.9) as owner:
        monkeypatch.setattr(owner.parts.alerts, "look", look)
        for _ in range(3):
            await asyncio.wait_for(looks.acquire(), 5)

    assert "looking for alerts failed" in caplog.text
