"""Who only looks reads on connections of their own, on every database: what heartbeats and alerts need is not behind
them, however long they take."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.storage import open_store, workers
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.storage.visitors import visiting
from tests.fresh import new_database
from tests.storage.test_suite_postgres import KEY
from tests.support import eventually

MANY = 20


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    made: Any
    if request.param == "sqlite":
        made = open_store(new_database(tmp_path / "lastseen.db"))
    else:
        url = request.getfixturevalue("postgres_server").migrated()
        made = SqlStore(PostgresDatabase(url, "check"), SecretBox(key_text=KEY))
    await made.open()
    yield made
    await made.close()


async def test_however_many_look_deadlines_are_read_beside_them_and_what_waits_is_bounded(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, begun = threading.Event(), list[int]()

    def long(_: object) -> None:
        begun.append(1)
        over.wait(120)

    async def look() -> None:
        with visiting():
            await store.database.read(long)

    async with anyio.create_task_group() as group:
        for _ in range(MANY):
            group.start_soon(look)
        await eventually(lambda: begun)
        try:
            with anyio.fail_after(60):
                assert await store.next_check() is None
                await store.keys_version()
                monkeypatch.setattr(workers, "MOST_WAITING", 1)
                with pytest.raises(StoreUnavailable), visiting():
                    await store.next_check()
        finally:
            over.set()
    assert len(begun) == MANY
