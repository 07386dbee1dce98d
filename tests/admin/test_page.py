"""The page in a real browser, over the strict fakes of the three native APIs."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from playwright.sync_api import Page, Route, expect
from pydantic import SecretStr

from adapters import REGISTRY
from adapters.base import ProviderSettings
from proxy.app import Parts, create_app
from proxy.settings import Settings
from tests.admin.conftest import Open
from tests.fakes import GEMINI_KEY, GROQ_KEY, Answer, Fault, Gate, GeminiFake, GroqFake, OllamaFake
from tests.proxy.serving import Host

pytestmark = pytest.mark.browser

Serve = Callable[..., AbstractContextManager[Parts]]


@dataclass(frozen=True)
class Fakes:
    ollama: OllamaFake
    gemini: GeminiFake
    groq: GroqFake

    def providers(self) -> dict[str, ProviderSettings]:
        given: dict[str, dict[str, Any]] = {
            "ollama": {"base_url": self.ollama.url},
            "gemini": {"base_url": self.gemini.url, "api_key": GEMINI_KEY},
            "groq": {"base_url": self.groq.url, "api_key": GROQ_KEY},
        }
        return {name: cls.Settings(**given.get(name, {})) for name, cls in REGISTRY.items()}


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with OllamaFake() as ollama, GeminiFake() as gemini, GroqFake() as groq:
        yield Fakes(ollama, gemini, groq)


@pytest.fixture
def serve(host: Host, fakes: Fakes, tmp_path: Path) -> Serve:
    """Serves the application before the fakes, each time over the same database."""

    @contextlib.contextmanager
    def serving(**given: Any) -> Iterator[Parts]:
        standing = {
            "llm_provider": "ollama",
            "providers": fakes.providers(),
            "max_wait_s": 0,
            "database_url": f"sqlite:///{tmp_path / 'pointsman.db'}",
        }
        app = create_app(Settings(**(standing | given)))
        with host.serving(app):
            yield app.state.parts

    return serving


@pytest.fixture
def parts(serve: Serve) -> Iterator[Parts]:
    with serve() as parts:
        yield parts


@pytest.fixture
def page(parts: Parts, open_page: Open) -> Page:
    return open_page()


def ask(host: Host, *, model: str = "gpt-4o", key: str = "app-notes") -> str:
    """The provider that answers an unmodified OpenAI SDK."""
    with openai.OpenAI(base_url=f"{host.base_url}/v1", api_key=key, max_retries=0) as client:
        answer = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": "Hello."}]
        )
    provider: str = answer.headers["x-pointsman-provider"]
    return provider


def too_many(wait_s: int) -> Fault:
    headers = (("content-type", "application/json"), ("retry-after", str(wait_s)))
    body = {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    return Fault(answer=Answer(429, headers, (json.dumps(body).encode(),)))


def radio(page: Page, name: str) -> Any:
    return page.get_by_role("radio", name=name)


def card(page: Page, provider: str) -> Any:
    return page.locator(f"[data-provider={provider}]")


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


def test_a_model_is_chosen_among_those_offered(host: Host, page: Page, fakes: Fakes) -> None:
    select = card(page, "groq").get_by_label("Model")
    expect(select.locator("option")).not_to_have_count(1)
    select.select_option("llama-3.1-8b-instant")
    expect(page.locator("#notice")).to_contain_text("Groq now answers with llama-3.1-8b-instant")
    assert ask(host, model="groq") == "groq"
    assert fakes.groq.requests[-1].json["model"] == "llama-3.1-8b-instant"


def test_the_test_button_asks_the_provider(page: Page, fakes: Fakes) -> None:
    button = card(page, "groq").get_by_role("button", name="Test Groq")
    button.click()
    expect(card(page, "groq").get_by_role("status")).to_have_text("✓ It answers.")


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


def test_the_first_run_says_what_to_do(serve: Serve, open_page: Open, fakes: Fakes) -> None:
    nowhere = {"base_url": "http://127.0.0.1:9"}
    providers = {
        name: cls.Settings(**(nowhere if cls.local and not cls.last_resort else {}))
        for name, cls in REGISTRY.items()
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


def test_what_is_wrong_with_the_database_is_shown(
    host: Host, serve: Serve, open_page: Open, tmp_path: Path
) -> None:
    with serve(database_url=f"sqlite:///{tmp_path}"):
        page = open_page()
        radio(page, "Groq (Cloud)").check()
        expect(page.locator("#notice")).to_contain_text("not saved and nothing has changed")
        expect(page.locator("#store-problem")).to_contain_text("Requests go on")
        expect(radio(page, "Ollama (Local)")).to_be_checked()
        assert ask(host) == "ollama"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out(parts: Parts, open_page: Open, width: int) -> None:
    page = open_page(width=width)
    expect(page.locator("#powered")).to_contain_text("Powered by")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation pre").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator("#powered")).to_be_in_viewport()


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
