"""Giving the room of deleted rows back to the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from lastseen.errors import Conflict, MissingDatabase
from lastseen.storage.translate import translated
from lastseen.words import say


def compact(path: Path) -> tuple[int, int]:
    """Write the file anew without its empty pages: bytes before and after. The caller holds the right to serve it.

    Nothing is changed where that fails: there must be twice as much room as the file has, for a while. Raises
    MissingDatabase, Conflict, StoreUnavailable.
    """
    if not path.exists():
        raise MissingDatabase(f"there is no database at {path}")
    before = path.stat().st_size
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise Conflict(
                say("another program writes to {path}: end it first (see `fuser -v {path}`)", path=path)
            ) from None
        raise translated(error) or error from error
    except sqlite3.Error as error:
        raise translated(error) or error from error
    return before, path.stat().st_size
