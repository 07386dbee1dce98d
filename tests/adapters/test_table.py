"""docs/providers.md says what the adapters say."""

from __future__ import annotations

from pathlib import Path

from tests.adapters.embedded.model import needs_the_extra
from tests.adapters.table import table

DOCS = Path(__file__).parents[2] / "docs" / "providers.md"


@needs_the_extra
def test_the_docs_table_is_made_from_the_code() -> None:
    """`python -m tests.adapters` prints it."""
    assert table() in DOCS.read_text(encoding="utf-8")
