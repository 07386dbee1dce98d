"""`/api/user/preferences`: what is chosen, for whom, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.store.storage import StoreError
from tests.admin.kit import JSON, PREFERENCES, Desk, desk

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


async def provider_of(owner: Desk, **given: Any) -> str | None:
    answer = await owner.ask(**given)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-pointsman-provider"]


async def test_the_settings_hold_while_nothing_is_chosen(owner: Desk) -> None:
    told = await owner.get(PREFERENCES)
    assert (told["id"], told["default_llm_provider"], told["rate_preset"]) == (
        "default",
        "near",
        "provider",
    )
    assert told["stored"]["default_llm_provider"] is None


async def test_a_switch_holds_for_the_next_request(owner: Desk) -> None:
    assert await provider_of(owner) == "near"
    answer = await owner.put({"default_llm_provider": "far"})
    assert answer.status_code == 200
    assert answer.json()["default_llm_provider"] == "far"
    assert await provider_of(owner) == "far"


async def test_apps_have_choices_up_to_a_number(
    owner: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.console.change.MAX_APPS", 2)
    for app in ("one", "two"):
        assert (await owner.put({"default_llm_provider": "far"}, app=app)).status_code == 200
    refused = await owner.put({"default_llm_provider": "far"}, app="three")

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "too_many_apps"
    assert (await owner.put({"default_llm_provider": "near"}, app="two")).status_code == 200
    assert (await owner.put({"default_llm_provider": "far"})).status_code == 200


async def test_a_switch_outlives_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path) as first:
        await first.put({"default_llm_provider": "far", "rate_preset": "careful"})
    async with desk(monkeypatch, tmp_path) as second:
        told = await second.get(PREFERENCES)
        assert (told["default_llm_provider"], told["rate_preset"]) == ("far", "careful")
        assert told["created_at"]
        assert told["updated_at"]
        assert await provider_of(second) == "far"


async def test_what_is_not_named_stays(owner: Desk) -> None:
    await owner.put({"default_llm_provider": "far", "models": {"far": "big", "near": "tiny"}})
    await owner.put({"fallback": ["near"], "models": {"near": None}})
    told = await owner.get(PREFERENCES)
    assert told["default_llm_provider"] == "far"
    assert told["models"] == {"far": "big"}
    assert told["fallback"] == ["near"]


async def test_null_takes_a_choice_back(owner: Desk) -> None:
    await owner.put({"default_llm_provider": "far", "aliases": {"fast": {"far": "tiny"}}})
    answer = await owner.put(
        {"default_llm_provider": None, "aliases": None, "models": None, "fallback": None}
    )
    told = answer.json()
    assert (told["default_llm_provider"], told["aliases"]) == ("near", {})


async def test_an_alias_means_a_model_at_each_provider(owner: Desk) -> None:
    await owner.put({"aliases": {"fast": {"near": "tiny-1"}, "slow": {"far": "big-1"}}})
    await owner.put({"aliases": {"slow": None}})
    assert (await owner.get(PREFERENCES))["aliases"] == {"fast": {"near": "tiny-1"}}
    await owner.ask("fast")
    assert owner.parts.adapters["near"].script.requests[-1].model == "tiny-1"  # type: ignore[attr-defined]


async def test_what_was_read_can_be_written_back(owner: Desk) -> None:
    await owner.put({"default_llm_provider": "far", "models": {"far": "big"}})
    told = await owner.get(PREFERENCES)
    answer = await owner.put(told)
    assert answer.status_code == 200
    assert answer.json()["default_llm_provider"] == "far"
    assert answer.json()["models"] == {"far": "big"}


async def test_an_app_may_have_a_choice_of_its_own(owner: Desk) -> None:
    app = "\u0645\u06cc\u200c\u0634 \U0001f469\u200d\U0001f4bb"  # held together by joiners
    answer = await owner.put({"default_llm_provider": "far"}, app=app)
    assert answer.json()["id"] == app
    key = {b"authorization": f"Bearer app-{app}".encode()}
    assert await provider_of(owner, headers=key) == "far"
    assert await provider_of(owner) == "near"
    removed = await owner.client.delete(PREFERENCES, params={"app": app}, headers=JSON)
    assert removed.json()["default_llm_provider"] == "near"
    assert await provider_of(owner, headers=key) == "near"


async def test_removing_needs_an_app(owner: Desk) -> None:
    answer = await owner.client.delete(PREFERENCES, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "app"


async def test_an_unknown_provider_is_refused_with_those_there_are(owner: Desk) -> None:
    answer = await owner.put({"default_llm_provider": "nowhere"})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == "default_llm_provider"
    assert "near, far" in error["message"]
    assert (await owner.get(PREFERENCES))["default_llm_provider"] == "near"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"default_llm_provider": 7}, "default_llm_provider"),
        ({"default_llm_provider": ["far"]}, "default_llm_provider"),
        ({"models": ["far"]}, "models"),
        ({"models": {"nowhere": "big"}}, "models"),
        ({"models": {"far": 3}}, "models.far"),
        ({"models": {"far": "../secret"}}, "models.far"),
        ({"models": {"far": "a\r\nb"}}, "models.far"),
        ({"fallback": "far"}, "fallback"),
        ({"fallback": ["far", "nowhere"]}, "fallback[1]"),
        ({"aliases": []}, "aliases"),
        ({"aliases": {"fast": "far"}}, "aliases.fast"),
        ({"aliases": {"": {"far": "big"}}}, "aliases"),
        ({"aliases": {"fast": {"nowhere": "big"}}}, "aliases.fast"),
        ({"aliases": {f"a{i}": {"far": "big"} for i in range(201)}}, "aliases"),
        ({"rate_preset": "reckless"}, "rate_preset"),
        ({"rate_preset": 1}, "rate_preset"),
        ({"rate_preset": ["off"]}, "rate_preset"),
        ({"local_only": "yes"}, "local_only"),
        ({"local_only": 1}, "local_only"),
        ({"split": ["near"]}, "split"),
        ({"split": {"near": 1}}, "split"),
        ({"split": {"near": 1, "nobody": 1}}, "split"),
        ({"split": {"near": 1, "far": 0}}, "split.far"),
        ({"split": {"near": 1, "far": 1.5}}, "split.far"),
        ({"split": {"near": True, "far": 1}}, "split.near"),
        ({"default_provider": "far"}, "default_provider"),
    ],
)
async def test_a_mistake_is_named_and_changes_nothing(owner: Desk, change: Any, param: str) -> None:
    before = await owner.get(PREFERENCES)
    answer = await owner.put({"default_llm_provider": "far"} | change)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert await owner.get(PREFERENCES) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"far"', b"\xff", b"[" * 500 + b"]" * 500])
async def test_a_body_that_is_no_object_is_refused(owner: Desk, body: bytes) -> None:
    answer = await owner.client.put(PREFERENCES, content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


async def test_a_body_too_large_is_refused(owner: Desk) -> None:
    answer = await owner.client.put(PREFERENCES, content=b" " * (2**18 + 1), headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize("app", ["", "x" * 129, "a\nb", "\x00", "\u202e", "\u200d"])
async def test_a_name_that_no_app_can_have_is_refused(owner: Desk, app: str) -> None:
    answer = await owner.client.get(PREFERENCES, params={"app": app})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "app"


async def test_limits_are_the_same_for_all_apps(owner: Desk) -> None:
    answer = await owner.put({"rate_preset": "off"}, app="notes")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "rate_preset"


async def test_changes_at_the_same_time_all_stand(owner: Desk) -> None:
    import asyncio

    changes = [{"models": {"far": "big"}}, {"models": {"near": "tiny"}}, {"fallback": ["far"]}]
    answers = await asyncio.gather(*map(owner.put, changes))
    assert {answer.status_code for answer in answers} == {200}
    told = await owner.get(PREFERENCES)
    assert told["models"] == {"far": "big", "near": "tiny"}
    assert told["fallback"] == ["far"]


def full_disk() -> Exception:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    return error


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (full_disk(), 507),
        (OSError(28, "No space left on device"), 507),
        (PermissionError(13, "Permission denied"), 503),
        (sqlite3.OperationalError("database is locked"), 503),
    ],
)
async def test_what_could_not_be_stored_is_said_and_does_not_hold(
    owner: Desk, cause: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_work: object) -> Any:
        raise StoreError("the drawer is stuck") from cause

    monkeypatch.setattr(owner.parts.storage, "write", stuck)
    answers = [
        await owner.put({"default_llm_provider": "far"}),
        await owner.client.delete(PREFERENCES, params={"app": "notes"}, headers=JSON),
    ]
    for answer in answers:
        assert answer.status_code == status
        assert "the drawer is stuck" in answer.json()["error"]["message"]
    assert (await owner.get(PREFERENCES))["default_llm_provider"] == "near"
    assert await provider_of(owner) == "near"


async def test_an_app_that_stays_at_home_is_answered_there_alone(owner: Desk) -> None:
    notes = {"authorization": "Bearer app-notes"}
    await owner.put({"default_llm_provider": "far"})
    assert await provider_of(owner, headers=notes) == "far"
    told = (await owner.put({"local_only": True}, app="notes")).json()
    assert (told["local_only"], told["stored"]["local_only"]) == (True, True)
    assert (await owner.get(PREFERENCES))["local_only"] is False
    assert await provider_of(owner, headers=notes) == "near"
    assert await provider_of(owner) == "far"
    assert (await owner.put({"local_only": None}, app="notes")).json()["local_only"] is False
    assert await provider_of(owner, headers=notes) == "far"


async def test_talks_are_shared_out_until_one_is_chosen(owner: Desk) -> None:
    told = (await owner.put({"split": {"near": 1, "far": 3}})).json()
    assert (told["split"], told["default_llm_provider"]) == ({"near": 1, "far": 3}, "far")
    assert (await owner.status())["preference"]["split"] == {"near": 1, "far": 3}
    found = [await provider_of(owner, headers={"x-session-id": f"{i // 3}"}) for i in range(3 * 40)]
    assert {len(set(found[i : i + 3])) for i in range(0, len(found), 3)} == {1}
    assert set(found) == {"near", "far"}
    told = (await owner.put({"default_llm_provider": "near"})).json()
    assert told["split"] == told["stored"]["split"] == {}
    for i in range(20):
        assert await provider_of(owner, headers={"x-session-id": f"{i}"}) == "near"


async def test_an_app_s_own_choice_stands_above_a_split_for_all(owner: Desk) -> None:
    await owner.put({"split": {"near": 1, "far": 1}})
    await owner.put({"default_llm_provider": "far"}, app="notes")
    for i in range(20):
        headers = {"authorization": "Bearer app-notes", "x-session-id": f"{i}"}
        assert await provider_of(owner, headers=headers) == "far"


async def test_a_verdict_is_kept_and_shown_in_the_comparison(owner: Desk) -> None:
    answers = [{"provider": "near", "model": "a"}, {"provider": "far", "model": "b"}]
    for better in (1, 1, None):
        kept = await owner.client.post(
            "/admin/api/verdict", json={"answers": answers, "better": better}
        )
        assert kept.json() == {"ok": True, "better": "far/b" if better else None}
    arms = (await owner.get("/admin/api/arms"))["arms"]
    assert [(arm["name"], arm["won"], arm["judged"]) for arm in arms] == [
        ("far", 2, 3),
        ("near", 0, 3),
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "answers"),
        ({"answers": [{"provider": "near", "model": "a"}]}, "answers"),
        ({"answers": [1, 2]}, "answers[0]"),
        ({"answers": [{"provider": "x", "model": "a"}] * 2}, "answers[0].provider"),
        ({"answers": [{"provider": "near"}] * 2}, "answers[0].model"),
        ({"answers": [{"provider": "near", "model": "a"}] * 2, "better": 2}, "better"),
        ({"answers": [{"provider": "near", "model": "a"}] * 2, "better": True}, "better"),
    ],
)
async def test_what_is_no_verdict_is_refused(owner: Desk, body: Any, param: str) -> None:
    refused = await owner.client.post("/admin/api/verdict", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
