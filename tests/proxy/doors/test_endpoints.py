"""The table of endpoints: it holds every operation, and the docs show it."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.doors import DOORS, counting
from proxy.routing.operations.table import OPERATIONS
from tests.proxy.doors.endpoints import CLIENTS, COUNTS, PATHS, WHAT, asked_at, doors_table, table

DOCS = Path(__file__).parents[3] / "docs" / "doors.md"


def test_every_operation_has_a_row_and_every_row_a_door() -> None:
    assert PATHS.keys() == OPERATIONS.keys()
    served = {path for one in (*DOORS, *counting()) for path in one.paths}
    assert {*PATHS.values(), COUNTS} <= served


def test_whatever_is_asked_for_at_a_door_is_in_the_table_of_doors() -> None:
    of_an_answer = {path for path in asked_at() if "{" in path}
    assert {*asked_at()} - of_an_answer == frozenset().union(*WHAT.values())
    for path in {*asked_at()} - of_an_answer:
        assert sum(bool(re.match(start, path)) for start in CLIENTS.values()) == 1, path


def test_the_docs_show_the_tables() -> None:
    shown = DOCS.read_text(encoding="utf-8")
    assert table() in shown
    assert doors_table() in shown
