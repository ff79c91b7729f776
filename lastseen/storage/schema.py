"""What a database says about its schema, read without Alembic.

A server that finds its database as it should be needs no migrations: importing Alembic would take a tenth of its start
and 10 MB for as long as it runs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect

import lastseen.migrations
from lastseen.errors import ConfigurationError, DatabaseTooNew

SCHEMA = 1
"""The number of this program's schema: databases say with `schema_compat` which is the oldest that may use them."""

MIGRATIONS = Path(lastseen.migrations.__file__).parent

MOVED, COPYING, COPIED = "moved", "copying", "copied"
"""The rows of `meta` in which a database says that it was moved elsewhere, is not whole yet, or was copied whole."""


@cache
def newest() -> str | None:
    """The revision that this program's migrations lead to: they are numbered one after the other. None: there are none,
    or not as files of their own."""
    return max((file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py")), default=None)


def revision_in(connection: Connection) -> str | None:
    """The revision of the database; None when nothing was ever migrated. Several at once are no revision of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version ORDER BY version_num")
    return ", ".join(rows.scalars()) or None


def is_current(connection: Connection, path: Path | str) -> bool:
    """The database is at this program's schema and may be used as it is. Raises ConfigurationError, DatabaseTooNew."""
    revision = revision_in(connection)
    if revision is None or revision != newest():
        return False
    refuse_foreign(connection, revision, path)
    refuse_moved(connection, path)
    refuse_later(connection, path)
    return True


def refuse_foreign(connection: Connection, revision: str, path: Path | str) -> None:
    """Raises ConfigurationError where the tables are another program's."""
    if not inspect(connection).has_table("meta"):
        raise ConfigurationError(
            f"{path} is another program's: its schema is at {revision}, and lastseen's tables are not in it. "
            "Give lastseen a file of its own"
        )


def refuse_moved(connection: Connection, path: Path | str) -> None:
    """What `lastseen db copy` left in both databases (`storage.copying`). Raises ConfigurationError."""
    marks = connection.exec_driver_sql(f"SELECT key, value FROM meta WHERE key IN ('{MOVED}', '{COPYING}')")  # noqa: S608
    said = {row[0]: row[1] for row in marks}
    if COPYING in said:
        raise ConfigurationError(
            f"a copy into {path} is not whole: run the same `lastseen db copy` again, and it goes on where it was"
        )
    if MOVED in said:
        what = said[MOVED]
        if what.startswith("copying "):
            what = f"being copied to {what.partition(' to ')[2]}"
        raise ConfigurationError(
            f"{path} was {what}: set LASTSEEN_DATABASE_URL to that database, or take it back with `lastseen db reopen` "
            "(what was written there since is not in here)"
        )


def refuse_later(connection: Connection, path: Path | str) -> None:
    """Raises DatabaseTooNew where programs like this one may not use the database any more."""
    oldest = oldest_program(connection)
    if oldest is not None and oldest > SCHEMA:
        raise DatabaseTooNew(
            f"{path} asks for a program with schema {oldest} or newer, this one has {SCHEMA}: install a newer lastseen"
        )


def oldest_program(connection: Connection) -> int | None:
    """The schema of the oldest program that may use the database; None: it does not say."""
    said = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema_compat'").scalar()
    return None if said is None else int(said)
