"""Rows leave one database and come into another as they were, a few at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from lastseen.storage import tables_io, upgrade
from lastseen.storage.sqlite import WRITER, reader_engine, writer_engine
from tests.storage.schema_rows import GOOD, fill, put, rows_of


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.db"
    upgrade.upgrade(path)
    with closing(sqlite3.connect(path)) as raw:
        fill(raw)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target.db"
    upgrade.upgrade(path)
    return path


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    engine = reader_engine(path)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


@contextmanager
def writing(path: Path) -> Iterator[Connection]:
    engine = writer_engine(path, WRITER)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def copy(source: Path, target: Path, batch: int = 2) -> None:
    with reading(source) as here, writing(target) as there:
        found = tables_io.shapes(here)
        tables_io.clear(there, tables_io.shapes(there))
        for shape in found:
            writer = tables_io.Writer(there, shape)
            for rows in tables_io.read_rows(here, shape, batch=batch):
                writer.write(rows)
            writer.end()
        tables_io.set_counters(there, tables_io.counters(here))


def everything(path: Path) -> object:
    with closing(sqlite3.connect(path)) as raw:
        return {table: sorted(rows, key=repr) for table, rows in rows_of(raw).items()}


def test_a_copy_holds_every_row_of_every_table_as_it_was(source: Path, target: Path) -> None:
    copy(source, target)
    assert everything(target) == everything(source)
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_tables_that_others_refer_to_come_first(source: Path) -> None:
    with reading(source) as connection:
        names = [shape.name for shape in tables_io.shapes(connection)]
    assert set(names) == set(GOOD) | {"meta", "kinds", "sources"}
    for before, after in (
        ("kinds", "machines"),
        ("machines", "liveness"),
        ("channels", "events"),
        ("events", "outages"),
        ("delivery_attempts", "delivery_attempt_items"),
    ):
        assert names.index(before) < names.index(after), (before, after)


def test_a_channel_may_refer_to_one_that_comes_later(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as raw:
        put(raw, "channels", {**GOOD["channels"], "id": 2, "uid": "c2", "name": "second"})
        raw.execute("UPDATE channels SET fallback_id = 3 - id")
        raw.commit()
    copy(source, target)
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("SELECT id, fallback_id FROM channels ORDER BY id").fetchall() == [(1, 2), (2, 1)]


def test_ids_of_rows_that_are_gone_are_not_given_again(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as raw:
        raw.execute("UPDATE sqlite_sequence SET seq = 99 WHERE name = 'runs'")
        raw.execute("DELETE FROM runs")
        raw.commit()
    copy(source, target)
    with closing(sqlite3.connect(target)) as raw:
        put(raw, "runs", {name: value for name, value in GOOD["runs"].items() if name != "id"})
        assert raw.execute("SELECT id FROM runs").fetchall() == [(100,)]


def test_a_counter_never_goes_back(source: Path) -> None:
    with writing(source) as connection:
        before = tables_io.counters(connection)
        tables_io.set_counters(connection, dict.fromkeys(before, 0))
        assert tables_io.counters(connection) == before


def test_reading_goes_on_behind_any_row(source: Path) -> None:
    with closing(sqlite3.connect(source)) as raw:
        for tag in ("attic", "barn", "dock"):
            put(raw, "machine_tags", {"machine_id": 1, "tag": tag})
        raw.commit()
    with reading(source) as connection:
        (tags,) = (shape for shape in tables_io.shapes(connection) if shape.name == "machine_tags")
        batches = list(tables_io.read_rows(connection, tags, batch=2))
        assert batches == [[(1, "attic"), (1, "barn")], [(1, "cellar"), (1, "dock")]]
        assert list(tables_io.read_rows(connection, tags, after=(1, "barn"))) == [[(1, "cellar"), (1, "dock")]]
        assert tables_io.count_rows(connection, tags) == 4


def test_a_shape_survives_being_written_down(source: Path) -> None:
    with reading(source) as connection:
        for shape in tables_io.shapes(connection):
            again = msgspec.json.decode(msgspec.json.encode(shape), type=tables_io.Shape)
            assert again == shape
            for rows in tables_io.read_rows(connection, shape):
                text = msgspec.json.encode(rows)
                assert msgspec.json.decode(text, type=list[again.row_type()]) == rows  # type: ignore[misc]
