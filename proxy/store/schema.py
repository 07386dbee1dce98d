"""Today's schema, as it is written down for SQLite, and what can be read off it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")


def columns(table: str) -> Mapping[str, str]:
    """The columns of a table, and their types, as the schema has them."""
    lines = SCHEMA.read_text("utf-8").partition(f"CREATE TABLE {table} (\n")[2].partition("\n);")[0]
    words = [line.strip(" \t,").split() for line in lines.splitlines()]
    return {name: kind for name, kind, *_ in words if name.islower()}
