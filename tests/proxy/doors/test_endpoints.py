"""The table of endpoints: it holds every operation, and the docs show it."""

from __future__ import annotations

from pathlib import Path

from proxy.doors import DOORS, counting
from proxy.routing.operations.table import OPERATIONS
from tests.proxy.doors.endpoints import COUNTS, PATHS, table

DOCS = Path(__file__).parents[3] / "docs" / "doors.md"


def test_every_operation_has_a_row_and_every_row_a_door() -> None:
    assert PATHS.keys() == OPERATIONS.keys()
    served = {path for one in (*DOORS, *counting()) for path in one.paths}
    assert {*PATHS.values(), COUNTS} <= served


def test_the_docs_show_the_table() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
