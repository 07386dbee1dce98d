"""A choice split over several providers, and what it takes to compare them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it; nothing was split before."""
    op.add_column("user_preferences", sa.Column("split", sa.JSON))
    op.add_column("requests", sa.Column("arm", sa.String(64)))
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("won", sa.Boolean, nullable=False),
    )
