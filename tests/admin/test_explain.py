"""The explain view: the plan in words, and the body that each provider would get."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.base import Capabilities, ChatRequest, ErrorKind, NativeCall
from proxy.candidate import Candidate
from proxy.console.explain import DOCUMENT, PIXEL
from proxy.limits.ticket import Ticket
from tests.admin.kit import JSON, Desk, desk
from tests.proxy.kit import adapter_class, failure

pytestmark = pytest.mark.anyio

HELLO: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello."}]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


async def explained(owner: Desk, request: Any, **params: str) -> Any:
    answer = await owner.client.post("/admin/api/explain", json=request, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_provider_shows_its_own_body(owner: Desk) -> None:
    owner.parts.adapters["far"].script.warnings = ("dropped=seed",)  # type: ignore[attr-defined]
    told = await explained(owner, HELLO)
    assert told["plan"]["goes_to"] == {"provider": "near", "model": "near-model"}
    near, far = told["providers"]
    assert (near["title"], near["method"], near["path"]) == ("Near", "POST", "/chat")
    assert (near["body"], near["warnings"]) == ({"model": "near-model"}, [])
    assert (far["body"], far["warnings"]) == ({"model": "far-model"}, ["dropped=seed"])


async def test_nothing_is_sent(owner: Desk) -> None:
    await explained(owner, HELLO)
    assert not any(a.script.requests for a in owner.parts.adapters.values())  # type: ignore[attr-defined]


async def test_a_request_may_be_longer_than_any_choice(owner: Desk) -> None:
    long = HELLO | {"messages": [{"role": "user", "content": "x" * 2**20}]}
    assert (await explained(owner, long))["plan"]["goes_to"]


async def test_a_request_may_hold_no_more_than_one_that_is_asked(owner: Desk) -> None:
    for size, status in ((2**21, 200), (2**23, 413)):
        long = HELLO | {"messages": [{"role": "user", "content": "x" * size}]}
        answer = await owner.client.post("/admin/api/explain", json=long)
        assert answer.status_code == status
    many = HELLO | {"metadata": {"a": [{}] * 100_000}}
    answer = await owner.client.post("/admin/api/explain", json=many)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
    assert owner.parts.admission.bodies.taken == 0


async def test_a_pinned_request_says_so(owner: Desk) -> None:
    plan = (await explained(owner, HELLO | {"model": "far/big"}))["plan"]
    assert plan["pinned"] is True
    assert plan["why"] == "The request names far/big, so no other provider would answer it."
    assert (await explained(owner, HELLO | {"model": "far/big"}))["providers"][1]["model"] == "big"


async def test_what_cannot_do_it_is_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain, able = adapter_class("plain"), adapter_class("able")
    plain.script.abilities = Capabilities(tools=False)
    async with desk(monkeypatch, tmp_path, plain, able) as owner:
        plan = (await explained(owner, HELLO | {"tools": [TOOL]}))["plan"]
        assert [one["param"] for one in plan["skipped"]] == ["tools"]
        assert plan["goes_to"]["provider"] == "able"
        assert "cannot call tools" in plan["why"]


async def test_what_is_paused_is_passed_over_and_says_how_long(owner: Desk) -> None:
    ticket = owner.parts.health.admit(Candidate("near", "near-model"))
    assert isinstance(ticket, Ticket)
    ticket.failed(failure(ErrorKind.RATE_LIMIT, retry_after_s=30))
    plan = (await explained(owner, HELLO))["plan"]
    assert plan["goes_to"]["provider"] == "far"
    assert plan["candidates"][0]["state"] == "cooling"
    assert 28 <= plan["candidates"][0]["ends_in_s"] <= 30
    assert "near/near-model is paused" in plan["why"]


async def test_where_nothing_is_set_up_the_bodies_are_shown_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    far = adapter_class("far")
    far.script.unset = "FAR_API_KEY is not set"
    async with desk(monkeypatch, tmp_path, far) as owner:
        told = await explained(owner, HELLO)
        assert told["plan"]["goes_to"] is None
        assert "Nothing can answer yet" in told["plan"]["why"]
        assert told["providers"][0]["body"] == {"model": "far-model"}


async def test_a_refusal_stands_in_the_place_of_a_body(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Picky(adapter_class("picky")):  # type: ignore[misc] # made at run time
        def to_native(self, request: ChatRequest) -> NativeCall:
            raise failure(ErrorKind.UNSUPPORTED, "picky", param="seed")

    async with desk(monkeypatch, tmp_path, Picky) as owner:
        error = (await explained(owner, HELLO))["providers"][0]["error"]
        assert (error["param"], error["code"]) == ("seed", "unsupported_feature")


async def test_an_image_to_be_fetched_is_a_pixel_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Echo(adapter_class("echo")):  # type: ignore[misc] # made at run time
        def to_native(self, request: ChatRequest) -> NativeCall:
            return NativeCall("POST", "/", {"messages": list(request.messages)})

    Echo.script.abilities = Capabilities(image_urls=False)
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    request = HELLO | {"messages": [{"role": "user", "content": [part]}]}
    file = {"type": "input_file", "file_url": "https://example.com/cat.pdf"}
    filed = {"model": "any", "input": [{"role": "user", "content": [file]}]}
    async with desk(monkeypatch, tmp_path, Echo) as owner:
        shown = (await explained(owner, request))["providers"][0]
        content = shown["body"]["messages"][0]["content"]
        assert content[0]["image_url"]["url"] == PIXEL
        assert shown["warnings"] == ["fetched=image_url"]
        shown = (await explained(owner, filed, door="responses"))["providers"][0]
        content = shown["body"]["messages"][0]["content"]
        assert content[0]["file"] == {"file_data": DOCUMENT, "filename": "cat.pdf"}
        assert shown["warnings"] == ["fetched=file_url"]
        long = HELLO | {"messages": [{"role": "user", "content": "ab" * 20_000}]}
        text = (await explained(owner, long))["providers"][0]["body"]["messages"][0]["content"]
        assert text.endswith("… (40000 characters)")


async def test_an_app_is_explained_by_its_own_choice(owner: Desk) -> None:
    await owner.put({"default_llm_provider": "far"}, app="notes")
    plan = (await explained(owner, HELLO, app="notes"))["plan"]
    assert plan["goes_to"]["provider"] == "far"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{", 400, None),
        (b"{}", 400, "model"),
        (b'{"model":"x"}', 400, "messages"),
        (b'{"model":"../x","messages":[]}', 404, "model"),
    ],
)
async def test_what_the_endpoint_refuses_is_refused_here(
    owner: Desk, body: bytes, status: int, param: str | None
) -> None:
    answer = await owner.client.post("/admin/api/explain", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param
