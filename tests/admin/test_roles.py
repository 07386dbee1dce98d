"""Who signs in by a key that was made: an owner may do everything, a member looks at its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from proxy.store.usage.prices import Price
from tests.admin.kit import JSON, Desk, desk
from tests.security.routes import CHANGE, EVENTS, ROUTES

pytestmark = pytest.mark.anyio

TOKEN = "an-admin-token-of-the-tests"
KEYS = "/admin/api/keys"
FOR_MEMBERS = {"/admin", "/admin/assets/page.js", "/admin/api/me", "/admin/api/logout"}
OWN = [
    (method, path)
    for method, path in ROUTES
    if path.startswith(("/admin", "/api/user", "/metrics"))
    and path not in FOR_MEMBERS | CHANGE | {"/admin/api/login", EVENTS}
]


@pytest.fixture
async def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path, admin_token=SecretStr(TOKEN)) as opened:
        yield opened


def bearer(shown: str) -> dict[str, str]:
    return {"authorization": f"Bearer {shown}"}


async def made(server: Desk, name: str, by: dict[str, str], **limits: Any) -> str:
    answer = await server.client.post(KEYS, json={"name": name, **limits}, headers=by)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["key"])


async def test_a_member_is_refused_everything_but_its_own(locked: Desk) -> None:
    member = bearer(await made(locked, "anna", bearer(TOKEN)))
    assert len(OWN) > 15
    for method, path in OWN:
        answer = await locked.client.request(method, path, json={}, headers=JSON | member)
        assert answer.status_code == 403, (method, path)
        nobody = await locked.client.request(method, path, json={}, headers=JSON)
        assert nobody.status_code == 401, (method, path)
    async with locked.client.stream("GET", EVENTS, headers=member) as answer:
        assert answer.status_code == 403
    own = await locked.get("/admin/api/me", headers=member)
    assert own["name"] == "anna"
    assert (await locked.client.get("/admin/api/me")).status_code == 401


async def test_an_owner_may_do_what_the_token_may(locked: Desk) -> None:
    owner = bearer(await made(locked, "olga", bearer(TOKEN), role="owner"))

    assert await made(locked, "anna", owner)
    for path in ("/admin/api/status", "/admin/api/usage", "/metrics", KEYS):
        assert (await locked.client.get(path, headers=owner)).status_code == 200, path
    revoked = await locked.client.delete(f"{KEYS}?name=olga", headers=owner)
    assert revoked.status_code == 200
    assert (await locked.client.get(KEYS, headers=owner)).status_code == 401


@pytest.mark.parametrize("role", ["owner", "member"])
async def test_a_session_by_a_key_ends_with_it(locked: Desk, role: str) -> None:
    key = await made(locked, "anna", bearer(TOKEN), role=role)
    told = await locked.client.post("/admin/api/login", json={"token": key})
    assert told.status_code == 200
    assert (await locked.client.get("/admin/api/me")).json()["role"] == role
    page = await locked.client.get("/admin")
    assert ("Your key" in page.text) == (role == "member")
    assert (await locked.client.get(KEYS)).status_code == (200 if role == "owner" else 403)

    await locked.client.delete(f"{KEYS}?name=anna", headers=bearer(TOKEN))
    assert (await locked.client.get("/admin/api/me")).status_code == 401
    assert (await locked.client.get("/admin")).status_code == 401


async def test_a_member_may_leave(locked: Desk) -> None:
    key = await made(locked, "anna", bearer(TOKEN))
    await locked.client.post("/admin/api/login", json={"token": key})

    assert (await locked.client.post("/admin/api/logout", json={})).status_code == 200
    assert (await locked.client.get("/admin/api/me")).status_code == 401


async def test_without_a_token_the_first_owners_key_closes_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path) as server:
        await made(server, "anna", {})
        assert (await server.client.get(KEYS)).status_code == 200
        assert not (await server.status())["signs_in"]

        owner = bearer(await made(server, "olga", {}, role="owner"))
        assert (await server.client.get(KEYS)).status_code == 401
        assert (await server.client.get(KEYS, headers=owner)).status_code == 200
        assert (await server.get("/admin/api/status", headers=owner))["signs_in"]


async def test_what_is_used_is_told_of_each_key(locked: Desk) -> None:
    token = bearer(TOKEN)
    anna = await made(locked, "anna", token, requests_per_minute=5, dollars_a_day=2)
    unknown = Price(None, billed=True)
    locked.parts.storage.usage.prices.price = lambda *_: unknown  # type: ignore[method-assign]
    for _ in range(2):
        assert (await locked.ask(headers=bearer(anna))).status_code == 200
    await locked.parts.storage.flush()

    [key] = (await locked.get(KEYS, headers=token))["keys"]
    own = await locked.get("/admin/api/me", headers=bearer(anna))
    assert own == key
    assert key["used"]["minute"] == {"requests": 2, "tokens": 0}
    assert key["used"]["day"] == {"requests": 2, "tokens": 10, "cost_nano_usd": 0}
    assert "digest" not in key
    assert (await locked.client.get("/admin/api/me", headers=token)).status_code == 404


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({}, "name"),
        ({"name": " anna"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "anna", "role": "king"}, "role"),
        ({"name": "anna", "requests_per_minute": True}, "requests_per_minute"),
        ({"name": "anna", "tokens_per_minute": 1.5}, "tokens_per_minute"),
        ({"name": "anna", "dollars_a_day": 0}, "dollars_a_day"),
        ({"name": "anna", "dollars_a_month": "5"}, "dollars_a_month"),
        ({"name": "anna", "models": "llama"}, "models"),
        ({"name": "anna", "providers": ["bard"]}, "providers"),
        ({"name": "anna", "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_is_named(locked: Desk, asked: dict[str, Any], param: str) -> None:
    answer = await locked.client.post(KEYS, json=asked, headers=bearer(TOKEN))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert (await locked.get(KEYS, headers=bearer(TOKEN)))["keys"] == []
