"""The switch on the page: what it changes, and what is told of those that cannot answer now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from adapters.base import AdapterError, ErrorKind, Scope
from proxy.candidate import Candidate
from proxy.limits.ticket import Ticket
from proxy.parts import Parts
from tests.admin.page.conftest import Open
from tests.admin.page.kit import Fakes, Serve, ask, card, radio, too_many
from tests.proxy.serving import Host

pytestmark = pytest.mark.browser


def test_a_click_switches_and_everything_keeps_it(
    host: Host, serve: Serve, fakes: Fakes, open_page: Open
) -> None:
    with serve():
        page = open_page()
        expect(page.get_by_role("heading", name="AI Configuration")).to_be_visible()
        expect(page.locator("#powered")).to_contain_text("Powered by Ollama")
        assert ask(host) == "ollama"
        page.get_by_text("Groq (Cloud)", exact=True).first.click()
        expect(page.locator("#notice")).to_contain_text(
            "✓ Provider switched to Groq. All subsequent requests will use Groq."
        )
        expect(page.locator("#powered")).to_contain_text("Powered by Groq")
        assert ask(host) == "groq"
        assert [one.path for one in fakes.groq.requests][-1] == "/openai/v1/chat/completions"
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator("#notice")).to_be_hidden()
        page.reload()
        expect(radio(page, "Groq (Cloud)")).to_be_checked()
        page.close()
    with serve():
        page = open_page()
        expect(radio(page, "Groq (Cloud)")).to_be_checked()
        expect(page.locator("#powered")).to_contain_text("Powered by Groq")
        assert ask(host) == "groq"


def test_two_pages_follow_each_other(page: Page, open_page: Open) -> None:
    other = open_page()
    radio(page, "Gemini (Cloud)").check()
    expect(radio(other, "Gemini (Cloud)")).to_be_checked()
    expect(other.locator("#powered")).to_contain_text("Powered by Gemini")
    radio(other, "Ollama (Local)").check()
    expect(radio(page, "Ollama (Local)")).to_be_checked()


def test_the_keyboard_is_enough_to_switch(host: Host, page: Page) -> None:
    expect(radio(page, "Ollama (Local)")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "provider":
            break
    expect(radio(page, "Ollama (Local)")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(radio(page, "Groq (Cloud)")).to_be_checked()
    expect(page.get_by_role("status").first).to_contain_text("Provider switched to Groq")
    expect(page.locator("#powered")).to_contain_text("Powered by Groq")
    assert ask(host) == "groq"
    page.keyboard.press("Shift+Tab")
    page.get_by_role("button", name="Dismiss").press("Enter")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_choice_stands_while_it_is_on_its_way(host: Host, page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/user/preferences", lambda route: held.append(route))
    radio(page, "Groq (Cloud)").check()
    assert ask(host) == "ollama"
    with page.expect_event("console"):  # which comes behind the status that the request brought
        page.evaluate(
            """new EventSource("/admin/api/events").addEventListener("status", ({ data }) =>
              JSON.parse(data).preference.default_llm_provider === "ollama" &&
              setTimeout(() => console.info("told"), 300))"""
        )
    expect(radio(page, "Groq (Cloud)")).to_be_checked()
    held.pop().continue_()
    expect(page.locator("#powered")).to_contain_text("Powered by Groq")


def test_a_choice_that_could_not_be_made_is_taken_back(host: Host, page: Page) -> None:
    page.route("**/api/user/preferences", lambda route: route.fulfill(status=500, body="{}"))
    radio(page, "Groq (Cloud)").check()
    expect(page.locator("#notice")).to_contain_text("The server answered 500.")
    expect(radio(page, "Ollama (Local)")).to_be_checked()


def test_what_is_wrong_with_the_database_is_shown(
    host: Host, serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    with serve(database_url=f"sqlite:///{tmp_path}"):
        page = open_page()
        radio(page, "Groq (Cloud)").click()  # which is taken back, maybe at once
        expect(page.locator("#notice")).to_contain_text("not saved and nothing has changed")
        expect(page.locator("#store-problem")).to_contain_text("Requests go on")
        expect(radio(page, "Ollama (Local)")).to_be_checked()
        assert ask(host) == "ollama"


def test_what_has_failed_in_the_background_is_shown(parts: Parts, page: Page) -> None:
    notice = page.locator("#background-problem")
    expect(notice).to_be_hidden()
    parts.background.problems.append("saving failed inside the proxy; its log has the details")
    expect(notice).to_contain_text("saving failed inside the proxy")
    expect(notice).to_contain_text("Restart pointsman.")


def test_a_cooldown_counts_down_and_ends(host: Host, page: Page, fakes: Fakes) -> None:
    radio(page, "Groq (Cloud)").check()
    expect(page.locator("#powered")).to_contain_text("Powered by Groq")
    fakes.groq.then(too_many(4))
    assert ask(host) == "ollama"
    pill = card(page, "groq").locator(".pill")
    expect(pill).to_have_text(re.compile(r"Back in [1-4] seconds?"))
    expect(page.locator("#limits")).to_contain_text(
        re.compile(r"Next request available in [1-4] seconds?")
    )
    expect(page.locator("#powered")).to_contain_text("Powered by Ollama")
    expect(page.locator("#powered")).to_contain_text("standing in for Groq")
    expect(pill).to_have_text("Ready")
    expect(page.locator("#powered")).to_contain_text("Powered by Groq")
    assert ask(host) == "groq"


def test_a_full_window_tells_when_the_next_request_may_come(
    host: Host, serve: Serve, open_page: Open
) -> None:
    with serve(rate_preset="careful", llm_provider="groq"):
        page = open_page()
        line = page.locator("#limits li", has_text="Groq")
        expect(line).to_contain_text("Groq: 0 requests used in last 60 s (limit 2 RPM).")
        assert [ask(host), ask(host)] == ["groq", "groq"]
        expect(line).to_contain_text("Groq: 2 requests used in last 60 s (limit 2 RPM).")
        expect(line).to_contain_text(re.compile(r"Next request available in \d+ seconds"))
        radio(page, "Ollama (Local)").check()
        expect(page.locator("#notice")).to_contain_text("will use Ollama.")
        radio(page, "Groq (Cloud)").check()
        expect(page.locator("#notice")).to_contain_text("will use Groq. It is paused now:")
        page.get_by_text("Off", exact=True).click()
        expect(page.locator("#powered")).to_contain_text("Powered by Groq")
        assert ask(host) == "groq"


def test_a_refused_key_says_so_and_is_tried_again_by_a_button(page: Page, parts: Parts) -> None:
    call = parts.health.admit(Candidate("groq", parts.adapters["groq"].settings.model))
    assert isinstance(call, Ticket)
    call.failed(AdapterError(ErrorKind.AUTH, "no", provider="groq", scope=Scope.KEY))
    expect(card(page, "groq").locator(".pill")).to_have_text("Key refused")
    line = page.locator("#limits li", has_text="Groq")
    expect(line).to_contain_text("Key refused: see to it, then “Try again”")
    expect(line).not_to_contain_text("available")
    page.get_by_role("button", name="Try Groq again").click()
    expect(page.locator("#notice")).to_contain_text("may ask Groq again")
    expect(card(page, "groq").locator(".pill")).not_to_have_text("Key refused")


def test_talks_are_shared_out_and_compared_until_one_is_chosen(
    host: Host, serve: Serve, fakes: Fakes, open_page: Open
) -> None:
    with serve():
        page = open_page()
        page.get_by_text("Share talks out over several").click()
        page.locator("#split").get_by_label("Groq").fill("3")
        page.locator("#split").get_by_label("Gemini").fill("1")
        page.get_by_role("button", name="Share out").click()
        expect(page.locator("#split-text")).to_have_text("Shared out: Gemini 1, Groq 3")
        expect(radio(page, "Groq (Cloud)")).not_to_be_checked()
        assert ask(host) in ("groq", "gemini")
        page.locator("#usage").scroll_into_view_if_needed()
        expect(page.locator("#arms-table tbody tr")).to_have_count(1)
        page.get_by_text("Groq (Cloud)", exact=True).first.click()
        expect(page.locator("#split-text")).to_have_text("Share talks out over several")
        expect(radio(page, "Groq (Cloud)")).to_be_checked()
