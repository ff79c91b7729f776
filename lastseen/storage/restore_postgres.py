"""A backup becomes a database on a PostgreSQL server: in one transaction, the tables with it.

Until its COMMIT everybody sees what was there before, and nobody can change it; one that is cut off has changed nothing
and can be run again. What is replaced moves into a schema of its own in the same database, at no cost of room or time
beside that of the rows that come.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, inspect

from lastseen.errors import ConfigurationError, Conflict, DatabaseTooNew, StoreUnavailable
from lastseen.storage import filling, secrets, tables_io, upgrade
from lastseen.storage import upgrade_postgres as server
from lastseen.storage.archive import Archive
from lastseen.storage.filling import Progress
from lastseen.storage.postgres import transaction
from lastseen.storage.restore import Restored, keys, put_keys
from lastseen.storage.schema import revision_in
from lastseen.storage.sql_nodes import refuse_served
from lastseen.storage.sql_restored import come_back
from lastseen.storage.tables import metadata
from lastseen.words import say

VERSION_TABLE = "alembic_version"

_CAUGHT = "55P03"
"""lock_not_available: what PostgreSQL says when the wait for a lock was too long."""

_PARTS = """
SELECT c.relname FROM pg_partition_tree(to_regclass(quote_ident(%s))) AS part JOIN pg_class AS c ON c.oid = part.relid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname <> %s ORDER BY 1
"""


def restore(
    archive: Archive,
    url: str,
    name: str,
    now: datetime,
    *,
    key_text: str | None,
    key_file: Path,
    replace: bool,
    progress: Progress | None,
) -> Restored:
    """Make the database at `url`, called `name` where others may read it, from the archive. `key_text`: keys that are
    given; else those of the archive go into `key_file`, above those that are there.

    Raises Conflict where there is something already, unless `replace`: then that is kept in another schema; and where a
    node or another program is at work on it. ConfigurationError, DatabaseTooNew, StoreUnavailable.
    """
    filling.refuse_newer(archive)
    with transaction(url, files=False) as connection:
        _hold(connection, name)
        before = _make_room(connection, archive, name, now, replace)
        _migrate(connection, archive.manifest.revision)
        rows = filling.fill(connection, archive, progress)
        head = _migrate(connection, None)
        cancelled = come_back(connection, archive.manifest.taken_at, now)
        _outdate(connection)
        locked = secrets.unreadable(connection, keys(archive, key_file, key_text))
        if key_text is None:
            put_keys(archive, key_file)
    return Restored(name, head, rows, cancelled, locked, before)


def _hold(connection: Connection, name: str) -> None:
    """No other process makes, upgrades or restores it meanwhile."""
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{server.PATIENCE}'")
    mine = connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({server.UPGRADING})").scalar()
    if not mine:
        raise Conflict(say("another process restores or upgrades {name} now", name=name))


def _make_room(connection: Connection, archive: Archive, name: str, now: datetime, replace: bool) -> str | None:
    """Afterwards there are no tables, or empty ones of the archive's revision. The schema that keeps what was there."""
    there = _tables(connection)
    if not there:
        return None
    revision = revision_in(connection)
    if revision is None or "meta" not in there:
        raise ConfigurationError(f"the tables in {name} are another program's: give lastseen a database of its own")
    if not upgrade.knows(revision):
        raise DatabaseTooNew(
            f"{name} was written by a newer lastseen (its schema is {revision}): restore with that version, or into an "
            "empty database"
        )
    _lock(connection, there, name)
    refuse_served(connection, name, now)
    if tables_io.filled(connection, tables_io.shapes(connection)):
        if not replace:
            raise Conflict(
                say("there is something in {name} already: --replace keeps it in a schema of its own", name=name)
            )
        return _move_aside(connection, there, now)
    if revision != archive.manifest.revision:
        connection.exec_driver_sql(f"DROP TABLE {', '.join(_quoted(there))}")
    return None


def _tables(connection: Connection) -> list[str]:
    """Lastseen's, by name; Alembic's with them."""
    known = {*metadata.tables, VERSION_TABLE}
    return sorted(known & set(inspect(connection).get_table_names()))


def _quoted(names: list[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _lock(connection: Connection, tables: list[str], name: str) -> None:
    """Whoever comes now waits until it is restored."""
    try:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(_quoted(tables))} IN ACCESS EXCLUSIVE MODE")
    except Exception as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _CAUGHT:
            raise Conflict(
                say("another program is at work on {name}: end it first (see pg_stat_activity)", name=name)
            ) from None
        raise


def _move_aside(connection: Connection, tables: list[str], now: datetime) -> str:
    """The schema that they are in now; their indexes and counters go with them."""
    schema = f"lastseen_before_{now:%Y%m%d_%H%M%S_%f}"
    connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    parts = [row[0] for table in tables for row in connection.exec_driver_sql(_PARTS, (table, table))]
    for quoted in _quoted([*tables, *parts]):
        connection.exec_driver_sql(f'ALTER TABLE {quoted} SET SCHEMA "{schema}"')
    return schema


def _migrate(connection: Connection, revision: str | None) -> str:
    """To this revision; None: this program's. What it is then."""
    config, wanted = upgrade.alembic_config(None), revision or upgrade.head()
    if wanted is None:
        raise StoreUnavailable("this installation of lastseen has no migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, wanted)
    return wanted


def _outdate(connection: Connection) -> None:
    """A node that was stopped while it ran, and goes on now, knows keys and names of another life: the numbers by which
    it would believe them become ones that there never were."""
    connection.exec_driver_sql(
        "UPDATE meta SET value = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text "
        "WHERE key IN ('keys_version', 'slugs_version')"
    )
