"""The page as a whole: its first sight, who may see it, and whether everyone can use it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pydantic import SecretStr

from adapters import REGISTRY, STANDING
from proxy.parts import Parts
from tests.admin.page.conftest import Open
from tests.admin.page.kit import Fakes, Serve, ask, card, radio, too_many
from tests.proxy.serving import Host

pytestmark = pytest.mark.browser


def test_the_first_run_says_what_to_do(serve: Serve, open_page: Open, fakes: Fakes) -> None:
    nowhere = {"base_url": "http://127.0.0.1:9"}
    providers = {
        name: cls.Settings(**(nowhere if cls.local and not cls.last_resort else {}))
        for name, cls in ((name, REGISTRY[name]) for name in STANDING)
    }
    with serve(providers=providers, llm_provider=None):
        page = open_page()
        help_ = page.get_by_role("region", name="Get your first answer")
        expect(help_).to_be_visible()
        expect(help_).to_contain_text("ollama serve")
        expect(help_).to_contain_text("GROQ_API_KEY")
        expect(radio(page, "Groq (Cloud)")).to_be_disabled()
        help_.get_by_role("button", name="Test Ollama").click()
        expect(help_.get_by_role("status").first).to_contain_text("✗")


def test_who_has_set_up_a_key_is_not_told_to_do_so(serve: Serve, open_page: Open) -> None:
    away = REGISTRY["groq"].Settings(base_url="http://127.0.0.1:9", api_key=SecretStr("gsk-x"))
    with serve(providers={"groq": away}, llm_provider=None):
        page = open_page()
        expect(card(page, "groq").locator(".pill")).to_have_text("Does not answer")
        expect(page.get_by_role("region", name="Get your first answer")).to_be_hidden()


def test_the_page_asks_for_the_token_where_one_is_needed(serve: Serve, open_page: Open) -> None:
    with serve(admin_token=SecretStr("a-token"), api_keys=SecretStr("notes:client-key")):
        page = open_page()
        page.get_by_label("Admin token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("missing or wrong")
        page.get_by_label("Admin token").fill("a-token")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#powered")).to_contain_text("Powered by Ollama")
        page.get_by_label("Prompt").fill("Hello.")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#answers")).to_contain_text("You said: Hello.")
        assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out(parts: Parts, open_page: Open, width: int) -> None:
    page = open_page(width=width)
    expect(page.locator("#powered")).to_contain_text("Powered by")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation pre").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator("#powered")).to_be_in_viewport()


@pytest.mark.heavy
@pytest.mark.parametrize("dark", [False, True])
def test_no_one_is_kept_from_using_it(
    host: Host, parts: Parts, open_page: Open, fakes: Fakes, axe: str, dark: bool
) -> None:
    page = open_page(dark=dark)
    radio(page, "Groq (Cloud)").check()
    expect(page.locator("#notice")).to_be_visible()
    fakes.groq.then(too_many(60))
    ask(host)
    expect(card(page, "groq").locator(".pill")).to_contain_text("Back in")
    page.get_by_role("button", name="Ask all side by side").click()
    expect(page.locator("#answers .error")).to_be_visible()
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation pre").first).to_be_visible()
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((told) => told.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
