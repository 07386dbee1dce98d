"""Keys on the page: made and shown once, revoked; what a member sees and does not."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from proxy.parts import Parts
from tests.admin.page.conftest import Open
from tests.admin.page.kit import Serve
from tests.proxy.serving import Host

TOKEN = "an-admin-token-of-the-tests"
ASK = {"model": "default", "messages": [{"role": "user", "content": "Hello."}]}


def make(page: Page, name: str, **fields: str) -> str:
    """Make a key by the form; the key, as it is shown this once."""
    if not page.locator("#key").is_visible():
        page.get_by_text("Make a key").click()
    form = page.locator("#key")
    form.get_by_label("Name").fill(name)
    for label, value in fields.items():
        form.get_by_label(label.replace("_", " ")).fill(value)
    form.get_by_role("button", name="Make key").click()
    expect(page.locator("#new-key-text")).to_contain_text("psk-")
    return str(page.locator("#new-key-text").text_content())


def test_a_key_is_made_used_and_revoked(page: Page, parts: Parts, host: Host) -> None:
    key = make(page, "anna", Requests_a_minute="5", Providers="ollama")
    page.locator("#new-key-done").click()
    expect(page.locator("#new-key")).to_be_hidden()
    row = page.locator("#keys li[data-key=anna]")
    expect(row).to_contain_text(f"…{key[-4:]} · member · only ollama")
    headers = {"authorization": f"Bearer {key}"}
    url = f"{host.base_url}/v1/chat/completions"
    answer = httpx.post(url, json=ASK, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 200
    expect(row).to_contain_text("1 of 5 requests this minute")
    assert key not in page.content()

    row.get_by_role("button", name="Revoke the key of anna").click()
    expect(row).to_have_count(0)
    answer = httpx.post(url, json=ASK, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 401


def test_what_a_key_may_is_changed(page: Page, parts: Parts) -> None:
    make(page, "anna", Requests_a_minute="5", Providers="ollama")
    row, form = page.locator("#keys li[data-key=anna]"), page.locator("#key")
    row.get_by_role("button", name="Change the key of anna").click()
    expect(page.locator("#key-title")).to_have_text("Change the key of anna")
    expect(form.get_by_label("Name")).to_have_value("anna")
    expect(form.get_by_label("Name")).to_have_js_property("readOnly", value=True)
    expect(form.get_by_label("Requests a minute")).to_have_value("5")
    expect(form.get_by_label("Providers")).to_have_value("ollama")
    form.get_by_label("Requests a minute").fill("7")
    form.get_by_label("$ a month").fill("2.5")
    form.get_by_label("Providers").fill("")
    form.get_by_role("button", name="Change key").click()

    expect(row).to_contain_text("0 of 7 requests this minute")
    expect(row).to_contain_text("all providers and models")
    [key] = parts.team.rows
    told = (key.requests_per_minute, key.tokens_per_minute, key.month_nano_usd, key.providers)
    assert told == (7, None, 2_500_000_000, ())
    expect(page.locator("#key-title")).to_have_text("Make a key")
    expect(form.get_by_label("Name")).to_have_value("")

    row.get_by_role("button", name="Change the key of anna").click()
    form.get_by_role("button", name="Cancel").click()
    expect(form.get_by_role("button", name="Make key")).to_be_visible()
    expect(form.get_by_label("Name")).to_have_js_property("readOnly", value=False)


def test_a_member_sees_its_own_and_nothing_else(serve: Serve, open_page: Open) -> None:
    with serve(admin_token=SecretStr(TOKEN)):
        page = open_page()
        page.get_by_label("Admin token or key").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#providers")).to_be_visible()
        key = make(page, "anna", Requests_a_minute="5")
        page.get_by_role("button", name="Sign out").click()

        page.get_by_label("Admin token or key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#own-title")).to_have_text("The key of anna")
        expect(page.locator("#limits")).to_contain_text("0 of 5 requests this minute")
        for hidden in ("#providers", "#keys", "#log-rows", "#usage"):
            expect(page.locator(hidden)).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Admin token or key")).to_be_visible()
