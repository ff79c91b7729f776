"""The rows of a database, table by table, as plain values that fit every database: what `lastseen backup` writes,
`lastseen restore` reads, and a copy from one database into another moves.

Tables come in the order of their foreign keys, rows in that of their primary keys, a few at a time. Ids stay what they
were, and the counters that give new ones go on from where they were. What tables there are, and what their columns
hold, is read from the database itself: one that an older program has made is read as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Double,
    Float,
    Integer,
    MetaData,
    Numeric,
    Table,
    TableClause,
    Text,
    bindparam,
    column,
    func,
    inspect,
    literal_column,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.types import DateTime, TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

from lastseen.storage.tables import metadata

BATCH = 1000
"""Rows that are in memory at once."""

_TYPES: Mapping[str, type[TypeEngine[Any]]] = {
    "bool": Boolean,
    "time": UTCDateTime,
    "int": BigInteger,
    "float": Double,
    "text": Text,
}
_VALUES: Mapping[str, Any] = {"bool": bool, "time": datetime, "int": int, "float": float, "text": str}

HELD = ("machines", "channels", "events", "users")
"""A database that nobody has put anything into has no rows in these."""

Row = tuple[Any, ...]
"""The values of one row, in the order of the shape's columns: bool, int, float, str, aware datetime, None."""


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the rows of one table look like.

    `columns`: names, and what they hold (`bool`, `int`, `float`, `text`, `time`). `key`: those of the primary key.
    `own`: those that refer to rows of the same table, by their `id`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    own: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def clause(self) -> TableClause:
        """For statements of SQLAlchemy Core. Raises ValueError for a kind of value that there is not."""
        unknown = {kind for _, kind in self.columns} - _TYPES.keys()
        if unknown:
            raise ValueError(f"{self.name} has columns of an unknown type: {', '.join(sorted(unknown))}")
        return table(self.name, *(column(name, _TYPES[kind]()) for name, kind in self.columns))

    def row_type(self) -> Any:
        """The type of a row, as msgspec checks it."""
        return tuple[tuple(_VALUES[kind] | None for _, kind in self.columns)]  # type: ignore[misc]


def shapes(connection: Connection) -> list[Shape]:
    """Lastseen's tables in this database; those that others refer to come first."""
    found = MetaData()
    known = set(metadata.tables)
    found.reflect(connection, only=lambda name, _: name in known)
    return [_shape(one) for one in found.sorted_tables]


def _shape(one: Table) -> Shape:
    own = [str(key.parent.name) for key in one.foreign_keys if key.column.table is one and key.column.name == "id"]
    columns = tuple((str(found.name), _kind(found.type)) for found in one.columns)
    return Shape(
        str(one.name), columns, tuple(str(found.name) for found in one.primary_key.columns), tuple(sorted(own))
    )


def _kind(type_: TypeEngine[Any]) -> str:
    for kind, family in (("bool", Boolean), ("time", DateTime), ("int", Integer), ("float", (Float, Numeric))):
        if isinstance(type_, family):
            return kind
    return "text"


def count_rows(connection: Connection, shape: Shape) -> int:
    return connection.execute(select(func.count()).select_from(shape.clause())).scalar_one()


def filled(connection: Connection, of: Sequence[Shape]) -> list[str]:
    """The tables that show that somebody has put something into the database."""
    held = [shape.clause() for shape in of if shape.name in HELD]
    return [one.name for one in held if connection.execute(select(select(one).exists())).scalar()]


def read_rows(
    connection: Connection, shape: Shape, after: Sequence[Any] | None = None, batch: int = BATCH
) -> Iterator[list[Row]]:
    """All rows by primary key, up to `batch` at a time; `after`: those behind the one with this key. In a transaction
    that sees one state throughout, it is that state's."""
    source = shape.clause()
    key = [source.c[name] for name in shape.key]
    query = select(source).order_by(*key)
    if after is not None:
        query = query.where(
            tuple_(*key) > tuple_(*(bindparam(None, v, c.type) for v, c in zip(after, key, strict=True)))
        )
    result = connection.execute(query, execution_options={"stream_results": True, "yield_per": batch})
    for rows in result.partitions(batch):
        yield [tuple(row) for row in rows]


