"""A PostgreSQL in trouble: what is asked of it fails by a name that says so, nothing is half done, and it works again
as soon as the server does."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from lastseen.errors import ConfigurationError, StoreUnavailable
from lastseen.model import Beat, Pause, Said, Status
from lastseen.storage import postgres as storage
from lastseen.storage.postgres import open_postgres
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import admit_all, at, by_rule, lease, move
from lastseen.testing.suite_base import online, standing
from tests.disk import fill, small_disk
from tests.servers import postgres
from tests.storage.postgres.stage import Stage, node, on_stage
from tests.support import needs_root

RULE = by_rule()
PASSWORD = "a-password-that-nobody-reads"


@pytest.fixture(scope="module")
def own(postgres_server: postgres.PostgresServer) -> Iterator[postgres.PostgresServer]:
    """A server that a test may stop."""
    with postgres.running("fsync=off") as server:
        yield server


@pytest.fixture
async def shaky(own: postgres.PostgresServer) -> AsyncIterator[Stage]:
    async with on_stage(own, 1) as stage:
        yield stage


async def everything(store: SqlStore, seconds: float) -> None:
    """A piece of each kind of work."""
    await store.record([Beat("pump", at(seconds))], at(seconds))
    await store.settle(RULE, at(seconds))
    await store.take(lease([]), admit_all(), at(seconds), 10)
    await store.keep_note("n", str(seconds))
    assert (await standing(store, "pump")).liveness.last_seen == at(seconds)


async def test_a_server_that_was_restarted_meanwhile_is_found_again_and_nobody_notices(shaky: Stage) -> None:
    (store,) = shaky.nodes
    await online(store, "pump")
    await everything(store, 1)
    shaky.server.stop()
    shaky.server.start_again()
    await everything(store, 2)


async def test_a_server_that_dies_while_it_works_is_unavailable_until_it_is_back(shaky: Stage) -> None:
    (store,) = shaky.nodes
    await online(store, "pump")
    pause = shaky.pause()
    settling = shaky.start(store.settle(pause.at(RULE), at(200)))
    await pause.reached()
    shaky.server.kill()
    pause.go()
    with pytest.raises(StoreUnavailable):
        await settling
    for asked in (
        lambda: store.record([Beat("pump", at(201))], at(201)),
        lambda: store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), at(201)),
        lambda: store.take(lease([]), admit_all(), at(201), 10),
        lambda: store.liveness(["pump"]),
    ):
        with pytest.raises(StoreUnavailable):
            await asked()
    shaky.server.start_again()
    row = (await standing(store, "pump")).liveness
    assert (row.status, row.last_seen) == (Status.ONLINE, at(0)), "nothing of it happened"
    assert len(await store.settle(RULE, at(202))) == 1
    await everything(store, 203)


async def test_a_store_that_is_opened_while_the_server_is_away_says_so_and_opens_when_it_is_back(
    own: postgres.PostgresServer,
) -> None:
    url = own.migrated()
    own.stop()
    store = open_postgres(url)
    with pytest.raises(StoreUnavailable):
        await store.open()
    own.start_again()
    await store.open()
    assert await store.next_check() is None
    await store.close()


async def test_a_statement_that_takes_too_long_is_ended_and_what_follows_works(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SETTINGS", {**storage.SETTINGS, "statement_timeout": "1s"})
    store = node(stage.url)
    await store.open()
    await online(stage.nodes[0], "pump")

    def too_long(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE machines SET name = 'half-way'")
        connection.exec_driver_sql("SELECT pg_sleep(600)")

    for way in ("write", "write_beside", "record"):
        with pytest.raises(StoreUnavailable, match=r"QueryCanceled \(57014\)"):
            await getattr(store.database, way)(too_long)
    assert (await standing(store, "pump")).machine.name == "pump"
    await everything(store, 1)
    await store.close()


async def test_a_row_that_somebody_keeps_locked_is_given_up_after_a_while(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's own statements and those through SQLAlchemy alike."""
    monkeypatch.setattr(storage, "SETTINGS", {**storage.SETTINGS, "lock_timeout": "100ms"})
    store = node(stage.url)
    await store.open()
    await online(stage.nodes[0], "pump")
    with psycopg.connect(stage.url) as other:
        other.execute("SELECT FROM liveness FOR UPDATE")
        with pytest.raises(StoreUnavailable, match=r"LockNotAvailable \(55P03\)"):
            await store.record([Beat("pump", at(1))], at(1))
        with pytest.raises(StoreUnavailable, match=r"LockNotAvailable \(55P03\)"):
            await store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), at(1))
        assert list(await store.settle(RULE, at(200))) == [], "which waits for nobody"
    await everything(store, 1)
    await store.close()


