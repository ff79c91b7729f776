"""What differs between the databases: the statements of the hot path, by dialect; and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from operator import itemgetter
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, Connection, Delete, Insert, Table, Update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlmodel.sql.sqltypes import UTCDateTime

insert = postgresql.insert
"""INSERT … ON CONFLICT. SQLite took its form from PostgreSQL, and its compiler renders this one too."""


class Dialect(Protocol):
    """The statements that each database has in words of its own. JSON parameters are what msgspec writes."""

    def flags(self, connection: Connection) -> tuple[str, bool, bool]:
        """The version of the slugs, whether any machine at all is not online, and whether any has said when it will be
        heard next. Where `hold` is what tells of the machines concerned, the last two may be anything."""

    def hold(self, connection: Connection, ids: Callable[[], Sequence[int]]) -> tuple[bool, bool] | None:
        """Lock these machines' rows of liveness, in the one order in which everybody does, and tell of them what
        `flags` tells of all. None where there is one writer at a time."""

    def ids_of(self, connection: Connection, slugs: Sequence[str]) -> dict[str, int]: ...

    def move_on(self, connection: Connection, pulses: str, bits: int) -> int:
        """`pulses`: a JSON object of times (RFC 3339 in UTC) by id, by rising id. The number of machines that are
        there."""

    def there(self, connection: Connection, ids: str) -> frozenset[int]: ...

    def troubled(self, connection: Connection, ids: str) -> dict[int, str]:
        """Which of these are not online, and what they are."""

    def calm(self, connection: Connection, ids: str) -> frozenset[int]:
        """Which of these are online, with no run to end and nothing else that waits to be decided on."""

    def mark_back(self, connection: Connection, pulses: str, now: str) -> None: ...

    def expecting(self, connection: Connection, ids: str) -> set[int]:
        """Which of these have said when they will be heard next."""

    def expect(self, connection: Connection, rows: str, now: str) -> None:
        """`rows`: a JSON array of id, its newest heartbeat, when it will be heard next, and when it last said such a
        thing."""

    def heard_of(self, connection: Connection, bits: str) -> None:
        """`bits`: a JSON object of the sources that said something of a machine, by id."""

    def note_presence(self, connection: Connection, words: str) -> None:
        """`words`: a JSON object of whether a machine is there, by id; of paused ones, which nothing is decided
        about."""

    def look_now(self, connection: Connection, ids: str, now: str) -> None: ...

    def keep_signals(self, connection: Connection, signals: list[tuple[Any, ...]]) -> None: ...

    def keep_bodies(self, connection: Connection, bodies: str) -> None: ...

    def hold_lane(self, connection: Connection, name: str) -> None:
        """Lock a lane, so that what is done on it is done one after another."""

    def time(self, connection: Connection) -> datetime | None:
        """What the server's clock says; None: there is no server."""

    def hint(self, connection: Connection, sender: str) -> None:
        """With the commit, tell the other processes that there is something to do."""

    def event_counts(self, connection: Connection, machines: Sequence[int]) -> Mapping[int, int]:
        """How many events each has had. Empty where nobody decides about machines meanwhile."""

    def still_at(self, connection: Connection, counts: Mapping[int, int]) -> frozenset[int] | None:
        """Those of these that have had no event since, and will have none before this transaction ends. Waits for
        nobody: who is just being decided on is left out. None where nobody decides about machines meanwhile."""

    def reserve_ids(self, connection: Connection, table: Table, count: int) -> Sequence[int]:
        """Ids of the next rows, rising. Whoever has some is counted by `horizon`."""

    def horizon(self, connection: Connection) -> int | None:
        """A number above those of all transactions that have ids of rows by now. None: ids are committed in order."""

    def ended_below(self, connection: Connection) -> int:
        """All transactions with a number below this have ended, and what they wrote is seen here."""


_MODULES = {"sqlite": "dialect_sqlite", "postgresql": "dialect_postgres"}


def of(connection: Connection) -> Dialect:
    return _module(connection.dialect.name)


@cache
def _module(name: str) -> Dialect:
    return cast(Dialect, import_module(f"lastseen.storage.{_MODULES[name]}"))


class Many:
    """A statement for many rows. It is compiled once for each database, and rows go to the driver as they are:
    translating every value of every row through the statement's types costs more than writing them."""

    def __init__(self, statement: Insert | Update | Delete, *columns: str) -> None:
        self._statement, self._columns = statement, columns
        self._compiled: dict[str, _Compiled] = {}

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = _Compiled(self._statement, self._columns, connection)
            self._compiled[connection.dialect.name] = compiled
        connection.exec_driver_sql(compiled.text, compiled.rows(rows))


class _Compiled:
    def __init__(self, statement: Insert | Update | Delete, columns: Sequence[str], connection: Connection) -> None:
        compiled = statement.compile(dialect=connection.dialect, column_keys=list(columns) or None)
        names = tuple(compiled.positiontup or ())
        self.text = str(compiled)
        self._values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        known = statement.table.c
        self._times: list[int] = []
        if connection.dialect.name == "sqlite":  # which has no type for times
            times = [name for name in names if name in known and isinstance(known[name].type, UTCDateTime)]
            self._times = [names.index(name) for name in times]

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        if not self._times:
            return [self._values(row) for row in rows]
        stamps: dict[datetime | None, str | None] = {None: None}  # most rows of one call share most of their times
        return [self._stamped(row, stamps) for row in rows]

    def _stamped(self, row: Mapping[str, Any], stamps: dict[datetime | None, str | None]) -> tuple[Any, ...]:
        values = list(self._values(row))
        for place in self._times:
            moment = values[place]
            text = stamps.get(moment, "")
            if text == "":
                text = stamps[moment] = stamp(moment)
            values[place] = text
        return tuple(values)


def stamp(moment: datetime) -> str:
    """A time as fixed-width text in UTC: as SQLite holds it, and as both read it."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]


def insert_or_ignore(target: Table, columns: Sequence[str], *unique: str) -> Many:
    """Rows that are there already stay as they are."""
    return Many(insert(target).on_conflict_do_nothing(index_elements=unique or None), *columns)


class _InARow(GenericFunction[Any]):
    """Of its arguments, in a row: what SQLite calls by the name of the aggregate."""

    inherit_cache = True

    def __init__(self, first: ColumnElement[Any], *more: ColumnElement[Any]) -> None:
        super().__init__(first, *more)
        self.type = first.type


class greatest(_InARow):  # noqa: N801  (the name of the SQL function)
    inherit_cache = True


class least(_InARow):  # noqa: N801  (as above)
    inherit_cache = True


@compiles(greatest, "sqlite")
def _greatest_in_sqlite(element: greatest, compiler: Any, **options: Any) -> str:
    return f"max{compiler.process(element.clause_expr, **options)}"


@compiles(least, "sqlite")
def _least_in_sqlite(element: least, compiler: Any, **options: Any) -> str:
    return f"min{compiler.process(element.clause_expr, **options)}"
