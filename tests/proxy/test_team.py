"""Limits, budgets and what is allowed of keys that were made, through the whole application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.base import ErrorKind, Model
from proxy.store.usage.prices import NANO, Price
from tests.admin.kit import Desk, desk
from tests.proxy.kit import HANG, ScriptedAdapter, adapter_class, failure

pytestmark = pytest.mark.anyio

Open = Callable[[], AbstractAsyncContextManager[Desk]]
KEYS = "/admin/api/keys"


@pytest.fixture
def two() -> tuple[type[ScriptedAdapter], ...]:
    return adapter_class("near", local=True), adapter_class("far")


@pytest.fixture
def opening(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, two: tuple[type[ScriptedAdapter], ...]
) -> Open:
    """A server over the same providers and the same database, each time."""
    return lambda: desk(monkeypatch, tmp_path, *two, fallback=("near", "far"))


@pytest.fixture
async def server(opening: Open) -> AsyncIterator[Desk]:
    async with opening() as opened:
        yield opened


async def made(server: Desk, name: str = "anna", **limits: Any) -> dict[str, str]:
    """The headers that show a new key."""
    answer = await server.client.post(KEYS, json={"name": name, **limits})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['key']}"}


def costs(server: Desk, dollars: float) -> None:
    """Every request costs so much from now on."""
    price = Price(round(dollars * NANO), billed=True)
    server.parts.storage.usage.prices.price = lambda *_: price  # type: ignore[method-assign]


def told(answer: httpx.Response) -> tuple[int, Any]:
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code")


TOO_FAST = (429, "rate_limit_exceeded")
NO_MONEY = (429, "insufficient_quota")


async def test_no_more_requests_a_minute_are_let_in_than_a_key_may(server: Desk) -> None:
    anna = await made(server, requests_per_minute=3)
    bert = await made(server, "bert")

    answers = await asyncio.gather(*(server.ask(headers=anna) for _ in range(10)))

    assert sorted(map(told, answers), key=str) == [(200, None)] * 3 + [TOO_FAST] * 7
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "3/3 requests a minute used" in refused.text
    assert (await server.ask(headers=bert)).status_code == 200
    row = (await server.get("/admin/api/requests"))["requests"]
    assert [one["app"] for one in row if one["status"] == 429] in ([], ["anna"] * 7)


async def test_tokens_are_reserved_by_what_may_come_and_settled_by_what_came(
    server: Desk, two: tuple[type[ScriptedAdapter], ...]
) -> None:
    anna = await made(server, tokens_per_minute=100)
    near = two[0].script.play([HANG])
    body = {"model": "near", "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 90}

    def ask() -> Any:
        return server.client.post("/v1/chat/completions", json=body, headers=anna)

    first = asyncio.create_task(ask())
    await asyncio.to_thread(near.began.wait, 20)
    assert told(await ask()) == TOO_FAST  # 92 of 100 are held
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    bert = await made(server, "bert", tokens_per_minute=100)
    for _ in range(2):  # each took 5
        answer = await server.client.post("/v1/chat/completions", json=body, headers=bert)
        assert told(answer) == (200, None)
    [gauge] = server.parts.allowances.gauges("bert")
    assert (gauge.used, gauge.limit) == (10, 100)


async def test_what_was_not_asked_of_anybody_is_given_back(server: Desk) -> None:
    anna = await made(server, requests_per_minute=1)

    for _ in range(3):
        assert (await server.ask("near/", headers=anna)).status_code == 404

    assert told(await server.ask(headers=anna)) == (200, None)
    assert told(await server.ask(headers=anna)) == TOO_FAST


async def test_a_key_that_is_in_use_may_do_more_or_less_from_the_next_request_on(
    server: Desk,
) -> None:
    async def change(**limits: Any) -> int:
        answer = await server.client.patch(KEYS, params={"name": "anna"}, json=limits)
        return answer.status_code

    anna = await made(server, requests_per_minute=1)
    assert told(await server.ask(headers=anna)) == (200, None)
    assert told(await server.ask(headers=anna)) == TOO_FAST
    assert await change(requests_per_minute=2) == 200
    assert told(await server.ask(headers=anna)) == (200, None)
    assert told(await server.ask(headers=anna)) == TOO_FAST
    assert await change(requests_per_minute=None, models=["no-such"]) == 200
    assert told(await server.ask(headers=anna)) == (403, "model_not_allowed")
    for wrong in ({"name": "bob"}, {"requests_per_minute": 0}, {"providers": ["no-such"]}):
        assert await change(**wrong) == 400
    await server.client.delete(KEYS, params={"name": "anna"})
    assert await change(requests_per_minute=5) == 404
    assert told(await server.ask(headers=anna))[0] == 401


@pytest.mark.parametrize("span", ["day", "month"])
async def test_money_that_is_spent_is_spent_after_a_restart_too(opening: Open, span: str) -> None:
    async with opening() as server:
        costs(server, 0.4)
        anna = await made(server, **{f"dollars_a_{span}": 1})
        answers = [await server.ask(headers=anna) for _ in range(4)]
        assert [*map(told, answers)] == [(200, None)] * 3 + [NO_MONEY]
        assert answers[-1].headers["x-should-retry"] == "false"
        assert f"may spend $1.00 a {span} and has spent $1.20" in answers[-1].text
        bert = await made(server, "bert", dollars_a_day=0.4)
        assert told(await server.ask(headers=bert)) == (200, None)

    async with opening() as server:
        assert told(await server.ask(headers=anna)) == NO_MONEY
        assert told(await server.ask(headers=bert)) == NO_MONEY


async def test_at_the_edge_no_more_is_spent_than_was_under_way(server: Desk) -> None:
    costs(server, 1)
    anna = await made(server, dollars_a_day=1)

    answers = await asyncio.gather(*(server.ask(headers=anna) for _ in range(5)))

    let_in = [answer for answer in answers if answer.status_code == 200]
    assert 1 <= len(let_in) <= 5
    assert told(await server.ask(headers=anna)) == NO_MONEY
    assert await server.parts.allowances.spent("anna", "day") == len(let_in) * NANO


async def test_a_failure_that_nobody_billed_costs_nothing(
    server: Desk, two: tuple[type[ScriptedAdapter], ...]
) -> None:
    anna = await made(server, dollars_a_day=1)
    two[0].script.play([failure(ErrorKind.BAD_REQUEST, "near")])

    assert (await server.ask("near", headers=anna)).status_code == 400

    assert await server.parts.allowances.spent("anna", "day") == 0


async def test_every_protocol_is_told_of_it_in_its_own_words(server: Desk) -> None:
    costs(server, 1)
    fast = await made(server, "fast", requests_per_minute=1)
    poor = await made(server, "poor", dollars_a_day=0.5)
    for key in (fast, poor):
        assert (await server.ask(headers=key)).status_code == 200
    message = [{"role": "user", "content": "Hello."}]
    contents = [{"parts": [{"text": "Hello."}]}]
    asked: dict[str, Any] = {
        "/v1/responses": {"model": "default", "input": "Hello."},
        "/v1/messages": {"model": "default", "messages": message, "max_tokens": 9},
        "/v1beta/models/default:generateContent": {"contents": contents},
        "/api/chat": {"model": "default", "messages": message},
    }
    for path, body in asked.items():
        for key in (fast, poor):
            answer = await server.client.post(path, json=body, headers=key)
            assert answer.status_code == 429, path
            assert ("retry-after" in answer.headers) == (key is fast), path
            error = answer.json()["error"]
            words = error if isinstance(error, str) else error["message"]
            assert ("quota" if key is poor else "Rate limit") in words, path
            if path == "/v1/messages":
                assert error["type"] == "rate_limit_error"
            if path.startswith("/v1beta"):
                assert error["status"] == "RESOURCE_EXHAUSTED"


async def test_only_what_is_allowed_is_asked_by_whatever_name(
    server: Desk, two: tuple[type[ScriptedAdapter], ...]
) -> None:
    anna = await made(server, providers=["far"])
    await server.put({"aliases": {"smart": {"near": "tiny", "far": "big"}, "own": {"near": "x"}}})
    for model in ("default", "gpt-4o", "smart", "own", "far", "far/other"):
        answer = await server.ask(model, headers=anna)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-pointsman-provider"] == "far", model
    for model in ("near", "near/tiny", "NEAR:tiny"):
        assert told(await server.ask(model, headers=anna)) == (403, "model_not_allowed")
    two[1].script.play(*[[failure(ErrorKind.SERVER, "far")]] * 4)
    assert (await server.ask(headers=anna)).status_code >= 500
    assert not two[0].script.requests


async def test_models_that_are_not_allowed_are_neither_asked_nor_listed(
    opening: Open, two: tuple[type[ScriptedAdapter], ...]
) -> None:
    for one in two:
        one.script.listed = [Model("tiny-1"), Model("tiny-2"), Model("big")]
    async with opening() as server:
        anna = await made(server, models=["tiny-*", "far/big"])
        bert = await made(server, "bert")
        for model in ("near/tiny-1", "far/tiny-2", "far/big", "big"):
            assert told(await server.ask(model, headers=anna)) == (200, None), model
        for model in ("near/big", "near", "default"):
            refused = await server.ask(model, headers=anna)
            assert told(refused) == (403, "model_not_allowed"), model
            assert "It may ask: tiny-*, far/big." in refused.text
        for path, at, name in (
            ("/v1/models", "data", "id"),
            ("/v1beta/models", "models", "name"),
            ("/api/tags", "models", "name"),
        ):
            offered = (await server.get(path, headers=anna))[at]
            all_ = (await server.get(path, headers=bert))[at]
            names = [one[name] for one in offered]
            assert any("far/big" in one or one == "big" for one in names), path
            assert len(all_) == len(offered) + 1, path
        assert (await server.client.get("/v1/models/near/big", headers=anna)).status_code == 404
        assert (await server.client.get("/v1/models/far/big", headers=anna)).status_code == 200
        body = {"model": "near/big", "messages": [{"role": "user", "content": "Hello."}]}
        explained = await server.client.post("/admin/api/explain?app=anna", json=body)
        assert "does not have access to near/big" in explained.text


async def test_a_key_that_is_made_anew_is_narrowed_at_once(server: Desk) -> None:
    anna = await made(server, providers=["far"])
    assert told(await server.ask("near", headers=anna)) == (403, "model_not_allowed")
    await server.client.delete(f"{KEYS}?name=anna")
    anna = await made(server)

    assert told(await server.ask("near", headers=anna)) == (200, None)
