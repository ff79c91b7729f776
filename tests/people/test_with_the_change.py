"""A line of the audit log is in the transaction of what it tells of: both are there, or neither."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from lastseen.errors import Conflict, StoreUnavailable
from lastseen.manage.deeds import Doing, do
from lastseen.manage.who import OPERATOR
from lastseen.model.people import User
from lastseen.protocols import Service
from lastseen.storage import open_store
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from tests.fresh import new_database
from tests.servers.line import Cut, line_to
from tests.storage.test_suite_postgres import KEY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    made: Any
    if request.param == "sqlite":
        made = open_store(new_database(tmp_path / "lastseen.db"))
        assert isinstance(made, Service)
    else:
        url = request.getfixturevalue("postgres_server").migrated()
        made = SqlStore(PostgresDatabase(url, "check"), SecretBox(key_text=KEY))
    await made.open()
    yield made
    await made.close()


async def add(store: Any, name: str) -> User:
    doing = Doing[User](OPERATOR, "users.add", lambda user: f"user {user.name} {user.id}", None, NOW)
    added: User = await do(store, doing, store.add_user(name, "member", None, NOW))
    return added


async def known(store: Any) -> tuple[list[str], list[str]]:
    """Who there is, and whom the log has, as one look finds them."""
    users = [f"user {user.name} {user.id}" for user in await store.users()]
    return users, sorted(deed.subject for deed in await store.deeds())


async def test_what_cannot_be_written_down_is_not_done(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Connection, __: Any) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store.database, "keep_deeds", full)
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await add(store, "ada")
    assert await known(store) == ([], [])
    await add(store, "ada")
    users, told = await known(store)
    assert users == told
    assert len(told) == 1


async def test_many_at_once_of_which_some_are_refused_are_told_once_each(store: Any) -> None:
    """Several writes share a commit; where one of them fails, the others are done again."""
    names = [f"user{number % 5}" for number in range(20)]
    ended = await asyncio.gather(*(add(store, name) for name in names), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in ended) == 15
    users, told = await known(store)
    assert users == told
    assert len(told) == 5


async def test_a_transaction_that_the_server_ends_is_begun_again_with_its_deed(postgres_server: Any) -> None:
    store = SqlStore(PostgresDatabase(postgres_server.migrated(), "check"), SecretBox(key_text=KEY))
    await store.open()
    real, tries = store.database.keep_deeds, 0

    def then_fails(connection: Connection, deeds: Any) -> None:
        nonlocal tries
        tries += 1
        real(connection, deeds)
        if tries < 3:
            connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

    store.database.keep_deeds = then_fails
    try:
        await add(store, "ada")
        users, told = await known(store)
        assert (tries, len(told)) == (3, 1)
        assert users == told
    finally:
        await store.close()


async def test_who_waits_for_another_writer_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "lastseen.db"
    store: Any = open_store(new_database(path))
    await store.open()
    try:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            adding = asyncio.create_task(add(store, "ada"))
            assert await known(store) == ([], [])
            other.execute("COMMIT")
            await adding
        users, told = await known(store)
        assert users == told == [f"user ada {(await adding).id}"]
    finally:
        await store.close()


@pytest.mark.parametrize("cut", list(Cut), ids=lambda cut: cut.value)
async def test_a_line_that_is_cut_at_the_commit_leaves_both_or_neither(postgres_server: Any, cut: Cut) -> None:
    url = postgres_server.migrated()
    async with line_to(url) as (line, through):
        store = SqlStore(PostgresDatabase(through, "check"), SecretBox(key_text=KEY))
        await store.open()
        try:
            line.cut_at_commit(cut)
            with pytest.raises(StoreUnavailable, match="it may have happened or not"):
                await add(store, "ada")
            users, told = await known(store)
            assert users == told
            assert len(told) == (1 if cut is Cut.AFTER else 0)
        finally:
            await store.close()


KILLED = """
import asyncio, os, signal, sys
from lastseen.manage import deeds
from lastseen.storage import open_store
from tests.people.test_with_the_change import add

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store, moment = open_store(sys.argv[1]), sys.argv[2]
    await store.open()
    real = store.database.keep_deeds
    if moment == "committed":
        deeds._say = end
    else:
        store.database.keep_deeds = end if moment == "changed" else lambda c, d: (real(c, d), end())
    await add(store, "ada")

asyncio.run(main())
"""


@pytest.mark.parametrize(("moment", "there"), [("changed", 0), ("told", 0), ("committed", 1)])
async def test_a_process_that_is_killed_leaves_both_or_neither(tmp_path: Path, moment: str, there: int) -> None:
    url = new_database(tmp_path / "lastseen.db")
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, url, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    store: Any = open_store(url)
    await store.open()
    try:
        users, told = await known(store)
        assert users == told
        assert len(told) == there
    finally:
        await store.close()
