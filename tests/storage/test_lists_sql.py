"""What lists read of machines and channels is found by an index, however many there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from lastseen.errors import UnknownMachine
from lastseen.model import Forget, replace
from lastseen.model.directory import Leaf
from lastseen.model.story import Which
from lastseen.storage import open_store, sql_directory, sql_history, sql_replay, sql_trouble
from lastseen.storage.sql import SqlStore
from lastseen.storage.sql_cases import all_channels
from lastseen.testing.script import at, by_rule, keep
from lastseen.testing.suite_base import online
from tests.fresh import new_database
from tests.storage.test_account_sql import plans

MINE = Leaf(limit=10, seen_by=3)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = open_store(new_database(tmp_path / "store.db"))
    assert isinstance(store, SqlStore)
    await store.open()
    ops = (await store.code_channel("ops", "channel:ops", at(0))).uid
    await online(store, "pump")
    await store.settle(by_rule([ops]), at(200))
    yield store
    await store.close()


LISTS: dict[str, Callable[[Connection], Any]] = {
    "by a slug": lambda c: sql_history.machine_id_of(c, "pump"),
    "events": lambda c: sql_directory.happened(c, MINE),
    "outages": lambda c: sql_directory.outages_of(c, MINE),
    "notifications": lambda c: sql_directory.said(c, MINE),
    "notifications, told": lambda c: sql_replay.listed(c, Which(seen_by=3), None, 10),
    "given up": lambda c: sql_replay.given_up(c, Which(seen_by=3), 10),
    "given up, of some": lambda c: sql_replay.given_up(c, Which(seen_by=3, ids=(1, 2)), 10),
    "a fallback": lambda c: c.execute(_of_a_fallback(c), {"channel": 1, "other": 1}).all(),
}


def _of_a_fallback(connection: Connection) -> Any:
    return sql_trouble._heard_by(replace(all_channels(connection)[0], owner_id=3))


@pytest.mark.parametrize("name", LISTS)
async def test_no_list_of_all_machines_is_made_for_what_somebody_sees(store: SqlStore, name: str) -> None:
    found = await plans(store, LISTS[name])
    assert found
    assert [plan for plan in found if plan.startswith("SCAN machines")] == []


async def test_a_removed_machine_is_found_too_and_the_newest_of_a_slug(store: SqlStore) -> None:
    async def found() -> int:
        return await store.database.read(lambda c: sql_history.machine_id_of(c, "pump"))

    first = await found()
    await store.order("pump", Forget(), lambda case: replace(keep(case), removed=True), at(300))
    assert await found() == first
    await online(store, "pump", seconds=400)
    second = await found()
    assert second > first
    await store.order("pump", Forget(), lambda case: replace(keep(case), removed=True), at(500))
    assert await found() == second
    with pytest.raises(UnknownMachine):
        await store.database.read(lambda c: sql_history.machine_id_of(c, "nobody"))
