"""What can be tried on the page: a prompt, one for all, the test of a provider, an explanation."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.admin.page.kit import Fakes, card, too_many
from tests.fakes import Fault, Gate

pytestmark = pytest.mark.browser


def test_the_playground_streams(page: Page, fakes: Fakes) -> None:
    gate = Gate()
    fakes.ollama.then(Fault(hold_at=(250, gate)))
    page.get_by_label("Prompt").fill("one two three four five six seven eight nine")
    page.get_by_role("button", name="Send").click()
    answer = page.locator("#answers .answer-text")
    expect(answer).to_have_text(re.compile("^You"))
    assert "nine" not in answer.inner_text()
    gate.open()
    expect(answer).to_have_text("You said: one two three four five six seven eight nine")
    expect(page.locator("#answers article")).to_contain_text(re.compile(r"first token [\d.]+ m?s"))
    expect(page.locator("#answers article")).to_contain_text("tokens")


def test_a_running_answer_can_be_stopped(page: Page, fakes: Fakes) -> None:
    gate = Gate()
    fakes.ollama.then(Fault(hold_at=(250, gate)))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answers .answer-text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#answers")).to_contain_text("Stopped.")
    fakes.ollama.wait_until(lambda fake: fake.counts.left == 1)
    gate.open()


def test_all_providers_answer_side_by_side(page: Page, fakes: Fakes) -> None:
    fakes.groq.then(too_many(30))
    page.get_by_label("Prompt").fill("Hello.")
    page.get_by_role("button", name="Ask all side by side").click()
    answers = page.locator("#answers article")
    expect(answers.filter(has_text="Ollama (Local)")).to_contain_text("You said: Hello.")
    expect(answers.filter(has_text="Gemini (Cloud)")).to_contain_text("You said: Hello.")
    expect(answers.filter(has_text="Groq (Cloud)").locator(".error")).to_contain_text("groq")


def test_explain_shows_what_each_would_get(page: Page, fakes: Fakes) -> None:
    page.get_by_role("button", name="Explain").click()
    bodies = page.locator("#explanation pre")
    expect(bodies.filter(has_text='"systemInstruction"')).to_have_count(1)
    expect(page.locator("#explanation")).to_contain_text("ollama/llama3.2 is first in the order")
    expect(page.locator("#explanation .chip").first).to_have_text("dropped=logit_bias")
    shown = [json.loads(body) for body in bodies.all_inner_texts()]
    assert [set(one) & {"options", "contents", "temperature"} for one in shown[:3]] == [
        {"options"},
        {"contents"},
        {"temperature"},
    ]
    page.get_by_label("OpenAI request").fill('{"model": "x"}')
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation").get_by_role("alert")).to_contain_text("messages")
    assert not [one for one in fakes.ollama.requests if one.path == "/api/chat"]


def test_the_test_button_asks_the_provider(page: Page, fakes: Fakes) -> None:
    button = card(page, "groq").get_by_role("button", name="Test Groq")
    button.click()
    expect(card(page, "groq").get_by_role("status")).to_have_text("✓ It answers.")


def test_what_is_asked_before_the_page_knows_anything_is_asked_then(page: Page) -> None:
    held: list[Route] = []
    page.route("**/admin/api/events", lambda route: held.append(route))
    page.reload()
    page.get_by_role("button", name="Ask all side by side").click()
    expect(page.locator("#answers article")).to_have_count(0)
    held[0].continue_()
    expect(page.locator("#answers article").filter(has_text="tokens")).to_have_count(3)


def test_the_better_answer_is_kept_for_the_comparison(page: Page, fakes: Fakes) -> None:
    page.get_by_role("button", name="Ask all side by side").click()
    gemini = page.locator("#answers article").filter(has_text="Gemini (Cloud)")
    gemini.get_by_role("button", name="This one is better").click()
    expect(page.locator("#notice")).to_contain_text(
        re.compile("✓ Kept: gemini.s answer was better.")
    )
    expect(page.get_by_role("button", name="This one is better")).to_have_count(0)
    page.get_by_role("button", name="Ask all side by side").click()
    page.get_by_role("button", name="None is better").click()
    expect(page.locator("#notice")).to_contain_text("✓ Kept: no answer was better.")
    page.locator("#usage").scroll_into_view_if_needed()
    line = page.locator("#arms-table tbody tr").filter(has_text="gemini")
    expect(line).to_contain_text("1 of 2")
