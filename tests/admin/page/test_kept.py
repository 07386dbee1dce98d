"""The page's switch for keeping what is said, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.admin.page.conftest import Open
from tests.proxy.kit import adapter_class
from tests.proxy.serving import Host, app_over

pytestmark = pytest.mark.browser


@pytest.fixture
def served(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    database_url = f"sqlite:///{tmp_path}/store.db"
    with host.serving(app_over(monkeypatch, adapter_class("near"), database_url=database_url)):
        yield host


def ask(host: Host, *, stream: bool = False) -> None:
    body = {"model": "x", "messages": [{"role": "user", "content": "A canary."}], "stream": stream}
    headers = {"x-request-id": f"mine/{stream}"}
    url = f"{host.base_url}/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers, trust_env=False).status_code == 200


def open_receipt(page: Page, number: int) -> None:
    page.locator("#log-rows tr").nth(number).get_by_role("button").click()
    expect(page.locator("#receipt-body h3").last).to_be_visible()


def test_what_is_said_is_in_the_receipts_while_the_page_says_so(
    served: Host, open_page: Open
) -> None:
    page = open_page()
    notice = page.locator("#kept-notice")
    page.locator("#usage").scroll_into_view_if_needed()
    expect(page.locator("#kept-text")).to_have_text("Prompts and answers are not kept.")
    expect(notice).to_be_hidden()

    page.locator("#keep-for").select_option("60")
    page.get_by_role("button", name="Keep them").click()
    expect(notice).to_contain_text("Prompts and answers are kept in memory until")
    ask(served)
    ask(served, stream=True)
    expect(notice).to_contain_text("2 so far")
    expect(page.locator("#log-rows tr")).to_have_count(2)
    for number in (0, 1):
        open_receipt(page, number)
        expect(page.locator("#receipt-body .said").first).to_contain_text("A canary.")
        expect(page.locator("#receipt-body .said").last).to_contain_text("Hello")
        page.locator("#receipt-close").click()

    notice.get_by_role("button", name="Stop and forget").click()
    expect(notice).to_be_hidden()
    open_receipt(page, 0)
    expect(page.locator("#receipt-body .said")).to_have_count(0)
