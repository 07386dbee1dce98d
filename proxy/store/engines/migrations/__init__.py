"""Alembic's folder: `env.py` runs a migration on the connection that `migrate.py` gives it."""
