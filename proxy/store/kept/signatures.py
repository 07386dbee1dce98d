"""Thought signatures by the tool-call id that clients see, as rows of their table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from proxy.store.base import Tables

TABLE = "signatures"
MAX_SIGNATURES = 20_000
MAX_CALL_ID = 128
COUNT = "SELECT COUNT(*) FROM signatures"
FORGET_OLDEST = (
    "DELETE FROM signatures WHERE call_id IN"
    " (SELECT call_id FROM signatures ORDER BY created_at LIMIT :excess)"
)


def newest(tables: Tables, most: int) -> dict[str, str]:
    """The newest signatures by call id, oldest first."""
    found = tables.find(TABLE, "ORDER BY created_at DESC LIMIT :most", {"most": most})
    return {row["call_id"]: row["value"] for row in reversed(found)}


def save(tables: Tables, fresh: Mapping[str, str]) -> None:
    """Write signatures, and forget the oldest above `MAX_SIGNATURES`."""
    now = datetime.now(UTC)
    rows = [
        {"call_id": call_id, "value": value, "created_at": now}
        for call_id, value in fresh.items()
        if _fits(call_id, value)
    ]
    tables.put(TABLE, rows)
    [[count]] = tables.rows(COUNT)
    if count > MAX_SIGNATURES:
        tables.run(FORGET_OLDEST, {"excess": count - MAX_SIGNATURES})


def _fits(call_id: str, value: str) -> bool:
    """Whether a signature is one that any database takes: a provider may say anything."""
    return len(call_id) <= MAX_CALL_ID and call_id.isprintable() and value.isprintable()
