"""Moving to another database: `lastseen db copy`. Row by row, verified, and what was cut off goes on where it was.

| moment | source says (`meta.moved`) | target says (`meta.copying`) | whoever opens it |
|---|---|---|---|
| before | – | – | source serves |
| begun | `copying …` | the copy's id, and the last key of each table | neither: nothing changes while it is read |
| a batch | the same | moved on, in the transaction of the batch | the same |
| verified | the same | the copy's id in `meta.copied` instead | target serves |
| at last | `moved to … at …` | the same | source refuses for good |

Where it is cut off, the same command goes on. The marks are rows of `meta`, and are not copied.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from lastseen.errors import ConfigurationError, Conflict, DatabaseOutdated
from lastseen.storage import sql_deeds, tables_io, upgrade
from lastseen.storage.filling import Progress, Sum, plain
from lastseen.storage.schema import COPIED, COPYING, MOVED, revision_in
from lastseen.storage.sql_nodes import refuse_served
from lastseen.storage.sqltools import drop_meta, meta_value, set_meta
from lastseen.storage.tables_io import Row, Shape
from lastseen.storage.translate import translating
from lastseen.words import say


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows by table, and how many of them this run wrote. `resumed`: an earlier one had begun."""

    rows: Mapping[str, int]
    written: int
    resumed: bool

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def copy(source: str, target: str, names: tuple[str, str], now: datetime, progress: Progress | None = None) -> Copied:
    """Copy everything from the database `source` into the empty one `target`, both URLs; `names`: how to call them
    where others may read it. The caller sees to it that no server runs on a database file.

    Raises Conflict (something is in the target, or another copy), ConfigurationError, DatabaseOutdated,
    StoreUnavailable, and Conflict too where what was written is not what was read.
    """
    if source == target:
        raise ConfigurationError("a database cannot be copied into itself")
    with _engine(source) as read_from, _engine(target) as write_to:
        _prepare(read_from, write_to, target, names)
        marks = _Marks(read_from, write_to, names, now)
        resumed = marks.begin()
        if marks.whole:  # only the last mark was missing, and the target may be in use since
            marks.say_moved()
            return Copied({}, 0, resumed)
        written = sum(_copy_table(marks, shape, progress) for shape in marks.shapes)
        rows = {shape.name: _verified(marks, shape) for shape in marks.shapes}
        marks.end()
        return Copied(rows, written, resumed)


def _prepare(source: Engine, target: Engine, url: str, names: tuple[str, str]) -> None:
    """Both have the schema of this program. Raises DatabaseOutdated, DatabaseTooNew, ConfigurationError."""
    with _transaction(target) as connection:
        fresh = revision_in(connection) is None
    if fresh:
        upgrade.upgrade(url)
    for engine, name in ((source, names[0]), (target, names[1])):
        with _transaction(engine) as connection:
            revision = revision_in(connection)
        if revision != upgrade.head():
            raise DatabaseOutdated(
                f"{name} has schema {revision or 'none'}, and this program {upgrade.head()}: run `lastseen db upgrade`"
            )


def reopen(url: str, now: datetime) -> str | None:
    """Take back what `copy` said in its source. What it said; None: nothing."""
    with _engine(url) as engine, _transaction(engine) as connection:
        said = meta_value(connection, MOVED)
        drop_meta(connection, MOVED)
        if said is not None:
            sql_deeds.keep(connection, [sql_deeds.by_operator("db.reopen", now, {"was": said})])
        return said


