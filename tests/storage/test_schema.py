"""What the schema itself refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint

from lastseen.storage import tables, upgrade
from tests import quick
from tests.storage.schema_rows import BAD, GOOD, fill, put


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("schema") / "store.db"
    with quick.all_migrations():
        upgrade.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        fill(connection)
        yield connection


def test_every_check_is_tried() -> None:
    checks = {
        str(constraint.name)
        for table in tables.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert checks == set(BAD)


@pytest.mark.parametrize("check", sorted(BAD))
def test_a_check_refuses(database: sqlite3.Connection, check: str) -> None:
    table, wrong = BAD[check]
    with pytest.raises(sqlite3.IntegrityError, match=check):
        put(database, table, {**GOOD.get(table, {}), **wrong})


def test_the_highest_id_is_not_used_again(database: sqlite3.Connection) -> None:
    first = database.execute(
        "INSERT INTO users (name, folded, role, created_at) VALUES ('a', 'a', 'viewer', '')"
    ).lastrowid
    database.execute("DELETE FROM users WHERE id = ?", (first,))
    second = database.execute(
        "INSERT INTO users (name, folded, role, created_at) VALUES ('b', 'b', 'viewer', '')"
    ).lastrowid
    database.rollback()
    assert second != first


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("machines", {"uid": "other"}),
        ("blind_periods", {"started_at": "2026-03-01 11:00:00.000000", "ended_at": None}),
        ("outages", {"opened_by": 2}),
        ("channels", {"uid": "other"}),
        ("notifications", {"uid": "other"}),
    ],
)
def test_what_must_be_alone_is_alone(database: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    again = {**GOOD[table], **values}
    again.pop("id")
    try:
        if table == "outages":
            put(database, "events", {**GOOD["events"], "id": 2, "uid": "other", "seq": 2})
        if table == "blind_periods":
            put(database, table, again)
            again = {**again, "started_at": "2026-03-01 10:00:00.000000"}
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            put(database, table, again)
    finally:
        database.rollback()
