"""One row for each request that has ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("app", sa.String(128)),
        sa.Column("asked", sa.String(128), nullable=False),
        sa.Column("provider", sa.String(64)),
        sa.Column("model", sa.String(128)),
        sa.Column("first_choice", sa.String(64)),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error", sa.String(128)),
        sa.Column("finish", sa.String(32)),
        sa.Column("prompt", sa.Integer, nullable=False),
        sa.Column("completion", sa.Integer, nullable=False),
        sa.Column("reasoning", sa.Integer),
        sa.Column("cached", sa.Integer),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("first_s", sa.Float),
        sa.Column("total_s", sa.Float, nullable=False),
        sa.Column("waited_s", sa.Float, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.Column("bytes_out", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("rotated", sa.Boolean, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("partial", sa.Boolean, nullable=False),
        sa.Column("story", sa.Text, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("list_price", sa.Float),
    )
