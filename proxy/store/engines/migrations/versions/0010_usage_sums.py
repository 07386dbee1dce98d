"""The usage log added up by the half hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

SUMS = (
    "requests",
    "errors",
    "cancelled",
    "rotated",
    "prompt",
    "completion",
    "estimated",
    "cost_nano_usd",
    "list_nano_usd",
    "unpriced",
    "answered",
    "cut",
)


def upgrade() -> None:
    """Add the tables, empty: the server fills them step by step while it runs."""
    op.create_table(
        "usage_sums",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("begin_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(128), primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
    )
    op.create_table(
        "usage_marks",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("up_to", sa.BigInteger, nullable=False),
    )
