"""What the status tells: of each provider, of who answers, of the apps, of the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.base import (
    Availability,
    ErrorKind,
    Model,
    ProviderSettings,
    RateLimits,
    Scope,
)
from proxy.candidate import Candidate
from proxy.limits.ticket import Ticket
from proxy.limits.windows import Limits
from tests.admin.kit import Desk, desk
from tests.proxy.kit import HANG, adapter_class, failure
from tests.proxy.store.usage.test_rows import failed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


def admitted(owner: Desk, provider: str, model: str | None = None) -> Ticket:
    ticket = owner.parts.health.admit(Candidate(provider, model or f"{provider}-model"))
    assert isinstance(ticket, Ticket)
    return ticket


async def until(owner: Desk, holds: Callable[[Any], bool]) -> Any:
    """The first status for which `holds` is true."""
    for _ in range(1000):
        if holds(status := await owner.status()):
            return status
        await asyncio.sleep(0.01)
    raise AssertionError(status)


async def test_it_tells_what_a_choice_needs(owner: Desk) -> None:
    status = await owner.status()
    near = status["providers"][0]
    assert [one["id"] for one in status["providers"]] == ["near", "far"]
    assert (near["title"], near["local"], near["model"]) == ("Near", True, "near-model")
    assert (near["unconfigured"], near["key"], near["pause"]) == (None, False, None)
    assert status["powered_by"] == {
        "provider": "near",
        "title": "Near",
        "model": "near-model",
        "instead_of": None,
    }
    assert status["preference"]["fallback"] == ["near", "far"]
    assert status["store"] == {"problem": None}
    assert status["vectors_by"] is None


async def test_what_is_not_set_up_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    far = adapter_class("far")
    far.script.unset = "FAR_API_KEY is not set"
    async with desk(monkeypatch, tmp_path, far) as owner:
        status = await owner.status()
        assert status["providers"][0]["unconfigured"] == "FAR_API_KEY is not set"
        assert status["powered_by"] is None
        tested = await owner.client.post("/admin/api/test", json={"provider": "far"})
        assert tested.json() == {
            "provider": "far",
            "ok": False,
            "detail": "FAR_API_KEY is not set",
        }


async def test_providers_are_asked_behind_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Silent(adapter_class("silent")):  # type: ignore[misc] # made at run time
        async def is_available(self) -> Availability:
            await asyncio.Event().wait()
            raise AssertionError

    class Down(adapter_class("down")):  # type: ignore[misc] # made at run time
        async def is_available(self) -> Availability:
            return Availability(False, "nobody is there")

    Silent.script.listed = HANG
    async with desk(monkeypatch, tmp_path, Silent, Down) as owner:
        assert [one["reachable"] for one in (await owner.status())["providers"]] == [None, None]
        status = await until(owner, lambda s: s["providers"][1]["reachable"] is False)
        assert status["providers"][1]["detail"] == "nobody is there"
        assert status["providers"][0]["reachable"] is None


async def test_it_offers_the_models_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    far, near = adapter_class("far"), adapter_class("near")
    far.script.listed = [Model("zeta"), Model("alpha"), Model("alpha")]
    near.script.listed = [Model("near-model:latest")]
    async with desk(monkeypatch, tmp_path, far, near) as owner:
        status = await until(owner, lambda s: len(s["providers"][0]["models"]) > 1)
        assert status["providers"][0]["models"] == ["far-model", "alpha", "zeta"]
        assert status["providers"][1]["models"] == ["near-model:latest"]


async def test_the_model_chosen_is_the_one_shown(owner: Desk) -> None:
    await owner.put({"models": {"far": "big"}, "default_llm_provider": "far"})
    status = await owner.status()
    assert status["powered_by"]["model"] == "big"
    assert (await owner.provider("far"))["model"] == "big"


async def test_a_told_wait_shows_why_and_when_it_ends(owner: Desk) -> None:
    admitted(owner, "near").failed(failure(ErrorKind.RATE_LIMIT, retry_after_s=40))
    status = await owner.status()
    pause = status["providers"][0]["pause"]
    assert (pause["state"], pause["reason"]) == ("cooling", "rate limit")
    assert 38 <= pause["ends_at"] - time.time() <= 41
    assert status["powered_by"]["provider"] == "far"
    assert status["powered_by"]["instead_of"] == "Near"


async def test_a_pause_of_a_whole_provider_is_its_models_too(owner: Desk) -> None:
    admitted(owner, "near").failed(failure(ErrorKind.AUTH, scope=Scope.KEY))
    assert (await owner.provider("near"))["pause"]["reason"] == "auth"


async def test_the_pause_of_another_model_stands_beside(owner: Desk) -> None:
    admitted(owner, "near", "other").failed(failure(ErrorKind.QUOTA_DAY, retry_after_s=7200))
    near = await owner.provider("near")
    assert near["pause"] is None
    assert [(one["model"], one["reason"]) for one in near["pauses"]] == [("other", "quota day")]


async def test_a_guess_is_told_from_a_wait_that_was_told(owner: Desk) -> None:
    for _ in range(3):
        admitted(owner, "near").failed(failure(ErrorKind.SERVER))
    assert (await owner.provider("near"))["pause"]["state"] == "open"


async def test_a_full_window_shows_when_the_next_request_may_come(owner: Desk) -> None:
    owner.parts.health.keep_to({"near": Limits(requests_per_minute=2)})
    admitted(owner, "near").succeeded()
    near = await owner.provider("near")
    assert near["windows"][0] | {"free_at": 0} == {
        "name": "requests a minute",
        "used": 1,
        "limit": 2,
        "free_at": 0,
    }
    assert (near["windows"][0]["free_at"], near["pause"]) == (None, None)
    admitted(owner, "near").succeeded()
    near = await owner.provider("near")
    assert near["windows"][0]["used"] == 2
    assert near["windows"][0]["free_at"] == near["pause"]["ends_at"]
    assert near["pause"]["state"] == "full"


async def test_limits_are_shown_before_anything_was_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path) as owner:
        settings = owner.parts.adapters["far"].settings
        owner.parts.adapters["far"].settings = settings.model_copy(
            update={
                "rate_limit_enabled": True,
                "rate_limit_requests_per_minute": 30,
                "rate_limit_requests_per_day": 1000,
            }
        )
        far = await owner.provider("far")
        assert [(one["used"], one["limit"]) for one in far["windows"]] == [(0, 30), (0, 1000)]
        assert far["day"] == {"left": 1000, "limit": 1000}
        await owner.put({"rate_preset": "off"})
        assert (await owner.provider("far"))["windows"] == []


async def test_a_new_rate_preset_holds_for_the_next_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Limited(ProviderSettings):
        careful_requests_per_minute: ClassVar[int | None] = 1

    async with desk(monkeypatch, tmp_path, adapter_class("far")) as owner:
        owner.parts.adapters["far"].settings = Limited(model="far-model")
        admitted(owner, "far").succeeded()
        await owner.put({"rate_preset": "careful"})
        await until(owner, lambda s: s["providers"][0]["windows"] != [])
        admitted(owner, "far").succeeded()
        refused = await owner.ask()
        assert refused.status_code == 429
        assert (await owner.provider("far"))["pause"]["reason"] == "1 of 1 requests a minute"


async def test_the_day_that_the_provider_tells_is_shown(owner: Desk) -> None:
    ticket = admitted(owner, "far")
    ticket.observed(RateLimits(limit_requests=1000, remaining_requests=400))
    ticket.succeeded()
    assert (await owner.provider("far"))["day"]["limit"] == 1000
    assert 398 <= (await owner.provider("far"))["day"]["left"] <= 401


async def test_speed_and_the_last_failure_are_what_was_recorded(owner: Desk) -> None:
    recorder = owner.parts.monitors.recorder
    for total_s in (1.0, 2.0, 3.0):
        recorder.answered("far", 0.5, total_s, 100, True)
    recorder.ended(failed(failure(ErrorKind.STALL, "far")))
    far = await owner.provider("far")
    assert (far["speed"]["answers"], far["speed"]["failures"]) == (3, 1)
    assert (far["speed"]["first_s"], far["speed"]["p50_s"], far["speed"]["p95_s"]) == (0.5, 2, 3)
    assert (far["last_error"]["kind"], far["last_error"]["text"]) == ("stall", "failed with stall")


async def test_apps_are_those_that_asked_or_have_a_choice(owner: Desk) -> None:
    await owner.ask(headers={"authorization": "Bearer app-notes"})
    await owner.ask(headers={"authorization": "Bearer app-notes"})
    await owner.put({"default_llm_provider": "far"}, app="mail")
    apps = {app["id"]: app for app in (await owner.status())["apps"]}
    assert (apps["notes"]["requests"], apps["notes"]["provider"]) == (2, None)
    assert (apps["mail"]["requests"], apps["mail"]["provider"]) == (0, "far")
    assert apps["mail"]["last_at"] is None


async def test_a_broken_database_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.joinpath("folder").mkdir()
    url = f"sqlite:///{tmp_path / 'folder'}"
    async with desk(monkeypatch, tmp_path, database_url=url) as owner:
        refused = await owner.put({"default_llm_provider": "far"})
        assert refused.status_code == 503
        assert (await owner.status())["store"]["problem"]
        assert (await owner.ask()).status_code == 200


async def test_a_test_asks_the_provider_now(owner: Desk) -> None:
    answer = await owner.client.post("/admin/api/test", json={"provider": "far"})
    assert answer.json() == {"provider": "far", "ok": True, "detail": ""}
    assert (await owner.provider("far"))["reachable"] is True


@pytest.mark.parametrize("body", [{}, {"provider": "nowhere"}, {"provider": 3}, {"url": "x"}])
async def test_a_test_takes_nothing_but_a_provider(owner: Desk, body: Any) -> None:
    answer = await owner.client.post("/admin/api/test", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "provider"
