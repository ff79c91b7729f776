"""A database moves into another: every row, verified, cut off anywhere and gone on with; and one of them serves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lastseen import FakeClock, HeartbeatMonitor, RecordingNotifier
from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError, Conflict, DatabaseOutdated
from lastseen.storage import copying, open_store, upgrade
from lastseen.storage.copying import Copied, copy, reopen
from lastseen.storage.rows import audit_log
from tests.fresh import new_database
from tests.servers.postgres import PostgresServer
from tests.storage.schema_rows import fill

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = "old", "new"


@pytest.fixture
def source(tmp_path: Path) -> str:
    """With rows in every table."""
    url = new_database(tmp_path / "source.db")
    with closing(sqlite3.connect(tmp_path / "source.db")) as raw:
        fill(raw)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty one."""
    if request.param == "sqlite":
        (tmp_path / "target.db").touch()
        return f"sqlite:///{tmp_path}/target.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(server.database())


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Of all tables but the audit log, which has a line of the copy; the marks of copies are not of them."""
    with copying._engine(url) as engine, copying._transaction(engine) as connection:
        shapes = [shape for shape in copying.tables_io.shapes(connection) if shape.name != "audit_log"]
        return {shape.name: copying._sum(connection, shape) for shape in shapes}


def verbs(url: str) -> list[str]:
    """Of the audit log, the oldest first."""
    with copying._engine(url) as engine, copying._transaction(engine) as connection:
        return list(connection.execute(select(audit_log.c.verb).order_by(audit_log.c.id)).scalars())


def test_every_row_arrives_and_the_old_database_serves_no_more(source: str, target: str) -> None:
    before = contents(source)
    done = copy(source, target, NAMES, NOW)
    assert contents(target) == before == contents(source)
    assert done.total == done.written == sum(count for count, _ in before.values()) + 1 > 20
    assert verbs(source)[1:] == verbs(target)[1:] == ["db.copy"]
    assert upgrade.check(target) == upgrade.head()
    for act in (upgrade.check, upgrade.upgrade):
        with pytest.raises(ConfigurationError, match="moved to new at 2026-11-21 12:00 UTC"):
            act(source)


def test_it_may_be_taken_back(source: str, target: str) -> None:
    copy(source, target, NAMES, NOW)
    assert reopen(source, NOW) == "moved to new at 2026-11-21 12:00 UTC"
    assert upgrade.check(source) == upgrade.head()
    assert reopen(source, NOW) is None
    assert verbs(source)[1:] == ["db.copy", "db.reopen"]


class Cut(Exception):
    """The power goes."""


def copy_until_cut(source: str, target: str, after: int) -> Copied | None:
    """None: it was cut off after so many batches."""
    seen = 0

    def cut(table: str, rows: int) -> None:
        nonlocal seen
        seen += 1
        if seen > after:
            raise Cut

    try:
        return copy(source, target, NAMES, NOW, cut)
    except Cut:
        return None


def test_what_was_cut_off_after_any_batch_goes_on(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying.tables_io.read_rows, "__defaults__", (None, 1))  # rows one by one
    before = contents(source)
    runs, steps = 0, 3
    while (done := copy_until_cut(source, target, steps)) is None:
        runs += 1
        assert runs < 500
        for url in (source, target):  # neither serves while they differ
            with pytest.raises(ConfigurationError, match=r"being copied to new|is not whole"):
                upgrade.check(url)
    assert runs > 5
    assert done.resumed
    assert done.written < done.total
    assert contents(target) == before


def test_what_was_cut_off_before_the_last_word_says_it_then(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(self: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(copying._Marks, "say_moved", cut)
        with pytest.raises(Cut):
            copy(source, target, NAMES, NOW)
    assert upgrade.check(target) == upgrade.head()  # it may be served already, and changes
    assert copy(source, target, NAMES, NOW).rows == {}
    with pytest.raises(ConfigurationError, match="moved to new"):
        upgrade.check(source)


def test_a_copy_that_is_not_what_was_read_is_found(source: str, postgres_server: PostgresServer) -> None:
    """Somebody writes into the target meanwhile."""
    target = postgres_server.url(postgres_server.database())

    def meddle(table: str, rows: int) -> None:
        if table == "notifications":
            with copying._engine(target) as engine, copying._transaction(engine) as connection:
                connection.exec_driver_sql("UPDATE machines SET name = 'another'")

    with pytest.raises(Conflict, match="copy of machines is not what was read"):
        copy(source, target, NAMES, NOW, meddle)
    with pytest.raises(ConfigurationError, match="is not whole"):
        upgrade.check(target)


SIGN = "INSERT INTO nodes (id, name, version, started_at, alive_at) VALUES ('a', 'web-1', '1', now(), now())"


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_a_database_that_is_served_is_not_copied_whatever_the_clock_here_says(
    postgres_server: PostgresServer, tmp_path: Path, ahead: float
) -> None:
    url, other = postgres_server.migrated(), new_database(tmp_path / "other.db")
    postgres_server.execute(SIGN, url.rpartition("/")[2])
    with pytest.raises(Conflict, match=r"old is in use by 1 node \(web-1\)"):
        copy(url, other, NAMES, SystemClock().wall() + timedelta(seconds=ahead))
    assert upgrade.check(url) == upgrade.check(other) == upgrade.head()


def test_a_node_that_shows_itself_meanwhile_is_found_at_the_end(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """It was cut off, or just starting, when it was looked before."""
    url, other = postgres_server.migrated(), new_database(tmp_path / "other.db")

    def begin(table: str, rows: int) -> None:
        if table == "kinds":
            postgres_server.execute(SIGN, url.rpartition("/")[2])

    with pytest.raises(Conflict, match="old is in use"):
        copy(url, other, NAMES, SystemClock().wall(), begin)
    with pytest.raises(ConfigurationError, match="is not whole"):
        upgrade.check(other)


def test_a_database_with_something_in_it_is_left_alone(source: str, tmp_path: Path) -> None:
    other = new_database(tmp_path / "other.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw:
        fill(raw)
    before = contents(other)
    with pytest.raises(Conflict, match="something in new already"):
        copy(source, other, NAMES, NOW)
    assert contents(other) == before
    assert upgrade.check(source) == upgrade.check(other) == upgrade.head()


def test_another_copy_does_not_go_into_a_half_whole_one(source: str, target: str, tmp_path: Path) -> None:
    assert copy_until_cut(source, target, 3) is None
    with pytest.raises(Conflict, match="beginning of another copy"):
        copy(new_database(tmp_path / "third.db"), target, NAMES, NOW)


def test_a_database_of_an_older_program_is_upgraded_first_by_hand(target: str, tmp_path: Path) -> None:
    upgrade.upgrade(tmp_path / "old.db", revision="0003")
    with pytest.raises(DatabaseOutdated, match="old has schema 0003"):
        copy(f"sqlite:///{tmp_path}/old.db", target, NAMES, NOW)


async def test_the_new_one_goes_on_where_the_old_one_was(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """The outage that was open ends there, is told there, and everything has the next number."""
    url, clock, told = new_database(tmp_path / "first.db"), FakeClock(), RecordingNotifier()
    async with HeartbeatMonitor(url, clock=clock, notify={"ops": told}, offline_after="3m", node="one") as monitor:
        await monitor.heartbeat("web")
        await clock.advance("10m")
        offline = told.messages[-1]
    new = postgres_server.url(postgres_server.database())
    copy(url, new, NAMES, clock.now())
    store = open_store(new, migrate="check")
    async with HeartbeatMonitor(store, clock=clock, notify={"ops": told}, offline_after="3m", node="one") as monitor:
        await clock.advance("10s")
        await monitor.heartbeat("web")
        await clock.advance("10s")
        assert [message.event.type for message in told.messages[-2:]] == ["machine.offline", "machine.online"]
        online = told.messages[-1]
        assert online.event.incident == offline.event.incident
        assert online.event.seq == (offline.event.seq or 0) + 1
        assert online.event.at - offline.event.at >= timedelta(minutes=7)
    with pytest.raises(ConfigurationError, match="moved to new"):
        async with HeartbeatMonitor(url, clock=clock):
            pass
