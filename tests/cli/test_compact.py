"""`lastseen db compact`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.cli.conftest import Cli


def test_the_room_of_deleted_rows_goes_back_to_the_disk(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    database = cli.folder / "lastseen.db"
    with closing(sqlite3.connect(database)) as raw:
        raw.execute("CREATE TABLE ballast (x)")
        raw.executemany("INSERT INTO ballast VALUES (?)", [("x" * 1000,)] * 2000)
        raw.execute("DROP TABLE ballast")
        raw.commit()
    done = cli.json("db", "compact")
    assert done["before"] > 2_000_000 > done["after"] == database.stat().st_size
    assert cli.json("machines", "show", "db-01")["slug"] == "db-01"
    with closing(sqlite3.connect(database)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA page_size").fetchone() == (1024,)
        assert raw.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_under_a_server_nothing_is_done(cli: Cli) -> None:
    with cli.serving():
        done = cli("db", "compact")
    assert (done.code, "is served already" in done.err) == (1, True), done.err


def test_another_program_that_writes_is_named(cli: Cli) -> None:
    with closing(sqlite3.connect(cli.folder / "lastseen.db", isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        done = cli("db", "compact")
    assert (done.code, "another program writes" in done.err) == (1, True), done.err


def test_where_there_is_no_database_none_is_made(empty: Cli) -> None:
    empty.folder.mkdir()
    done = empty("db", "compact")
    assert (done.code, "there is no database" in done.err) == (1, True), done.err
    assert not (empty.folder / "lastseen.db").exists()
