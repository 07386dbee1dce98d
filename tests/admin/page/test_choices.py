"""What else is chosen on the page: models, their order, an app's provider, names of one's own."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from proxy.parts import Parts
from tests.admin.page.conftest import Open
from tests.admin.page.kit import Fakes, ask, card
from tests.proxy.serving import Host

pytestmark = pytest.mark.browser


def test_a_model_is_chosen_among_those_offered(host: Host, page: Page, fakes: Fakes) -> None:
    select = card(page, "groq").get_by_label("Model")
    expect(select.locator("option")).not_to_have_count(1)
    select.select_option("llama-3.1-8b-instant")
    expect(page.locator("#notice")).to_contain_text("Groq now answers with llama-3.1-8b-instant")
    assert ask(host, model="groq") == "groq"
    assert fakes.groq.requests[-1].json["model"] == "llama-3.1-8b-instant"


def test_the_order_changes_by_keyboard_and_by_drag(page: Page, parts: Parts) -> None:
    rows = page.locator("#order li")
    expect(rows.first).to_contain_text("Ollama")
    page.get_by_role("button", name="Move Groq up").press("Enter")
    expect(page.locator("#notice")).to_contain_text("Fallback order: Ollama, Groq, Gemini.")
    expect(page.get_by_role("button", name="Move Groq up")).to_be_focused()
    assert parts.preferences.get(None).fallback == ("ollama", "groq", "gemini")
    rows.filter(has_text="Gemini").drag_to(rows.first, target_position={"x": 60, "y": 4})
    expect(page.locator("#notice")).to_contain_text("Fallback order: Gemini, Ollama, Groq.")
    assert parts.preferences.get(None).fallback == ("gemini", "ollama", "groq")
    rows.filter(has_text="Ollama").get_by_role("checkbox").uncheck()
    expect(page.locator("#notice")).to_contain_text("Fallback order: Gemini, Groq.")
    assert parts.preferences.get(None).fallback == ("gemini", "groq")


def test_an_app_gets_a_provider_of_its_own(host: Host, page: Page) -> None:
    assert ask(host, key="app-mail") == "ollama"
    select = page.get_by_label("mail", exact=True)
    select.select_option("Groq (Cloud)")
    expect(page.locator("#notice")).to_contain_text("mail: its requests will use Groq")
    assert ask(host, key="app-mail") == "groq"
    assert ask(host, key="app-notes") == "ollama"
    select.select_option("As chosen above")
    expect(page.locator("#notice")).to_contain_text("mail: as chosen above")
    assert ask(host, key="app-mail") == "ollama"


def test_a_model_gets_a_name_and_loses_it(host: Host, parts: Parts, open_page: Open) -> None:
    page = open_page()
    form = page.locator("#alias")
    form.get_by_label("Name").fill("fast")
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_contain_text("at least one provider")
    form.get_by_label("Groq").fill("llama-3.1-8b-instant")
    form.get_by_label("Gemini").fill("gemini-2.5-flash-lite")
    form.get_by_role("button", name="Save").click()

    named = page.locator("#aliases li")
    expect(named).to_contain_text("Gemini: gemini-2.5-flash-lite")
    aliases = {"groq": "llama-3.1-8b-instant", "gemini": "gemini-2.5-flash-lite"}
    assert parts.preferences.get(None).aliases == {"fast": aliases}
    expect(form.get_by_label("Name")).to_have_value("")

    named.get_by_role("button", name="Remove fast").click()
    expect(named).to_have_text("No name yet.")
    assert parts.preferences.get(None).aliases == {}
