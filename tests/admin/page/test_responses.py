"""The page's line for responses that are kept for clients, in a real browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.admin.page.conftest import Open
from tests.proxy.kit import adapter_class
from tests.proxy.serving import Host, app_over

pytestmark = pytest.mark.browser


def test_the_owner_has_kept_conversations_forgotten(
    host: Host, open_page: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database_url = f"sqlite:///{tmp_path}/store.db"
    app = app_over(
        monkeypatch, adapter_class("near"), database_url=database_url, responses_store="disk"
    )
    with host.serving(app):
        asked = {"model": "x", "input": "A canary."}
        url = f"{host.base_url}/v1/responses"
        name = httpx.post(url, json=asked, trust_env=False).json()["id"]
        page = open_page()
        page.locator("#usage").scroll_into_view_if_needed()
        told = page.locator("#responses-text")
        expect(told).to_contain_text("1 responses and conversations are kept on disk")
        page.get_by_role("button", name="Forget kept conversations").click()
        expect(told).to_be_hidden()

        assert httpx.get(f"{url}/{name}", trust_env=False).status_code == 404
