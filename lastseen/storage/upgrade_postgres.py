"""Bringing the tables in a PostgreSQL database up to this program's schema: under a lock that the server keeps.

Several nodes may start at once: one does it, the others wait for its lock and then find it done. All of it is one
transaction. A node of an older program goes on meanwhile as long as `schema_compat` lets it (a rolling upgrade); nobody
makes a copy first, which on a server is what `lastseen backup` or its own tools are for.
"""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from lastseen.errors import DatabaseOutdated, StoreUnavailable
from lastseen.storage.postgres import PLACE, transaction
from lastseen.storage.schema import SCHEMA, oldest_program, refuse_moved, revision_in
from lastseen.storage.upgrade import Upgraded, alembic_config, refuse_newer

UPGRADING = 0x6C617375
"""The number of the lock."""

PATIENCE = "10s"
"""How long an upgrade waits for a table that nodes of the older program are at. What comes after it waits as well."""


def upgrade(url: str, versions: str | None = None) -> Upgraded:
    """Make the tables, or bring them up to date. Raises DatabaseTooNew, ConfigurationError, StoreUnavailable."""
    config = alembic_config(versions)
    script = ScriptDirectory.from_config(config)
    with transaction(url) as connection:
        before, head = revision_in(connection), script.get_current_head()
        if head is None:
            raise StoreUnavailable("this installation of lastseen has no migrations")
        if before == head:
            refuse_moved(connection, PLACE)
            return Upgraded(before, head)
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADING})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        before = revision_in(connection)
        if before is not None and _goes_on(connection, before, script):
            return Upgraded(before, before)
        if before != head:
            config.attributes["connection"] = connection
            command.upgrade(config, head)
    return Upgraded(before, head)


def current(url: str) -> str | None:
    """The revision of the database; None when nothing was ever migrated."""
    with transaction(url) as connection:
        return revision_in(connection)


def check(url: str, versions: str | None = None) -> str:
    """The revision, when this program can use the database. Raises DatabaseOutdated, DatabaseTooNew,
    StoreUnavailable."""
    script = ScriptDirectory.from_config(alembic_config(versions))
    with transaction(url) as connection:
        revision, head = revision_in(connection), script.get_current_head()
        if revision is not None and _goes_on(connection, revision, script):
            return revision
    if revision is None or revision != head:
        raise DatabaseOutdated(
            f"{PLACE} has schema {revision or 'none'}, this program needs {head}: run `lastseen db upgrade`"
        )
    return revision


def readable(url: str, versions: str | None = None) -> str | None:
    """The revision, where this program knows the schema: its own, an older one, or a newer one that lets it go on.
    Raises DatabaseTooNew, ConfigurationError, StoreUnavailable."""
    script = ScriptDirectory.from_config(alembic_config(versions))
    with transaction(url) as connection:
        revision = revision_in(connection)
        if revision is not None:
            _goes_on(connection, revision, script)
    return revision


def _goes_on(connection: Connection, revision: str, script: ScriptDirectory) -> bool:
    """A newer program has upgraded it, and says that this one may go on until its turn comes."""
    if revision in {found.revision for found in script.walk_revisions()} or not inspect(connection).has_table("meta"):
        refuse_newer(connection, revision, script, PLACE)
        return False
    oldest = oldest_program(connection)
    if oldest is None or oldest > SCHEMA:
        refuse_newer(connection, revision, script, PLACE)
    refuse_moved(connection, PLACE)
    return True
