"""One state of a database, seen throughout, however much is written to it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Connection

from lastseen.errors import ConfigurationError, LastseenError, MissingDatabase
from lastseen.storage import upgrade
from lastseen.storage.sqlite import reader_engine, sqlite_path
from lastseen.storage.translate import translated


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Connection, str]]:
    """A connection for reading, and the revision of the schema that it sees: this program's or an older one.

    Raises MissingDatabase, DatabaseTooNew, ConfigurationError, StoreUnavailable.
    """
    if not url.startswith("sqlite:"):
        raise ConfigurationError("only a SQLite database can be read whole so far")
    with _sqlite(sqlite_path(url)) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision is None:
            raise MissingDatabase("there is nothing in the database: `lastseen db upgrade` makes its tables")
        yield connection, revision


@contextmanager
def _sqlite(path: Path) -> Iterator[Connection]:
    upgrade.readable(path)
    engine = reader_engine(path)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except (LastseenError, OSError):
        raise
    except Exception as error:
        ours = translated(error)
        if ours is None:
            raise
        raise ours from error
    finally:
        engine.dispose()
