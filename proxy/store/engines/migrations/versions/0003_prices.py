"""What each request costs by the price list, in whole numbers, and whether it is paid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Put them in the place of two columns that never held anything."""
    for column in ("cost", "list_price"):
        op.drop_column("requests", column)
    op.add_column("requests", sa.Column("list_nano_usd", sa.BigInteger))
    billed = sa.Column("billed", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("requests", billed)
