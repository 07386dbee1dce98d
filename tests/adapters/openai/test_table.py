"""docs/providers.md says what the profiles say."""

from __future__ import annotations

from pathlib import Path

from tests.adapters.openai.table import table

DOCS = Path(__file__).parents[3] / "docs" / "providers.md"


def test_the_docs_table_is_made_from_the_profiles() -> None:
    """`python -m tests.adapters.openai` prints it."""
    assert table() in DOCS.read_text(encoding="utf-8")