class _Marks:
    """What the two databases say of the copy."""

    def __init__(self, source: Engine, target: Engine, names: tuple[str, str], now: datetime) -> None:
        self.source, self.target, self.names, self._now = source, target, names, now
        self.shapes: Sequence[Shape] = ()
        self.done: dict[str, list[Any] | None] = {}
        self._id = ""
        self.whole = False

    def begin(self) -> bool:
        """Whether an earlier run has begun it."""
        with _transaction(self.source) as connection:
            said = meta_value(connection, MOVED)
            if said is not None and not said.startswith("copying "):
                raise Conflict(say("{source} was {said} already", source=self.names[0], said=said))
            refuse_served(connection, self.names[0], self._now)
            self._id = said.split()[1] if said else str(uuid.uuid4())
            if said is None:
                begun = f"copying {self._id} to {self.names[1]} since {self._now:%Y-%m-%d %H:%M} UTC"
                set_meta(connection, MOVED, begun)
            self.shapes = tables_io.shapes(connection)
        with _transaction(self.target) as connection:
            kept = meta_value(connection, COPYING)
            if kept is not None:
                return self._go_on(json.loads(kept))
            self.whole = meta_value(connection, COPIED) == self._id
            if self.whole:
                return True
            self._refuse_filled(connection, said)
            tables_io.clear(connection, self.shapes)
            self.note(connection)
        return False

    def _refuse_filled(self, connection: Connection, said: str | None) -> None:
        filled = tables_io.filled(connection, self.shapes)
        if not filled:
            return
        if said is not None:
            raise Conflict(
                say("{source} has begun to move elsewhere: `lastseen db reopen` takes that back", source=self.names[0])
            )
        with _transaction(self.source) as back:
            drop_meta(back, MOVED)
        raise Conflict(
            say(
                "there is something in {target} already ({filled}): give an empty database",
                target=self.names[1],
                filled=", ".join(filled),
            )
        )

    def _go_on(self, kept: Mapping[str, Any]) -> bool:
        if kept["id"] != self._id:
            raise Conflict(
                say("{target} holds the beginning of another copy: give an empty database", target=self.names[1])
            )
        self.done = dict(kept["done"])
        return True

    def note(self, connection: Connection) -> None:
        """How far it is, with what was written."""
        set_meta(connection, COPYING, json.dumps({"id": self._id, "done": self.done}, default=str))

    def end(self) -> None:
        with _transaction(self.source) as connection:
            refuse_served(connection, self.names[0], self._now)  # one was cut off when it was looked, or just starting
            numbers = tables_io.counters(connection)
        with _transaction(self.target) as connection:
            tables_io.set_counters(connection, numbers)
            drop_meta(connection, COPYING)
            set_meta(connection, COPIED, self._id)
            self._say_done(connection)
        self.say_moved()

    def say_moved(self) -> None:
        with _transaction(self.source) as connection:
            set_meta(connection, MOVED, f"moved to {self.names[1]} at {self._now:%Y-%m-%d %H:%M} UTC")
            self._say_done(connection)

    def _say_done(self, connection: Connection) -> None:
        """In the audit log of each."""
        said = {"from": self.names[0], "to": self.names[1]}
        sql_deeds.keep(connection, [sql_deeds.by_operator("db.copy", self._now, said)])


def _copy_table(marks: _Marks, shape: Shape, progress: Progress | None) -> int:
    """Rows that were written now."""
    if marks.done.get(shape.name, ...) is None:
        return 0  # an earlier run has finished it
    count, key = 0, [shape.names.index(name) for name in shape.key]
    with _transaction(marks.source) as reading, marks.target.connect() as writing:
        batches = tables_io.read_rows(reading, shape, _after(marks, shape))
        writer, transaction = tables_io.Writer(writing, shape), writing.begin()
        for batch in batches:
            rows = [row for row in batch if _is_copied(shape, row)]
            writer.write(rows)
            count += len(rows)
            if not writer.waiting:
                marks.done[shape.name] = [plain(batch[-1][place]) for place in key]
                marks.note(writing)
                transaction.commit()
                transaction = writing.begin()
            if progress is not None:
                progress(shape.name, len(batch))
        writer.end()
        marks.done[shape.name] = None
        marks.note(writing)
        transaction.commit()
    return count


def _after(marks: _Marks, shape: Shape) -> list[Any] | None:
    """The key that an earlier run came to, as `read_rows` wants it."""
    kept = marks.done.get(shape.name)
    kinds = dict(shape.columns)
    if kept is None:
        return None
    return [
        datetime.fromisoformat(value) if kinds[name] == "time" else value
        for name, value in zip(shape.key, kept, strict=True)
    ]


def _is_copied(shape: Shape, row: Row) -> bool:
    return shape.name != "meta" or row[shape.names.index("key")] not in (MOVED, COPYING, COPIED)


def _verified(marks: _Marks, shape: Shape) -> int:
    """How many rows there are. Both databases are read again, and must say the same."""
    sums = []
    for engine in (marks.source, marks.target):
        with _transaction(engine) as connection:
            sums.append(_sum(connection, shape))
    if sums[0] != sums[1]:
        raise Conflict(
            say(
                "the copy of {name} is not what was read ({read:,} rows there, {written:,} here): give "
                "an empty database and begin again",
                name=shape.name,
                read=sums[0][0],
                written=sums[1][0],
            )
        )
    return sums[0][0]


def _sum(connection: Connection, shape: Shape) -> tuple[int, str]:
    total = Sum(shape)
    for batch in tables_io.read_rows(connection, shape):
        total.add(row for row in batch if _is_copied(shape, row))
    return total.value


def count(url: str) -> int:
    """Rows in all."""
    with _engine(url) as engine, _transaction(engine) as connection:
        return sum(tables_io.count_rows(connection, shape) for shape in tables_io.shapes(connection))


# --- connections ------------------------------------------------------------------------------------------------------


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    """For writing, whatever the database says of its being copied."""
    if url.startswith(upgrade.SERVERS):
        from lastseen.storage.postgres import dsn, engine

        opened = engine(dsn(url))
    else:
        from lastseen.storage.sqlite import sqlite_path, writer_engine

        opened = writer_engine(sqlite_path(url))
    try:
        with translating(files=False):
            yield opened
    finally:
        opened.dispose()


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection
