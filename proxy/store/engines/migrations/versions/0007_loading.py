"""How long a model took to be loaded, apart from what it took to answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add it; nobody has measured it before."""
    op.add_column("requests", sa.Column("loading_s", sa.Float))
