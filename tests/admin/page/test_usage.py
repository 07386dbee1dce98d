"""The page's usage section in a real browser: sums, chart, request log, receipts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from adapters.base import ErrorKind, Start, Text
from proxy.limits.health import DayQuota
from tests.admin.page.conftest import Open
from tests.proxy.kit import adapter_class, failure
from tests.proxy.serving import Host, app_over

pytestmark = pytest.mark.browser


@pytest.fixture
def used(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    """A server of two providers that has seen a good, a rotated, a broken and a wrong request."""
    near, far = adapter_class("near"), adapter_class("far", local=True)
    database_url = f"sqlite:///{tmp_path}/store.db"
    app = app_over(monkeypatch, near, far, database_url=database_url, alert_day_quota=0.5)
    app.state.parts.health.restore([DayQuota("near", "another-model", time.time() + 600)])
    with (
        host.serving(app),
        httpx.Client(base_url=f"{host.base_url}/v1", trust_env=False) as client,
    ):

        def ask(name: str, **more: Any) -> None:
            body = {"model": "x", "messages": [{"role": "user", "content": "Hello."}], **more}
            headers = {"authorization": f"Bearer app-{name}", "x-request-id": f"req-{name}"}
            client.post("/chat/completions", json=body, headers=headers)

        ask("good", logit_bias={"1": 1})
        near.script.play([[Start(), Text("Hal")], failure(ErrorKind.NETWORK, "near")])
        ask("broken", stream=True)
        ask("wrong", n=99)
        near.script.play([failure(ErrorKind.RATE_LIMIT, "near", status=429, retry_after_s=60)])
        ask("rotated")
        yield host


def section(page: Page) -> Locator:
    found = page.locator("#usage")
    found.scroll_into_view_if_needed()
    return found


def rows(page: Page) -> Locator:
    return section(page).locator("#log-rows tr")


def test_sums_and_chart_tell_what_was_used(used: Host, open_page: Open) -> None:
    usage = section(open_page())

    expect(usage.locator("#log-rows tr")).to_have_count(4)
    near = usage.locator("#usage-sums tr", has_text="near")
    expect(near.locator("td").first).to_have_text("2")
    expect(usage.locator("#usage-sums tr", has_text="far")).to_contain_text("1 (100 %)")
    expect(usage.locator("#usage-chart svg")).to_have_attribute(
        "aria-label", "Requests: 4 in all; the numbers are in the table below"
    )
    assert usage.locator("#usage-chart rect").count() == 3
    usage.get_by_text("The numbers behind the chart").click()
    expect(usage.locator("#usage-numbers tbody tr")).to_have_count(1)


@pytest.mark.parametrize("step", ["hour", "day", "month"])
def test_use_is_shown_by_hour_day_and_month(used: Host, open_page: Open, step: str) -> None:
    usage = section(open_page())

    usage.locator("[name=range]").select_option("90d")
    usage.locator("[name=step]").select_option(step)

    bars = {"hour": 90 * 24 + 1, "day": 91, "month": 4}[step]
    told = httpx.get(
        f"{used.base_url}/admin/api/usage", params={"range": "90d", "step": step}, trust_env=False
    ).json()
    assert bars - 1 <= len(told["starts"]) <= bars
    expect(usage.locator("#usage-chart svg")).to_have_attribute(
        "aria-label", "Requests: 4 in all; the numbers are in the table below"
    )
    usage.get_by_text("The numbers behind the chart").click()
    expect(usage.locator("#usage-numbers tbody tr")).to_have_count(1)


def test_today_is_shown_against_the_limits(used: Host, open_page: Open) -> None:
    page = open_page()
    today = section(page).locator("#usage-today li")

    expect(today).to_have_count(2)
    expect(today.filter(has_text="Far")).to_contain_text("1 request and 5 tokens today")
    near = today.filter(has_text="Near")
    expect(near).to_contain_text("2 requests and 8 tokens today")
    expect(near.locator(".next")).to_contain_text("Back")
    section(page).get_by_label("By").select_option("app")
    expect(near).to_contain_text("2 requests and 8 tokens today")


def test_costs_are_shown(used: Host, open_page: Open) -> None:
    usage = section(open_page())

    cost = usage.locator("#usage-sums tbody tr td:last-child")
    expect(cost).to_have_text(["$0 · 2 unlisted", "$0", "$0", "$0 · 2 unlisted"])
    expect(usage.locator("#log-rows tr td:last-child")).to_have_text(
        ["$0", "$0", "$0 (list ?)", "$0 (list ?)"]
    )


def test_alerts_are_shown(used: Host, open_page: Open) -> None:
    alerts = section(open_page()).locator("#usage-alerts")
    expect(alerts).to_contain_text("Alerts at 50 % of a day")
    expect(alerts.locator("li")).to_have_count(0)

    assert used.app is not None
    used.run(used.app.state.parts.alerts.look())

    expect(alerts.locator("li")).to_contain_text("near says that the quota of the day is used up")


def test_tokens_and_apps_can_be_looked_at_instead(used: Host, open_page: Open) -> None:
    usage = section(open_page())

    usage.get_by_label("Show").select_option("tokens")
    expect(usage.locator("#usage-chart svg")).to_have_attribute(
        "aria-label", "Tokens: 13 in all; the numbers are in the table below"
    )
    usage.get_by_label("By").select_option("app")
    expect(usage.locator("#usage-sums tbody tr")).to_have_count(5)


@pytest.mark.parametrize(
    ("label", "choice", "found"),
    [
        ("Outcome", "ok", ["rotated", "good"]),
        ("Outcome", "error", ["wrong", "broken"]),
        ("Stood in", "true", ["rotated"]),
        ("Slower than", "20", []),
    ],
)
def test_the_log_is_filtered(
    used: Host, open_page: Open, label: str, choice: str, found: list[str]
) -> None:
    page = open_page()
    expect(rows(page)).to_have_count(4)

    page.locator("#log-filter").get_by_label(label).select_option(choice)

    expect(rows(page).locator("td:nth-child(2)")).to_have_text(found)


def test_the_log_is_filtered_by_app(used: Host, open_page: Open) -> None:
    page = open_page()
    expect(rows(page)).to_have_count(4)

    page.locator("#log-filter").get_by_label("App").fill("good")

    expect(rows(page)).to_have_count(1)
    assert "app=good" in (page.locator("#log-csv").get_attribute("href") or "")


def test_the_log_is_filtered_by_status(used: Host, open_page: Open) -> None:
    page = open_page()
    expect(rows(page)).to_have_count(4)

    page.locator("#log-filter").get_by_label("Status").fill("400")

    expect(rows(page).locator("td:nth-child(2)")).to_have_text(["wrong"])


def test_a_rotated_request_opens_its_receipt(used: Host, open_page: Open) -> None:
    page = open_page()
    expect(rows(page)).to_have_count(4)

    rows(page).first.get_by_role("button").click()

    receipt = page.get_by_role("dialog", name="Receipt")
    expect(receipt).to_contain_text("req-rotated")
    expect(receipt).to_contain_text("near/near-model → far/far-model")
    expect(receipt).to_contain_text("near/near-model → 429, rate limit")
    expect(receipt).to_contain_text("far/far-model → answered")
    expect(receipt).to_contain_text("Cost$0")
    expect(receipt).to_contain_text("tokens/s")
    assert receipt.locator("svg rect.failed").count() == 1
    receipt.get_by_role("button", name="Close").click()
    expect(receipt).to_be_hidden()


def test_a_new_request_appears_by_itself(used: Host, open_page: Open) -> None:
    page = open_page()
    expect(rows(page)).to_have_count(4)

    httpx.post(f"{used.base_url}/v1/chat/completions", json={}, trust_env=False)

    expect(rows(page)).to_have_count(5)


def test_a_receipt_tells_who_could_not_do_what_was_asked(used: Host, open_page: Open) -> None:
    assert used.app is not None
    near = used.app.state.parts.adapters["near"]
    near.script.abilities = msgspec.structs.replace(near.script.abilities, tools=False)
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    url = f"{used.base_url}/v1/chat/completions"
    assert httpx.post(url, json=body, trust_env=False).status_code == 200
    page = open_page()
    expect(rows(page)).to_have_count(5)

    rows(page).first.get_by_role("button").click()

    receipt = page.get_by_role("dialog", name="Receipt")
    expect(receipt).to_contain_text("near was not asked: it cannot do tools")


@pytest.mark.heavy
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_section_can_be_used_by_everyone(
    used: Host, open_page: Open, axe: str, dark: bool
) -> None:
    page = open_page(dark=dark)
    expect(rows(page)).to_have_count(4)
    rows(page).first.get_by_role("button").click()

    page.evaluate(axe)
    found = page.evaluate("axe.run('#usage')")

    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
