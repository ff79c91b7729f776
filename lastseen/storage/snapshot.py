"""One state of a database, seen throughout, however much is written to it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine

from lastseen.errors import ConfigurationError, MissingDatabase
from lastseen.storage import upgrade
from lastseen.storage.sqlite import reader_engine, sqlite_path
from lastseen.storage.translate import translating


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Connection, str]]:
    """A connection for reading, and the revision of the schema that it sees: this program's or an older one.

    Raises MissingDatabase, DatabaseTooNew, ConfigurationError, StoreUnavailable.
    """
    if not url.startswith(("sqlite:", *upgrade.SERVERS)):
        raise ConfigurationError("this database cannot be read whole: only SQLite's and PostgreSQL's can")
    with _sqlite(sqlite_path(url)) if url.startswith("sqlite:") else _postgres(url) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None:
            raise MissingDatabase("there is nothing in the database: `lastseen db upgrade` makes its tables")
        yield connection, revision


@contextmanager
def _sqlite(path: Path) -> Iterator[Connection]:
    upgrade.readable(path)
    with _reading(reader_engine(path)) as connection:
        yield connection


@contextmanager
def _postgres(url: str) -> Iterator[Connection]:
    """One transaction that reads only, REPEATABLE READ."""
    from lastseen.storage.postgres import dsn, engine
    from lastseen.storage.upgrade_postgres import readable

    readable(url)
    with _reading(engine(dsn(url), reading=True)) as connection:
        yield connection


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    try:
        with translating(files=False), engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()
