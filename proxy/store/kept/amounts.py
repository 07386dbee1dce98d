"""How much a table holds of what is kept for clients, and that it is no more than may be."""

from __future__ import annotations

from collections.abc import Callable

from proxy.store.base import Tables

AT_ONCE = 100


def amount(tables: Tables, table: str) -> tuple[int, int]:
    """How many rows there are, and how many characters; none where there is no file yet."""
    for count, size in tables.rows(f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM {table}"):  # noqa: S608 - names of our own
        return int(count), int(size)
    return 0, 0


def forget_oldest(
    tables: Tables, table: str, most: int, forget: Callable[[Tables, str], None]
) -> None:
    """Forget the oldest rows above `most` characters."""
    oldest = f"SELECT name, size FROM {table} ORDER BY at_ms LIMIT {AT_ONCE}"  # noqa: S608
    _, size = amount(tables, table)
    while size > most and (rows := tables.rows(oldest)):
        for name, one in rows:
            if size <= most:
                return
            forget(tables, name)
            size -= one
