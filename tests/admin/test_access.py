"""Who gets in: other sites' pages never, and where a token is needed only who shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from admin.auth import admin_token
from tests.admin.kit import JSON, PREFERENCES, Desk, desk

pytestmark = pytest.mark.anyio

TOKEN = "an-admin-token-of-the-tests"
GETS = ("/admin/api/status", PREFERENCES)
POSTS = (
    "/admin/api/test",
    "/admin/api/again",
    "/admin/api/verdict",
    "/admin/api/explain",
    "/admin/api/chat",
)


@pytest.fixture
async def owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


@pytest.fixture
async def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(
        monkeypatch,
        tmp_path,
        host="0.0.0.0",
        api_keys=SecretStr("notes:client-key"),
        admin_token=SecretStr(TOKEN),
    ) as opened:
        yield opened


def is_loose(html: str) -> bool:
    """Whether anything in it could run without the nonce."""
    return any(mark in html.lower() for mark in ("onclick=", "style=", "javascript:", "<script>"))


async def test_the_page_may_run_nothing_but_its_own(owner: Desk) -> None:
    first, second = [await owner.client.get("/admin") for _ in range(2)]
    policy = first.headers["content-security-policy"]
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert f"style-src 'nonce-{nonce}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert first.text.count(f'nonce="{nonce}"') == 3
    assert nonce not in second.text
    assert not is_loose(first.text)
    assert first.headers["x-frame-options"] == "DENY"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["referrer-policy"] == "no-referrer"
    assert first.headers["cache-control"] == "no-store"


async def test_every_file_that_the_page_names_is_there(owner: Desk) -> None:
    import re

    seen: set[str] = set()
    waiting = {"/admin", "/admin/assets/login.js"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = await owner.client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = re.findall(r'"(?:/admin/assets|\.)/([\w.]+)"', answer.text)
        waiting |= {f"/admin/assets/{name}" for name in found} - seen
    assert {"/admin/assets/page.js", "/admin/assets/dom.js", "/admin/assets/style.css"} <= seen


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2Froutes.py", "%2e%2e/auth.py"])
async def test_no_other_file_is_served(owner: Desk, name: str) -> None:
    assert (await owner.client.get(f"/admin/assets/{name}")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
    ],
)
@pytest.mark.parametrize("path", [*GETS, *POSTS])
async def test_pages_of_other_sites_are_refused(
    owner: Desk, path: str, headers: dict[str, str]
) -> None:
    method = "POST" if path in POSTS else "PUT" if path == PREFERENCES else "GET"
    answer = await owner.client.request(
        method, path, json={"default_llm_provider": "far", "provider": "far"}, headers=headers
    )
    assert answer.status_code == 403
    assert owner.parts.preferences.get(None).provider == "near"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_what_a_form_could_send_changes_nothing(
    owner: Desk, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    body = b'{"default_llm_provider":"far"}'
    answer = await owner.client.put(PREFERENCES, content=body, headers=headers)
    assert answer.status_code == 415
    assert owner.parts.preferences.get(None).provider == "near"


async def test_an_origin_allowed_for_chat_may_not_change_what_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin = "https://app.example"
    async with desk(monkeypatch, tmp_path, allowed_origins=(origin,)) as owner:
        headers = {"origin": origin, "sec-fetch-site": "cross-site"}
        assert (await owner.ask(headers=headers)).status_code == 200
        change = {"default_llm_provider": "far"}
        refused = await owner.client.put(PREFERENCES, json=change, headers=headers)
        assert refused.status_code == 403


@pytest.mark.parametrize("path", POSTS)
async def test_reading_never_does_anything(owner: Desk, path: str) -> None:
    assert (await owner.client.get(path)).status_code == 405
    change = {"default_llm_provider": "far"}
    await owner.client.get(PREFERENCES, params=change)
    assert owner.parts.preferences.get(None).provider == "near"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer client-key"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": b"Bearer \xff"},
        {"cookie": f"pointsman_admin={TOKEN}"},
        {"cookie": "pointsman_admin="},
        {"cookie": "pointsman_admin=\u00e9".encode()},
    ],
)
@pytest.mark.parametrize("path", [*GETS, *POSTS, "/admin/api/events"])
async def test_without_the_token_nothing_is_shown(
    locked: Desk, path: str, headers: dict[str, str]
) -> None:
    method = "POST" if path in POSTS else "GET"
    answer = await locked.client.request(method, path, headers={**JSON, **headers})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The admin token is missing or wrong."


async def test_the_token_opens_by_header(locked: Desk) -> None:
    key = {"authorization": f"Bearer {TOKEN}"}
    assert (await locked.client.get(PREFERENCES, headers=key)).status_code == 200
    change = {"default_llm_provider": "far"}
    assert (await locked.client.put(PREFERENCES, json=change, headers=key)).status_code == 200


async def test_the_token_opens_no_more_than_the_admin(locked: Desk) -> None:
    answer = await locked.ask(headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 401


async def test_signing_in_sets_a_cookie_that_is_not_the_token(locked: Desk) -> None:
    page = await locked.client.get("/admin")
    assert page.status_code == 401
    assert "Sign in" in page.text
    assert not is_loose(page.text)
    answer = await locked.client.post("/admin/api/login", json={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    inside = await locked.client.get("/admin")
    assert inside.status_code == 200
    assert "LLM Provider" in inside.text
    status = await locked.status()
    assert status["chat_path"] == "/admin/api/chat"
    body = {"model": "default", "messages": [{"role": "user", "content": "Hello."}]}
    assert (await locked.client.post(status["chat_path"], json=body)).status_code == 200


@pytest.mark.parametrize("body", [b'{"token":"wrong"}', b"{}", b"[]", b'{"token":7}', b"{"])
async def test_a_wrong_token_signs_nobody_in(locked: Desk, body: bytes) -> None:
    answer = await locked.client.post("/admin/api/login", content=body, headers=JSON)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_where_no_token_is_needed_none_signs_in(owner: Desk) -> None:
    answer = await owner.client.post("/admin/api/login", json={"token": ""})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_token_is_made_where_one_is_needed() -> None:
    none = SecretStr("")
    made = [admin_token(none, is_published=True) for _ in range(2)]
    assert len({token.get_secret_value() for token in made if token}) == 2
    assert all(token and len(token.get_secret_value()) >= 43 for token in made)
    assert admin_token(none, is_published=False) is None
    assert admin_token(SecretStr(TOKEN), is_published=False) == SecretStr(TOKEN)


async def test_no_key_and_no_token_is_ever_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = {"admin_token": SecretStr(TOKEN), "api_keys": SecretStr("notes:client-key")}
    async with desk(monkeypatch, tmp_path, keys={"far": "far-secret-key"}, **settings) as owner:
        key = {"authorization": f"Bearer {TOKEN}"}
        answers: list[httpx.Response] = [
            await owner.client.get(path, headers=key)
            for path in ("/admin", *GETS, "/admin/assets/page.js")
        ]
        tested = {"provider": "far"}
        answers.append(await owner.client.post("/admin/api/test", json=tested, headers=key))
        shown = "".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert '"key":true' in shown
    for secret in ("far-secret-key", "client-key", TOKEN):
        assert secret not in shown
