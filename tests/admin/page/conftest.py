"""The page in a real Chromium, mostly over the strict fakes of the three native APIs.

Skipped where there is no Chromium, but never in CI.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from proxy.app import create_app
from proxy.parts import Parts
from proxy.settings import Settings
from tests.admin.page.kit import Fakes, Serve
from tests.browser import chromium
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.serving import Host

expect.set_options(timeout=20_000)  # a busy machine is slow to draw, and that is no failure

REPORT = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP refused ${event.blockedURI} by ${event.violatedDirective}`));
"""
Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all of these tests, which open pages of their own: a start takes seconds."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as host:
        yield host


@pytest.fixture
def open_page(browser: Browser, host: Host) -> Iterator[Open]:
    """Opens the admin page. Nothing may go wrong in it: no dialog, no error, no CSP report."""
    wrong: list[str] = []
    opened: list[Page] = []

    def opening(*, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        opened.append(page)
        page.set_default_timeout(10_000)
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss())[0])
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: told.type == "error" and wrong.append(told.text))
        page.add_init_script(REPORT)
        page.goto(f"{host.base_url}/admin")
        return page

    yield opening
    for page in opened:
        page.close()
    # A refused request is an error to the browser's console, and to the test that provoked it.
    assert [text for text in wrong if "the server responded with a status of" not in text] == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which finds what keeps people from using a page."""
    npm = shutil.which("npm")
    if npm is None and not os.environ.get("CI"):
        pytest.skip("no npm on this machine to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm or "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "axe-core@4"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return Path(folder, "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


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
