"""Run by Alembic: the migrations go over the connection, and in the transaction, they are given."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,
)
context.run_migrations()
