"""Alembic's folder: `env.py` runs a migration on the connection that `proxy.migrate` gives it."""
