"""A clean place for each test, fakes of all providers, and a host for a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import GeminiFake, GroqFake, OllamaFake
from tests.proxy.command.terminal_kit import clean, point_at_fakes
from tests.proxy.serving import Host


@pytest.fixture(autouse=True)
def clean_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clean(monkeypatch, tmp_path)


@pytest.fixture
def any_port(clean_place: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server would listen wherever there is room."""
    monkeypatch.setenv("POINTSMAN_PORT", "0")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host().running() as started:
        yield started


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GroqFake, GeminiFake, OllamaFake]]:
    with GroqFake() as groq, GeminiFake() as gemini, OllamaFake() as ollama:
        point_at_fakes(monkeypatch, groq, gemini, ollama)
        yield groq, gemini, ollama
