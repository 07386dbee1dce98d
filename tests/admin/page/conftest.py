"""The page in a real browser, over the strict fakes of the three native APIs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from proxy.app import create_app
from proxy.parts import Parts
from proxy.settings import Settings
from tests.admin.conftest import Open
from tests.admin.page.kit import Fakes, Serve
from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.serving import Host


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
