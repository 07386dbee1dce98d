"""One fresh fake of each provider a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import GeminiFake, GroqFake, OllamaFake


@pytest.fixture
def groq_fake() -> Iterator[GroqFake]:
    with GroqFake() as fake:
        yield fake


@pytest.fixture
def gemini_fake() -> Iterator[GeminiFake]:
    with GeminiFake() as fake:
        yield fake


@pytest.fixture
def ollama_fake() -> Iterator[OllamaFake]:
    with OllamaFake() as fake:
        yield fake
