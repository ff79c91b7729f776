"""Everything that a database holds, in one file, while a server goes on writing to it.

It is written under another name first, and has its own only when all of it is on the disk: what has the name is whole.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from lastseen.errors import ConfigurationError, Conflict
from lastseen.release import version
from lastseen.storage import tables_io
from lastseen.storage.archive import ArchiveWriter, Manifest
from lastseen.storage.filling import Progress
from lastseen.storage.tables_io import Row
from lastseen.words import say

Keys = Callable[[], str | None]
"""The keys of the secrets as they are now, one a line; None: there are none to be kept."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made. `size` in bytes."""

    file: Path
    size: int
    manifest: Manifest


def back_up(
    connection: Connection, revision: str, target: Path, keys: Keys, now: datetime, progress: Progress | None = None
) -> Backup:
    """`connection` sees one state of the database throughout. Raises Conflict where `target` is there already, and
    ConfigurationError where it cannot be written."""
    with _new_file(target) as file, ArchiveWriter(file, now) as archive:
        before = keys()
        for shape in tables_io.shapes(connection):
            archive.add_table(shape, _told(tables_io.read_rows(connection, shape), shape.name, progress))
        counters = tables_io.counters(connection)
        kept = _all_keys(before, keys())
        manifest = archive.end(kept, version=version(), revision=revision, taken_at=now, counters=counters)
    return Backup(target, target.stat().st_size, manifest)


def count_rows(connection: Connection) -> int:
    """How many rows a backup will have."""
    return sum(tables_io.count_rows(connection, shape) for shape in tables_io.shapes(connection))


def _told(batches: Iterator[list[Row]], table: str, progress: Progress | None) -> Iterator[list[Row]]:
    for rows in batches:
        yield rows
        if progress is not None:
            progress(table, len(rows))


def _all_keys(before: str | None, after: str | None) -> str | None:
    """Somebody may have replaced the key meanwhile: what was read is then encrypted with one of those before."""
    lines = [line for text in (after, before) if text for line in text.split()]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines)) if lines else None


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """Only for this user; there under its name when everything is on the disk, and not at all if anything fails."""
    part = target.with_name(f"{target.name}.part")
    if target.exists():
        raise _is_there(target)
    try:
        with _locked(part, target) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _give_name(part, target)
            finally:
                part.unlink(missing_ok=True)
        sync_folder(target.parent)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror or error}") from error


@contextmanager
def _locked(part: Path, target: Path) -> Iterator[IO[bytes]]:
    """One that a process which was killed has left is written anew."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(say("another process is writing {target} now", target=target)) from None
        with suppress(PermissionError):  # a file system without owners, a memory stick for instance
            os.fchmod(descriptor, 0o600)
        file.truncate(0)
        yield file


def _give_name(part: Path, target: Path) -> None:
    """Never in the place of another file."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise _is_there(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _is_there(target) from None
        part.rename(target)


def _is_there(target: Path) -> Conflict:
    return Conflict(say("{target} is there already: a backup takes no other file's place", target=target))


def sync_folder(folder: Path) -> None:
    """The names in it are on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
