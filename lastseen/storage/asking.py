"""Questions that are asked of the database for every webhook that is sent."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Boolean, Connection, Dialect, Select
from sqlmodel.sql.sqltypes import UTCDateTime

from lastseen.storage.dialect import stamp

_LIST = re.compile(r"\(__\[POSTCOMPILE_\w+\]\)")
_json = msgspec.json.Encoder()


class Ask:
    """A SELECT with named parameters, lists among them (`several()`). On SQLite it is compiled once, and goes to the
    driver as it is: what SQLAlchemy does for each execution costs more than SQLite's own part. Rows have their columns
    as attributes."""

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement
        self._compiled: Compiled | None = None

    def __call__(self, connection: Connection, **values: Any) -> Sequence[Any]:
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, values).fetchall()
        if self._compiled is None:
            self._compiled = Compiled(self.statement, connection.dialect)
        return self._compiled.ask(connection, values)


class Compiled:
    """The statement in SQLite's words, a list as one JSON parameter, and how its rows are read."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = _LIST.sub("(SELECT value FROM json_each(?))", str(compiled))
        given = compiled.params
        self._values = [(name, _bound(given[name])) for name in compiled.positiontup or ()]
        columns = list(statement.selected_columns)
        names = [column.name for column in columns]
        self._row: Callable[[list[Any]], Any] = namedtuple("Row", names, rename=True)._make  # type: ignore[attr-defined]
        read = [_reader(column.type, dialect) for column in columns]
        self._read = [(place, one) for place, one in enumerate(read) if one is not None]

    def ask(self, connection: Connection, values: dict[str, Any]) -> list[Any]:
        bound = [_bound(values[name]) if name in values else default for name, default in self._values]
        driver: Any = connection.connection.dbapi_connection
        return [self._row(self._values_of(row)) for row in driver.execute(self.text, bound)]

    def _values_of(self, row: Iterable[Any]) -> list[Any]:
        values = list(row)
        for place, read in self._read:
            if values[place] is not None:
                values[place] = read(values[place])
        return values


def _bound(value: Any) -> Any:
    """As SQLite takes it."""
    if isinstance(value, datetime):
        return stamp(value)
    return _json.encode(value).decode() if isinstance(value, list | tuple) else value


def _reader(type_: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(type_, UTCDateTime):
        return _moment
    if isinstance(type_, Boolean):
        return bool
    processor: Callable[[Any], Any] | None = type_.dialect_impl(dialect).result_processor(dialect, None)
    return processor


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
