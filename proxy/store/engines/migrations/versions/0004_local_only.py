"""Whether requests stay on the user's own machines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it; nobody has said so yet."""
    op.add_column("user_preferences", sa.Column("local_only", sa.Boolean))
