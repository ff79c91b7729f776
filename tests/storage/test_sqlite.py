"""What is special to SQLite: errors, full disks, readers beside the writer, processes beside each other."""

from __future__ import annotations

import inspect
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import psycopg
import psycopg.errors
import pytest
import sqlalchemy.exc
from sqlalchemy import Connection, text

from lastseen.errors import Conflict, InvalidInput, LastseenError, StoreUnavailable
from lastseen.model import Beat, Case, Rejected, Retry, Status, Verdict, replace
from lastseen.storage import open_store, sql_outbox
from lastseen.storage.asking import Compiled
from lastseen.storage.sql import SqlStore
from lastseen.storage.sqlite import SqliteDatabase
from lastseen.storage.translate import translated
from lastseen.testing.script import admit_all, again, at, by_rule, delivered, lease, move
from lastseen.testing.suite_base import offline, online, standing


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    made = open_store(f"sqlite:///{tmp_path}/store.db")
    assert isinstance(made, SqlStore)
    await made.open()
    yield made
    await made.close()


NOT_TOLD = (Warning, LookupError, AssertionError, psycopg.Rollback)
"""What they never raise at who works with a database in words."""


def library_errors() -> Iterator[type[BaseException]]:
    for module in (sqlalchemy.exc, sqlite3, psycopg, psycopg.errors):
        for _, thing in inspect.getmembers(module, inspect.isclass):
            if issubclass(thing, Exception) and not issubclass(thing, NOT_TOLD):
                yield thing


@pytest.mark.parametrize("error", sorted(library_errors(), key=repr), ids=lambda e: f"{e.__module__}.{e.__name__}")
def test_every_error_of_the_libraries_is_translated(error: type[BaseException]) -> None:
    made = error("x") if issubclass(error, psycopg.Error) else error.__new__(error)
    assert isinstance(translated(made), LastseenError)


def test_errors_of_others_are_left_alone() -> None:
    assert translated(ZeroDivisionError()) is None


async def test_an_error_tells_neither_the_statement_nor_its_values(store: SqlStore) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("INSERT INTO users (name, role) VALUES ('s3cret', 'king')"))

    with pytest.raises(Conflict) as caught:
        await store.database.write(work)
    assert "s3cret" not in str(caught.value)


async def test_readers_do_not_wait_for_the_writer(store: SqlStore) -> None:
    await online(store, "pump")
    started, go_on = threading.Event(), threading.Event()

    def long_write(connection: Connection) -> None:
        connection.execute(text("UPDATE machines SET name = 'half-way'"))
        started.set()
        assert go_on.wait(120)

    async with anyio.create_task_group() as group:
        group.start_soon(store.database.write, long_write)
        await anyio.to_thread.run_sync(started.wait)
        with anyio.fail_after(60):
            assert (await standing(store, "pump")).machine.name == "pump"
            assert await store.next_check() is not None
        go_on.set()
    assert (await standing(store, "pump")).machine.name == "half-way"


async def test_a_caller_that_goes_away_does_not_break_the_writer(store: SqlStore) -> None:
    await online(store, "pump")
    for number in range(30):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(store.record, [Beat("pump", at(10 + number))], at(50))
                scope.cancel()
    await store.record([Beat("pump", at(90))], at(90))
    assert (await standing(store, "pump")).liveness.last_seen == at(90)


async def test_closing_finishes_what_was_asked_for_and_opening_again_goes_on(store: SqlStore) -> None:
    await online(store, "pump")
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(store.record, [Beat("pump", at(10 + number))], at(50))
        await anyio.sleep(0)
        await store.close()
    with pytest.raises(StoreUnavailable):
        await store.next_check()
    await store.open()
    assert (await standing(store, "pump")).liveness.last_seen == at(29)


async def test_a_full_disk_is_said_and_gets_better(store: SqlStore) -> None:
    """The page limit makes the real SQLITE_FULL."""
    await online(store, "pump")

    def limit(pages: int) -> None:
        def work(connection: Connection) -> None:
            used = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
            connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}")

        limit.work = work  # type: ignore[attr-defined]

    limit(2)
    await store.database.write(limit.work)  # type: ignore[attr-defined]
    big = "x" * 200_000
    with pytest.raises(StoreUnavailable, match="full"):
        await store.record([Beat("pump", at(10), body=f'{{"message":"{big}"}}')], at(10))
    assert (await standing(store, "pump")).liveness.last_seen == at(0), "all or nothing"
    await store.record([Beat("pump", at(11), body=f'{{"message":"{big}"}}')], at(11))
    assert (await standing(store, "pump")).liveness.last_seen == at(11)


def test_a_file_that_may_not_grow_is_said_and_gets_better(tmp_path: Path) -> None:
    """A real limit of the system on the size of files."""
    code = f"""
        import asyncio, resource, signal
        from lastseen.errors import StoreUnavailable
        from lastseen.model import Beat
        from lastseen.storage import open_store
        from lastseen.testing.script import at
        from lastseen.testing.suite_base import online, standing
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        async def main():
            store = open_store("sqlite:///{tmp_path}/store.db")
            await store.open()
            await online(store, "pump")
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            for _ in range(2):
                try:
                    await store.record([Beat("pump", at(10))], at(10))
                except StoreUnavailable as error:
                    print("unavailable")
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await store.record([Beat("pump", at(20))], at(20))
            print((await standing(store, "pump")).liveness.last_seen == at(20))
            await store.close()
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["unavailable", "unavailable", "True"], "")


BUSY_RECORDER = """
import asyncio, sys
from lastseen.model import Beat
from lastseen.storage import open_store
from lastseen.testing.script import at
async def main(path):
    store = open_store(f"sqlite:///{path}")
    await store.open()
    number = 0
    print("going", flush=True)
    while True:
        number += 1
        await store.record([Beat(f"m{i}", at(number / 1000)) for i in range(1000)], at(1e4))
asyncio.run(main(sys.argv[1]))
"""


async def test_a_command_gets_its_turn_beside_a_busy_recorder(store: SqlStore) -> None:
    await online(store, *[f"m{i}" for i in range(1000)])
    database = store.database
    assert isinstance(database, SqliteDatabase)
    recorder = subprocess.Popen(
        [sys.executable, "-c", BUSY_RECORDER, str(database.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert recorder.stdout is not None
        assert await anyio.to_thread.run_sync(recorder.stdout.readline) == "going\n"
        for number in range(10):
            with anyio.fail_after(30):
                await store.code_channel(f"c{number}", "lane", at(0))
        assert recorder.poll() is None
    finally:
        recorder.kill()
        recorder.communicate()


async def test_a_verdict_that_cannot_be_written_parks_that_machine_only(store: SqlStore) -> None:
    bad = {"snapshot": {"machine": object()}, "surrogate": "\ud800"}

    def decide(case: Case) -> Verdict:
        verdict = move(case, Status.OFFLINE)
        wrong = case.standing.machine.slug
        event = verdict.events[0]
        if wrong == "bad-snapshot":
            event = type(event)(**{**_fields(event), "snapshot": bad["snapshot"]})
        elif wrong == "bad-reason":
            event = type(event)(**{**_fields(event), "reason": bad["surrogate"]})
        elif wrong == "bad-type":
            event = type(event)(**{**_fields(event), "reason": object()})
        elif wrong == "bad-state":
            return Verdict(type(verdict.liveness)(**{**_fields(verdict.liveness), "check_at": None, "back_at": at(1)}))
        return Verdict(verdict.liveness, (event,), verdict.outages, verdict.notifications)

    names = ["good1", "bad-snapshot", "bad-reason", "bad-type", "bad-state", "good2"]
    await online(store, *names)
    events = await store.settle(decide, at(200))
    assert sorted(str(e.machine) for e in events) == ["good1", "good2"]
    for name in names[1:5]:
        row = (await standing(store, name)).liveness
        assert (row.status, row.check_at) == (Status.ONLINE, at(500)), name


def _fields(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]


async def test_the_offline_mark_is_there_exactly_while_an_outage_is_open(store: SqlStore) -> None:
    def marks(connection: Connection) -> list[object]:
        return list(connection.execute(text("SELECT machine_id FROM machine_offline_notifications")).scalars())

    await online(store, "pump")
    assert await store.database.read(marks) == []
    await store.settle(by_rule(), at(200))
    assert await store.database.read(marks) == [1]
    await store.record([Beat("pump", at(300))], at(300))
    await store.settle(by_rule(), at(300))
    assert await store.database.read(marks) == []


async def test_a_refusal_knows_how_much_waits(store: SqlStore) -> None:
    channel = await store.code_channel("ops", "lane", at(0))
    await offline(store, *[f"m{i}" for i in range(5)], channels=[channel.uid])
    (attempt,) = await store.take(lease([channel.uid]), admit_all(), at(200), 1)
    waiting: list[int] = []
    await store.finish(
        lease([channel.uid]), attempt, Rejected("no"), lambda s: waiting.append(s.waiting) or delivered(s), at(201)
    )
    assert waiting == [4]


async def test_what_waits_on_a_channel_that_went_off_meanwhile_is_cancelled(store: SqlStore) -> None:
    channel = await store.code_channel("ops", "lane", at(0))
    await offline(store, "pump", channels=[channel.uid])
    (attempt,) = await store.take(lease([channel.uid]), admit_all(), at(200), 1)
    await store.switch_channel(channel.uid, False, None, at(201))
    await store.finish(lease([channel.uid]), attempt, Retry("busy"), again(at(300)), at(202))
    (row,) = await store.notifications()
    assert (row["state"], row["reason"]) == ("cancelled", "channel disabled: by a person")


async def test_what_a_dead_process_was_sending_is_due_when_its_lease_is_over(store: SqlStore) -> None:
    channel = await store.code_channel("ops", "lane", at(0))
    await offline(store, "pump", channels=[channel.uid])
    held = await store.lease("lane", "dead", timedelta(seconds=30), at(200))
    assert held is not None
    held = replace(held, channels=frozenset([channel.uid]))
    assert len(await store.take(held, admit_all(), at(200), 5)) == 1
    assert await store.next_due() == at(230)
    other = await store.lease("lane", "other", timedelta(seconds=30), at(230))
    assert other is not None
    assert (await store.next_due() or at(999)) <= at(230)
    (attempt,) = await store.take(replace(other, channels=held.channels), admit_all(), at(230), 5)
    outcomes = await store.database.read(
        lambda c: list(c.execute(text("SELECT outcome FROM delivery_attempts ORDER BY id")).scalars())
    )
    assert outcomes == ["lost", None]
    assert attempt.deliveries[0].notification.attempts == 2


async def test_a_large_backlog_is_not_read_whole(store: SqlStore) -> None:
    """No query of a take scans the outbox: the plans name the partial indexes."""
    plans = []

    def explain(connection: Connection) -> None:
        asked = (sql_outbox._DUE_HEADS, sql_outbox._HEADS, sql_outbox._ON_THE_WAY, sql_outbox._FOLLOWERS)
        texts = [Compiled(one.statement, connection.dialect).text for one in asked]
        for text_ in (*texts, str(sql_outbox._NEXT.compile(connection.engine))):
            values = [0] * text_.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text_}", tuple(values)).fetchall()
            plans.extend(row[3] for row in plan if "notifications" in row[3] or "older" in row[3])

    await store.database.read(explain)
    assert plans
    for plan in plans:
        assert "SEARCH" in plan, plan
        assert "notifications_" in plan or "PRIMARY KEY" in plan, plan


async def test_two_stores_on_one_file_see_each_other(store: SqlStore, tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path}/store.db")
    assert isinstance(other, SqlStore)
    await other.open()
    await online(store, "pump")
    assert (await standing(other, "pump")).liveness.status is Status.ONLINE
    await other.close()


async def test_a_key_that_does_not_fit_is_refused(store: SqlStore) -> None:
    with pytest.raises(InvalidInput, match="scope"):
        await store.add_key("root", "d", "x", at(0))
    with pytest.raises(InvalidInput, match="machine_id"):
        await store.add_key("machine", "d", "x", at(0))
    await store.add_key("api", "d", "x", at(0))
    with pytest.raises(Conflict):
        await store.add_key("api", "d", "x", at(0))


async def test_times_are_text_of_one_width(store: SqlStore, tmp_path: Path) -> None:
    await offline(store, "pump")
    await store.record([Beat("pump", at(300.5))], at(301))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        row = connection.execute("SELECT last_seen, status_since, check_at, back_at FROM liveness").fetchone()
    assert row == tuple(
        f"2026-03-01 12:{rest}" for rest in ("05:00.500000", "03:20.000000", "05:01.000000", "05:00.500000")
    )
