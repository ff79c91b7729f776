"""Bringing a database up to this program's schema: under a lock, with a copy of the file first.

Several processes may try at once: `BEGIN IMMEDIATE` lets one through, and the others then find nothing to do. Foreign
keys are off while tables are rebuilt (dropping the old table would cascade into its children), which SQLite takes only
outside a transaction, and are checked before the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from lastseen.clock import SystemClock
from lastseen.errors import DatabaseOutdated, DatabaseTooNew, MissingDatabase, StoreUnavailable
from lastseen.storage.schema import MIGRATIONS, refuse_foreign, refuse_later, refuse_moved, revision_in
from lastseen.storage.sqlite import WRITER, reader_engine, sqlite_path, writer_engine
from lastseen.storage.translate import translating

SERVERS = ("postgres:", "postgresql:")
"""What the address of a database on a server begins with: `upgrade_postgres` knows those."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Revisions before (None: a new database) and after, and the copy that was made of the file before."""

    before: str | None
    after: str
    copy: Path | None = None


def upgrade(
    target: str | Path, versions: str | None = None, *, revision: str | None = None, copy: bool = True
) -> Upgraded:
    """Make the database, or bring it up to date; to `revision`, if that is given. `versions`: further folders with
    migrations, for tests. `copy`: keep the file as it was before."""
    if isinstance(target, str) and target.startswith(SERVERS):
        from lastseen.storage import upgrade_postgres

        return upgrade_postgres.upgrade(target, versions)
    path = _path(target)
    with translating(), created(path), _engine_connection(path) as connection:
        return _upgrade(connection, path, versions, revision, copy)


def current(target: str | Path) -> str | None:
    """The revision of the database; None when nothing was ever migrated. Raises MissingDatabase."""
    if isinstance(target, str) and target.startswith(SERVERS):
        from lastseen.storage import upgrade_postgres

        return upgrade_postgres.current(target)
    path = _path(target)
    if not path.exists():
        raise MissingDatabase(f"there is no database at {path}: `lastseen db upgrade` makes one")
    engine = reader_engine(path)
    try:
        with translating(), engine.connect() as connection, connection.begin():
            return revision_in(connection)
    finally:
        engine.dispose()


def check(target: str | Path, versions: str | None = None) -> str:
    """The revision, when this program can use the database. Raises MissingDatabase, DatabaseOutdated,
    DatabaseTooNew, StoreUnavailable."""
    if isinstance(target, str) and target.startswith(SERVERS):
        from lastseen.storage import upgrade_postgres

        return upgrade_postgres.check(target, versions)
    revision, head = (
        readable(target, versions),
        ScriptDirectory.from_config(alembic_config(versions)).get_current_head(),
    )
    if revision is None or revision != head:
        raise DatabaseOutdated(
            f"{_path(target)} has schema {revision or 'none'}, this program needs {head}: run `lastseen db upgrade`"
        )
    return revision


def readable(target: str | Path, versions: str | None = None) -> str | None:
    """The revision, where this program knows the schema: its own, or an older one. Raises MissingDatabase,
    DatabaseTooNew, StoreUnavailable."""
    path, revision = _path(target), current(target)
    if revision is not None:
        engine = reader_engine(path)
        with engine.connect() as connection, connection.begin():
            refuse_newer(connection, revision, ScriptDirectory.from_config(alembic_config(versions)), path)
    return revision


def head() -> str | None:
    """The schema of this program."""
    return ScriptDirectory.from_config(alembic_config(None)).get_current_head()


def knows(revision: str) -> bool:
    """Whether this program has the migration that leads to this schema."""
    script = ScriptDirectory.from_config(alembic_config(None))
    return revision in {found.revision for found in script.walk_revisions()}


def _path(target: str | Path) -> Path:
    return target if isinstance(target, Path) else sqlite_path(target)


def alembic_config(versions: str | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    folders = [str(MIGRATIONS / "versions"), *([versions] if versions else [])]
    config.set_main_option("version_locations", "\n".join(folders).replace("%", "%%"))
    return config


@contextmanager
def created(path: Path) -> Iterator[None]:
    """An empty file to begin with, only for this user; none is left behind when making the database fails."""
    new = not path.exists()
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    try:
        yield
    except BaseException:
        if new and path.exists() and path.stat().st_size == 0:
            path.unlink()
        raise


@contextmanager
def _engine_connection(path: Path) -> Iterator[Connection]:
    engine = writer_engine(path, {**WRITER, "foreign_keys": "OFF"})
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _upgrade(connection: Connection, path: Path, versions: str | None, revision: str | None, keep: bool) -> Upgraded:
    config = alembic_config(versions)
    script = ScriptDirectory.from_config(config)
    with connection.begin():  # BEGIN IMMEDIATE: whoever comes second waits here, and then finds it done
        before, head = revision_in(connection), revision or script.get_current_head()
        if head is None:
            raise StoreUnavailable("this installation of lastseen has no migrations")
        if before is not None:
            refuse_newer(connection, before, script, path)
        if before == head:
            return Upgraded(before, head)
        copy = _copy(path, before) if keep and before is not None else None
        config.attributes["connection"] = connection
        command.upgrade(config, head)
        _check_references(connection)
    return Upgraded(before, head, copy)


def refuse_newer(connection: Connection, revision: str, script: ScriptDirectory, path: Path | str) -> None:
    refuse_foreign(connection, revision, path)
    known = {found.revision for found in script.walk_revisions()}
    if revision not in known:
        raise DatabaseTooNew(
            f"{path} was written by a newer lastseen (its schema is {revision}, this program knows up to "
            f"{script.get_current_head()}): install that version again, or restore the copy made before its upgrade"
        )
    refuse_moved(connection, path)
    refuse_later(connection, path)


def _copy(path: Path, revision: str) -> Path:
    """A whole copy of what is committed, beside the database. Reading is possible while we hold the write lock."""
    moment = SystemClock().wall().strftime("%Y%m%dT%H%M%S_%fZ")
    copy = path.with_name(f"{path.name}.{revision}-{moment}.bak")
    copy.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        raise StoreUnavailable(f"the upgrade would leave rows in {tables} that refer to nothing: nothing was changed")
