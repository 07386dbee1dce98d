"""No request and no chunk takes many more calls of functions than it did: time without a clock.

Where more is meant: `uv run python -m tests.cost --update`, and say in `docs/performance.md` why.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cost.calls import count, measured
from tests.cost.record import GROWTH, Figures, recorded
from tests.faults.dialects import DIALECTS
from tests.proxy.doors.talks import TALKS, Talk

OTHERS = ("responses", "messages", "ollama", "gemini")


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    return measured(tmp_path_factory.mktemp("cost"))


@pytest.mark.parametrize("provider", ["groq", "gemini", "ollama"])
@pytest.mark.parametrize("what", ["request", "chunk"])
def test_it_takes_no_more_calls_than_before(provider: str, what: str, figures: Figures) -> None:
    name = f"{provider} {what}"
    before = recorded()[name]
    assert figures[name] <= before * GROWTH, "python -m tests.cost --update, if that is meant"


def test_any_server_that_speaks_as_openai_does_takes_no_more_than_groq(
    figures: Figures, tmp_path: Path
) -> None:
    alike = replace(DIALECTS["groq"], name="openai")
    for what, calls in asyncio.run(count(alike, tmp_path)).items():
        assert calls <= 1.03 * figures[f"groq {what}"], what


@pytest.mark.parametrize("talk", [TALKS[name] for name in OTHERS], ids=OTHERS)
def test_another_door_takes_hardly_more_than_chat(
    talk: Talk, figures: Figures, tmp_path: Path
) -> None:
    for what, calls in asyncio.run(count(DIALECTS["groq"], tmp_path, talk)).items():
        assert calls <= 1.3 * figures[f"groq {what}"], what