class Writer:
    """Writes rows of one table, in the order in which `read_rows` gave them. What refers to a row of the same table
    that is still to come is filled in by `end`."""

    def __init__(self, connection: Connection, shape: Shape) -> None:
        self._connection, self._shape, self._table = connection, shape, shape.clause()
        self._insert = self._table.insert()
        self._own = [shape.names.index(name) for name in shape.own]
        self._id = shape.names.index("id") if shape.own else -1
        self._later: list[tuple[int, str, int]] = []

    def write(self, rows: Iterable[Row]) -> None:
        names = self._shape.names
        values = [dict(zip(names, self._without_later(row), strict=True)) for row in rows]
        if values:
            self._connection.execute(self._insert, values)

    def _without_later(self, row: Row) -> Row:
        ahead = [place for place in self._own if row[place] is not None and row[place] > row[self._id]]
        if not ahead:
            return row
        self._later += [(row[self._id], self._shape.names[place], row[place]) for place in ahead]
        return tuple(None if place in ahead else value for place, value in enumerate(row))

    @property
    def waiting(self) -> bool:
        """Whether something is left for `end`."""
        return bool(self._later)

    def end(self) -> None:
        for row_id, name, value in self._later:
            one = self._table.update().where(self._table.c.id == row_id)
            self._connection.execute(one.values({name: value}))
        self._later.clear()


def clear(connection: Connection, of: Sequence[Shape]) -> None:
    """Take all rows out: a new database has a few to begin with."""
    for shape in reversed(of):
        source = shape.clause()
        for name in shape.own:
            connection.execute(source.update().values({name: None}))
        connection.execute(source.delete())


# --- the counters of ids ----------------------------------------------------------------------------------------------


def counters(connection: Connection) -> dict[str, int]:
    """The greatest id that was ever given, by table: ids are never used again, also not those of rows that are gone."""
    if connection.dialect.name == "sqlite":
        if not inspect(connection).has_table("sqlite_sequence"):
            return {}
        kept = table("sqlite_sequence", column("name"), column("seq"))
        return {row.name: int(row.seq) for row in connection.execute(select(kept))}
    found = {}
    for name, sequence in _sequences(connection):
        state = select(literal_column("last_value", BigInteger), literal_column("is_called", Boolean))
        state = state.select_from(text(sequence))
        value, called = connection.execute(state).one()
        if called:
            found[name] = int(value)
    return found


def set_counters(connection: Connection, given: Mapping[str, int]) -> None:
    """Go on behind these; a counter never goes back, and never behind the rows that are there."""
    if connection.dialect.name == "sqlite":
        now = counters(connection)
        for name, value in given.items():
            if name in now:
                update = text("UPDATE sqlite_sequence SET seq = max(seq, :value) WHERE name = :name")
            else:
                update = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :value)")
            connection.execute(update, {"name": name, "value": value})
        return
    for name, sequence in _sequences(connection):
        there = connection.execute(select(func.max(column("id"))).select_from(table(name))).scalar() or 0
        value = max(given.get(name, 0), there)
        if value:
            connection.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": value})


def _sequences(connection: Connection) -> list[tuple[str, str]]:
    """PostgreSQL's, by table."""
    schema, name, id_ = (column(of, Text) for of in ("table_schema", "table_name", "column_name"))
    columns = table("columns", schema, name, id_, schema="information_schema")
    query = select(name, func.pg_get_serial_sequence(func.quote_ident(name), "id")).select_from(columns)
    query = query.where(schema == func.current_schema(), name.in_(sorted(metadata.tables)), id_ == "id").order_by(name)
    return [(of, sequence) for of, sequence in connection.execute(query) if sequence is not None]
