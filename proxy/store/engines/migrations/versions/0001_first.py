"""The first schema: preferences, thought signatures, day-long cooldowns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters import REGISTRY

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "user_preferences",
        sa.Column("id", sa.String(128), primary_key=True, server_default="default"),
        sa.Column("default_llm_provider", sa.String(64), server_default=next(iter(REGISTRY))),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("aliases", sa.JSON, nullable=False),
        sa.Column("fallback", sa.JSON, nullable=False),
        sa.Column("rate_preset", sa.String(16)),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
    )
    op.create_table(
        "signatures",
        sa.Column("call_id", sa.String(128), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False, index=True),
    )
    op.create_table(
        "cooldowns",
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("until", moment, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