# --- who may come in, and what they may do ----------------------------------------------------------------------------


@asynccontextmanager
async def visitor(server: postgres.PostgresServer, url: str, password: str, limit: int = -1) -> AsyncIterator[SqlStore]:
    """A store by way of a user who is not the server's owner, and whose password is asked."""
    hba = server.folder / "pg_hba.conf"
    before = hba.read_text()
    name = url.rpartition("/")[2]
    hba.write_text(f"host {name} visitor 127.0.0.1/32 scram-sha-256\n{before}")
    server.execute(f"CREATE ROLE visitor LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT {limit}")
    server.execute("GRANT pg_read_all_data, pg_write_all_data TO visitor")
    server.execute("SELECT pg_reload_conf()")
    server.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO visitor", name)
    store = open_postgres(url.replace("lastseen@", f"visitor:{password}@"), migrate="check")
    try:
        yield store
    finally:
        await store.close()
        server.execute("REVOKE USAGE ON ALL SEQUENCES IN SCHEMA public FROM visitor", name)
        server.execute("DROP ROLE visitor")
        hba.write_text(before)


async def test_a_wrong_password_is_said_and_stands_nowhere(
    own: postgres.PostgresServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "not-the-password"
    async with visitor(own, own.migrated(), wrong) as store:
        with pytest.raises(StoreUnavailable) as caught:
            await store.open()
    said = "".join(capfd.readouterr()) + caplog.text + _all_of(caught.value)
    assert "password" in str(caught.value)
    assert wrong not in said
    assert PASSWORD not in said


def _all_of(error: BaseException) -> str:
    """What stands in it and in what caused it."""
    found = []
    cause: BaseException | None = error
    while cause is not None:
        found.append(f"{cause} {cause!r} {cause.args}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(found)


async def test_a_server_with_no_place_for_more_connections_is_unavailable_until_there_is_one(
    own: postgres.PostgresServer,
) -> None:
    url = own.migrated()
    async with visitor(own, url, PASSWORD, limit=1) as store:
        await store.open()
        other = psycopg.connect(url.replace("lastseen@", f"visitor:{PASSWORD}@"))
        with pytest.raises(StoreUnavailable, match="too many connections"):
            await store.next_check()
        other.close()
        assert await until_available(store) is None


async def until_available(store: SqlStore) -> object:
    for _ in range(1000):
        try:
            return await store.next_check()
        except StoreUnavailable:
            continue  # the server counts a connection for a moment after its end
    raise AssertionError("it never was")


async def test_a_standby_can_be_read_and_not_written_until_it_is_promoted(tmp_path: Path) -> None:
    with postgres.running(*postgres.QUICK) as server:
        url = server.migrated()
        store = node(url)
        await store.open()
        await online(store, "pump")
        server.become_standby()
        assert (await standing(store, "pump")).liveness.status is Status.ONLINE
        with pytest.raises(StoreUnavailable, match=r"read-only|recovery"):
            await store.record([Beat("pump", at(1))], at(1))
        with pytest.raises(StoreUnavailable, match=r"read-only|recovery"):
            await store.settle(RULE, at(200))
        server.execute("SELECT pg_promote()")
        await everything(store, 2)
        await store.close()


def test_a_server_that_is_too_old_is_refused(
    postgres_server: postgres.PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Played by a program that wants a newer one than there is: there is no old server here."""
    monkeypatch.setattr(storage, "OLDEST", 990_000)
    with pytest.raises(ConfigurationError, match=r"this is PostgreSQL \d+.*: 15 or newer is needed"):
        storage.connect(postgres_server.url())


async def go_on_and_on(store: SqlStore) -> None:
    for number in range(1000):
        notes = [Beat("pump", at(number), Said.NOTE, body=f'{{"output":"{number}{"x" * 500}"}}')] * 50
        await store.record(notes, at(number))


@needs_root
async def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    with postgres.running(*postgres.QUICK) as server, small_disk(server.home / "small", "48m") as disk:
        shutil.chown(disk, "nobody")
        server.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        template = server.migrated().rpartition("/")[2]
        server.execute(f"CREATE DATABASE full_one TEMPLATE {template} TABLESPACE small")
        store = node(server.url("full_one"))
        await store.open()
        await online(store, "pump", "fan")
        fill(disk / "ballast")
        with pytest.raises(StoreUnavailable, match=r"DiskFull \(53100\)"):
            await go_on_and_on(store)
        before = (await standing(store, "pump")).liveness
        assert before.status is Status.ONLINE
        (disk / "ballast").unlink()
        await store.record([Beat("pump", at(2000))], at(2000))
        assert [event.machine for event in await store.settle(RULE, at(2001))] == ["fan"]
        await everything(store, 2002)
        await store.close()
