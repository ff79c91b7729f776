"""The tables of another program, from whatever they are stored in; nothing is written to it.

A SQLite file, a PostgreSQL database, what `pg_dump` writes as text, and what Django's `manage.py dumpdata` writes, the
last two also packed by gzip. Each gives rows as mappings by column name, with the values as they were stored: `values`
reads them.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from lastseen.errors import ConfigurationError

Row = Mapping[str, Any]

_SQLITE, _GZIP, _PGDUMP = b"SQLite format 3\0", b"\x1f\x8b", b"PGDMP"
_COPY = re.compile(r'COPY (?:"?\w+"?\.)?"?(\w+)"? \((.*)\) FROM stdin;')
_ESCAPES = {"\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\v": "\v", "\\\\": "\\"}


class Tables(Protocol):
    """A database that is read. `rows` of a table that is not there are none."""

    def has(self, table: str) -> bool: ...

    def rows(self, table: str) -> Iterator[Row]: ...


class InMemory:
    """Tables that were read before."""

    def __init__(self, tables: Mapping[str, list[Row]]) -> None:
        self._tables = tables

    def has(self, table: str) -> bool:
        return table in self._tables

    def rows(self, table: str) -> Iterator[Row]:
        return iter(self._tables.get(table, ()))


class Sqlite:
    """A SQLite file, in one transaction: as it was at one moment, even while its program runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def has(self, table: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"
        return self._connection.execute(query, (table,)).fetchone() is not None

    def rows(self, table: str) -> Iterator[Row]:
        return self.ask(f'SELECT * FROM "{table}"') if self.has(table) else iter(())  # noqa: S608  (a name of ours)

    def ask(self, query: str, *given: Any) -> Iterator[Row]:
        return (dict(row) for row in self._connection.execute(query, given))


@contextmanager
def open_sqlite(path: Path) -> Iterator[Sqlite]:
    """Raises ConfigurationError for what is no readable SQLite database."""
    _must_be_there(path)
    with path.open("rb") as stream:
        if stream.read(len(_SQLITE)) != _SQLITE:
            raise ConfigurationError(f"{path} is no SQLite database")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        connection.execute("BEGIN")
        yield Sqlite(connection)
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}): stop its program, or copy the file together with its -wal file"
        ) from None
    finally:
        connection.close()


@contextmanager
def open_any(source: str, wanted: Collection[str]) -> Iterator[Tables]:
    """Whatever `source` is: a file, or the address of a PostgreSQL database. Of what is read as a whole only the
    `wanted` tables are kept. Raises ConfigurationError."""
    if source.startswith(("postgresql://", "postgres://")):
        with _open_postgres(source) as tables:
            yield tables
        return
    path = Path(source).expanduser()
    _must_be_there(path)
    with path.open("rb") as stream:
        head = stream.read(16)
    if head == _SQLITE:
        with open_sqlite(path) as found:
            yield found
    else:
        yield _read_text(path, head, wanted)


def _must_be_there(path: Path) -> None:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")


def _read_text(path: Path, head: bytes, wanted: Collection[str]) -> Tables:
    packed = head.startswith(_GZIP)
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            head = stream.read(64) if packed else head
        if head.startswith(_PGDUMP):
            raise ConfigurationError(f"{path} is packed by pg_dump: `pg_restore -f dump.sql {path.name}` makes it text")
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            found = _dumpdata(lines.read(), wanted) if head.lstrip()[:1] == b"[" else _pg_dump(lines, wanted)
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} cannot be read as text") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ConfigurationError(f"{path} is not what `manage.py dumpdata` writes") from None
    if not found:
        raise ConfigurationError(
            f"{path} holds none of the tables {', '.join(sorted(wanted))}: wanted is a SQLite file, what pg_dump "
            "writes as text (with COPY), or what `manage.py dumpdata` writes"
        )
    return InMemory(found)


def _pg_dump(lines: Iterator[str], wanted: Collection[str]) -> dict[str, list[Row]]:
    """https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"."""
    found: dict[str, list[Row]] = {}
    table, columns = "", [""]
    for line in lines:
        if not table:
            begun = _COPY.match(line) if line.startswith("COPY ") else None
            if begun:
                table, columns = begun[1], [name.strip(' "') for name in begun[2].split(",")]
                if table in wanted:
                    found[table] = []
        elif line.rstrip("\n") == "\\.":
            table = ""
        elif table in wanted:
            values = [_copied(value) for value in line.rstrip("\n").split("\t")]
            found[table].append(dict(zip(columns, values, strict=False)))
    return found


def _copied(value: str) -> str | None:
    if value == "\\N":
        return None
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0][1:]), value) if "\\" in value else value


def _dumpdata(text: str, wanted: Collection[str]) -> dict[str, list[Row]]:
    """https://docs.djangoproject.com/en/5.2/topics/serialization/#json: references are named without `_id`, and many to
    many ones are lists in one of the two rows."""
    found: dict[str, list[Row]] = {}
    for entry in json.loads(text):
        table = str(entry["model"]).replace(".", "_").lower()
        if table not in wanted:
            continue
        row = {"id": entry["pk"]}
        for name, value in entry["fields"].items():
            if isinstance(value, list):
                pairs = found.setdefault(f"{table}_{name}", [])
                one, other = f"{entry['model'].split('.')[1].lower()}_id", f"{name.removesuffix('s')}_id"
                pairs += [{one: entry["pk"], other: item} for item in value]
            else:
                row |= {name: value, f"{name}_id": value}
        found.setdefault(table, []).append(row)
    return found


@contextmanager
def _open_postgres(url: str) -> Iterator[Tables]:
    """In one read-only transaction. The address may hold a password: no error repeats it."""
    try:
        import psycopg
        from psycopg.rows import dict_row
    except ModuleNotFoundError:
        raise ConfigurationError("PostgreSQL needs a package: pip install lastseen[postgres]") from None
    try:
        with psycopg.connect(url, connect_timeout=10, row_factory=dict_row) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield _Postgres(connection)
            connection.rollback()
    except psycopg.Error as error:
        code = f", SQLSTATE {error.sqlstate}" if error.sqlstate else ""
        raise ConfigurationError(f"the PostgreSQL database cannot be read ({type(error).__name__}{code})") from None


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def has(self, table: str) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s) AS there", (table,)).fetchone()
        return row["there"] is not None

    def rows(self, table: str) -> Iterator[Row]:
        return iter(self._connection.execute(f'SELECT * FROM "{table}"')) if self.has(table) else iter(())  # noqa: S608
