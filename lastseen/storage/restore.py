"""A backup becomes a database: beside the place where it shall be, and only when it is whole it takes that place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from lastseen.errors import ConfigurationError, Conflict
from lastseen.storage import filling, secrets, tables_io, upgrade
from lastseen.storage.archive import Archive
from lastseen.storage.backup import sync_folder
from lastseen.storage.filling import Progress
from lastseen.storage.sql_restored import come_back
from lastseen.storage.sqlite import WRITER, writer_engine
from lastseen.storage.translate import translating
from lastseen.words import say

FILLING = {**WRITER, "journal_mode": "OFF", "synchronous": "OFF"}
"""Nobody else has the file, and where filling it fails it is thrown away."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `revision`: of the schema, as it is now. `cancelled`: notifications that had waited. `locked`:
    secrets that no key at hand opens. `before`: what was in the place, under its new name (of a file, or of a
    schema)."""

    database: str
    revision: str
    rows: int
    cancelled: int
    locked: int
    before: str | None = None


def restore(
    archive: Archive, target: Path, now: datetime, *, key_text: str | None, replace: bool, progress: Progress | None
) -> Restored:
    """Make `target` from the archive. The caller holds the right to serve it. `key_text`: keys that are given; else
    they lie in the file beside the database, which those of the archive go into.

    Raises Conflict where there is something already, unless `replace`: then that is kept under another name.
    """
    filling.refuse_newer(archive)
    if not replace and not is_empty(target):
        raise Conflict(
            say("there is something in {target} already: --replace keeps it under another name", target=target)
        )
    here = secrets.key_file(target)
    with _beside(target) as fresh:
        rows = _fill(archive, fresh, progress)
        revision = upgrade.upgrade(fresh, copy=False).after
        with _writing(fresh) as connection:
            cancelled = come_back(connection, archive.manifest.taken_at, now)
            locked = secrets.unreadable(connection, keys(archive, here, key_text))
        _sync(fresh)
        if key_text is None:
            put_keys(archive, here)
        before = _take_place(fresh, target, now)
    return Restored(str(target), revision, rows, cancelled, locked, None if before is None else str(before))


def is_empty(target: Path) -> bool:
    """Whether there is no database, or one that nobody has put anything into."""
    if not target.exists() or target.stat().st_size == 0:
        return True
    try:
        with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            for table in tables_io.HELD:
                if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:  # noqa: S608
                    return False
    except sqlite3.Error:
        return False  # it is damaged, or another program's
    return True


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """The name of a file that is gone afterwards, with all that belongs to it, unless it was renamed."""
    fresh = target.with_name(f"{target.name}.restoring")
    _remove(fresh)
    try:
        with translating(files=False):
            yield fresh
    finally:
        _remove(fresh)


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)


def _fill(archive: Archive, fresh: Path, progress: Progress | None) -> int:
    """How many rows there are."""
    upgrade.upgrade(fresh, revision=archive.manifest.revision)
    with _writing(fresh, FILLING) as connection:
        return filling.fill(connection, archive, progress)


@contextmanager
def _writing(file: Path, pragmas: dict[str, str] = WRITER) -> Iterator[Connection]:
    engine = writer_engine(file, pragmas)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def _sync(file: Path) -> None:
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())


# --- keys -------------------------------------------------------------------------------------------------------------


def keys(archive: Archive, here: Path, key_text: str | None) -> list[str]:
    """Those that there will be: the archive's first, then those that are in the file `here` already. What is in the
    place now stays readable until it is thrown away, and a rotation drops what nothing needs."""
    if key_text is not None:
        return secrets.parse_keys(key_text)
    lines = secrets.parse_keys(archive.keys() or "") + (secrets.parse_keys(here.read_text()) if here.exists() else [])
    return list(dict.fromkeys(lines))


def put_keys(archive: Archive, here: Path) -> None:
    lines = keys(archive, here, None)
    if archive.manifest.keys and lines:
        secrets.write_keys(here, lines)


# --- taking the place -------------------------------------------------------------------------------------------------


def _take_place(fresh: Path, target: Path, now: datetime) -> Path | None:
    """Where what was there is now. In the name's place there is the old file or the new one, at every moment."""
    before = None
    if target.exists():
        _close_log(target)
        if not is_empty(target):
            before = target.with_name(f"{target.name}.{now:%Y%m%dT%H%M%S_%fZ}.before")
            try:
                os.link(target, before)
            except OSError as error:
                raise ConfigurationError(f"{target} cannot be kept as {before}: {error.strerror}") from error
    for ending in ("-wal", "-shm"):  # there is still one where the file is damaged
        beside = target.with_name(f"{target.name}{ending}")
        if beside.exists() and before is not None:
            beside.rename(before.with_name(f"{before.name}{ending}"))
        beside.unlink(missing_ok=True)
    fresh.replace(target)
    sync_folder(target.parent)
    return before


def _close_log(target: Path) -> None:
    """What its write-ahead log holds goes into the file: a log that is left behind would be taken for the new one's.
    That needs the file for itself."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(target, timeout=2)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise Conflict(
                    say("another program has {target} open: end it first (see `fuser -v {target}`)", target=target)
                ) from None
            raise
