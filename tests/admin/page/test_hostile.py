"""Names, answers and errors that try to be more than text, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from adapters.base import AdapterError, ErrorKind, Finish, Model, Text, Usage
from tests.admin.page.conftest import Open
from tests.proxy.kit import adapter_class, failure
from tests.proxy.serving import Host, app_over
from tests.proxy.store.usage.test_rows import failed

pytestmark = pytest.mark.browser

TEXTS = (
    '<img src=x onerror="alert(1)">',
    "</script><script>alert(2)</script>",
    "javascript:alert(3)",
    "\u202egnp.exe",
    '"><svg onload=alert(4)>',
    "{{7*7}}${7*7}`alert(5)`",
)


def put(host: Host, change: Any, **params: str) -> None:
    url = f"{host.base_url}/api/user/preferences"
    httpx.put(url, json=change, params=params).raise_for_status()


@pytest.mark.heavy
@pytest.mark.parametrize("hostile", TEXTS)
def test_hostile_text_stays_text(
    host: Host,
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hostile: str,
) -> None:
    evil, other = adapter_class("evil"), adapter_class("other")
    evil.script.listed = [Model(hostile)]
    evil.script.warnings = (hostile,)
    evil.script.play([[Text(hostile)], [Finish("stop"), Usage(completion=3)]])
    evil.script.play([_failing(hostile, ErrorKind.BAD_REQUEST)])
    app = app_over(monkeypatch, evil, other, database_url=f"sqlite:///{tmp_path / 'p.db'}")
    with host.serving(app):
        app_name = hostile if hostile.isprintable() else "notes"  # no app is named by what is not
        put(host, {"default_llm_provider": "other"}, app=app_name)
        parts = app.state.parts
        parts.monitors.recorder.ended(failed(_failing(hostile, ErrorKind.SERVER)))
        page = open_page()
        card = page.locator("[data-provider=evil]")
        expect(card.locator("option", has_text=hostile)).to_have_text(hostile)
        expect(card.locator(".error")).not_to_contain_text(hostile)
        expect(page.locator("#apps .name")).to_have_text(app_name)
        page.locator("#apps select").select_option("Evil")
        expect(page.locator("#notice-text")).to_contain_text(app_name)
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#answers .answer-text")).to_have_text(hostile)
        # By key: the list above still grows, and a button that moves is not clicked.
        page.get_by_role("button", name="Explain").press("Enter")
        expect(page.locator("#explanation .chip").first).to_have_text(hostile)
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#answers .error")).to_contain_text(hostile)
        card.locator("select").select_option(hostile)
        expect(page.locator("#notice")).to_contain_text("'models.evil' must be")
        page.reload()
        expect(page.locator("#apps .name")).to_have_text(app_name)
        ours = ":not(.chart, .timeline)"  # the pictures that the page draws itself
        assert page.locator(f"main img, main svg{ours}, main script").count() == 0


def _failing(text: str, kind: ErrorKind) -> AdapterError:
    error = failure(kind, "evil")
    error.message = text
    return error
