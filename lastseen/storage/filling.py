"""The rows of an archive go into a database, and are read again there: whatever holds them, they are those of the file.

In the caller's transaction, on a schema of the archive's revision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from lastseen.errors import Conflict, DatabaseTooNew
from lastseen.storage import tables_io, upgrade
from lastseen.storage.archive import Archive, Entry
from lastseen.storage.tables_io import Row, Shape
from lastseen.words import say

Progress = Callable[[str, int], None]
"""Called with a table and how many rows more."""

_encode = msgspec.msgpack.Encoder().encode


class Sum:
    """How many rows, and what they are: independent of the order in which databases sort text, and of that in which
    they have columns."""

    def __init__(self, shape: Shape) -> None:
        self._order = sorted(range(len(shape.names)), key=lambda place: shape.names[place])
        self.count, self._total = 0, 0

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            digest = hashlib.blake2b(_encode([plain(row[place]) for place in self._order]), digest_size=16).digest()
            self._total = (self._total + int.from_bytes(digest, "big")) % 2**128
            self.count += 1

    @property
    def value(self) -> tuple[int, str]:
        return self.count, f"{self._total:032x}"


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def refuse_newer(archive: Archive) -> None:
    """Raises DatabaseTooNew for one whose schema this program does not know."""
    if not upgrade.knows(archive.manifest.revision):
        raise DatabaseTooNew(
            f"{archive.path} was made by lastseen {archive.manifest.version}, whose schema {archive.manifest.revision} "
            "this version does not know: install that version or a newer one"
        )


def fill(connection: Connection, archive: Archive, progress: Progress | None) -> int:
    """How many rows there are. Raises Conflict where what was written is not what is read back."""
    tables_io.clear(connection, tables_io.shapes(connection))
    written = [_write(connection, archive, entry, progress) for entry in archive.manifest.tables]
    for shape, total in written:
        _verify(connection, shape, total)
    tables_io.set_counters(connection, archive.manifest.counters)
    return sum(archive.manifest.rows.values())


def _write(connection: Connection, archive: Archive, entry: Entry, progress: Progress | None) -> tuple[Shape, Sum]:
    with archive.table(entry) as (shape, batches):
        writer, total = tables_io.Writer(connection, shape), Sum(shape)
        for rows in batches:
            writer.write(rows)
            total.add(rows)
            if progress is not None:
                progress(shape.name, len(rows))
        writer.end()
    return shape, total


def _verify(connection: Connection, shape: Shape, written: Sum) -> None:
    found = Sum(shape)
    for rows in tables_io.read_rows(connection, shape):
        found.add(rows)
    if found.value != written.value:
        raise Conflict(
            say(
                "what was written of {name} is not what is there now ({written:,} rows and {found:,}): "
                "nothing was changed",
                name=shape.name,
                written=written.count,
                found=found.count,
            )
        )
