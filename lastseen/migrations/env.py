"""Alembic's entry point. Always run from code, on the caller's connection, inside the caller's transaction and lock:
see `lastseen.storage.upgrade`. There is no alembic.ini."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, render_as_batch=True)
context.run_migrations()
