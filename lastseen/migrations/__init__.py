"""Alembic migrations: numbered, frozen, importing nothing from lastseen. Started by `lastseen.storage` alone."""
