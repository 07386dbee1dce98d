"""Carries all that one database holds over to another, empty one: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from proxy.store.base import StoreError, Tables
from proxy.store.database import Database
from proxy.store.engines.tables import TABLES
from proxy.store.usage.sums import mark_at, marked

PAGE = 1000


def carry_over(source: Database, target: Database) -> Mapping[str, int]:
    """How many rows of each table were carried over. Raises StoreError, and leaves no row then."""
    return target.write(lambda tables: _carry(source, tables))


def _carry(source: Database, into: Tables) -> Mapping[str, int]:
    names = [table.name for table in TABLES.sorted_tables]
    if taken := [name for name in names if _count(into, name)]:
        raise StoreError(f"the other database holds something already, in {', '.join(taken)}")
    for name in names:
        for rows in _pages(source, name):
            into.put(name, rows)
    _mark(source, into)
    counts = {name: _count(into, name) for name in names}
    for name, here in source.read(
        lambda tables: {one: _count(tables, one) for one in names}
    ).items():
        if counts[name] != here:
            raise StoreError(
                f"{counts[name]} of {here} rows of {name} were carried over, so that none is kept:"
                " stop the server that writes to this database, and try again"
            )
    return counts


def _pages(source: Database, name: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    """All rows of a table in the order of its keys; numbers are left for the other one to give."""
    table = TABLES.tables[name]
    keys = [column.name for column in table.primary_key]
    given = () if table.autoincrement_column is None else keys
    rest = f"ORDER BY {', '.join(keys)} LIMIT {PAGE} OFFSET :start"
    start = 0
    while rows := source.read(partial(_page, name, rest, start)):
        yield [{key: row[key] for key in row if key not in given} for row in rows]
        start += len(rows)


def _mark(source: Database, into: Tables) -> None:
    """The rows that are in the sums have other numbers there, in the same order."""
    if not (mark := source.read(marked)):
        return
    query = "SELECT COUNT(*) FROM requests WHERE id <= :mark"
    [[count]] = source.read(lambda tables: tables.rows(query, {"mark": mark}))
    nth = "SELECT id FROM requests ORDER BY id LIMIT 1 OFFSET :before"
    last = into.rows(nth, {"before": count - 1}) if count else []
    mark_at(into, last[0][0] if last else 0)


def _page(name: str, rest: str, start: int, tables: Tables) -> list[dict[str, Any]]:
    return tables.find(name, rest, {"start": start})


def _count(tables: Tables, name: str) -> int:
    [[count]] = tables.rows(f"SELECT COUNT(*) FROM {name}")  # noqa: S608 - a name of our own
    return int(count)
