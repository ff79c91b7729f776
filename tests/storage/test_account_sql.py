"""What `why` and replays read is found by an index, however much has happened to others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from lastseen.model import Beat
from lastseen.model.story import RefusedCount, Which
from lastseen.storage import open_store, sql_account, sql_refusals, sql_replay
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.fresh import new_database

LARGE = (
    *("events", "notifications", "outages", "machines", "liveness", "refusals", "delivery_attempts"),
    *("delivery_attempt_items", "blind_periods"),
)
"""Tables that grow with time, or with the number of machines."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A machine with an outage that is over and a key that is refused, and another that is out."""
    store = open_store(new_database(tmp_path / "store.db"))
    assert isinstance(store, SqlStore)
    await store.open()
    ops = (await store.code_channel("ops", "channel:ops", at(0))).uid
    await online(store, "pump", "fan")
    key = await store.add_key("machine", "ab" * 32, "lsm_a", at(0), machine_id=1)
    await store.revoke_key(key.id, at(50))
    await store.settle(by_rule([ops]), at(200))
    await store.record([Beat("pump", at(300))], at(300))
    await store.settle(by_rule([ops]), at(300))
    await store.keep_refusals([RefusedCount("ab" * 32, at(0), 3, at(60), at(310))], at(310))
    await store.tidy(at(200 + 76 * 3600))
    yield store
    await store.close()


async def plans(store: SqlStore, work: Callable[[Connection], Any]) -> list[str]:
    """How SQLite finds what `work` reads."""
    ran: list[tuple[str, Any]] = []

    def watched(connection: Connection) -> list[str]:
        def note(c: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            ran.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        work(connection)
        event.remove(connection, "before_cursor_execute", note)
        explained = (connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values) for text, values in ran)
        return [row[3] for rows in explained for row in rows.fetchall()]

    return await store.database.write(watched)


def scans(found: list[str]) -> list[str]:
    return [plan for plan in found if plan.startswith("SCAN") and plan.split()[1] in LARGE]


@pytest.mark.parametrize(("name", "seconds"), [("pump", 250), ("pump", 1000), ("fan", 1000)])
async def test_an_account_scans_no_table_that_grows(store: SqlStore, name: str, seconds: float) -> None:
    moment = at(seconds)
    found = await plans(store, lambda c: sql_account.account(c, name, moment, moment, at(5000)))
    assert len(found) > 10
    assert scans(found) == []


async def test_what_doctor_asks_of_refusals_is_found_by_their_hour(store: SqlStore) -> None:
    found = await plans(store, lambda c: sql_refusals.refused_keys(c, at(0), 20))
    assert [plan for plan in found if "refusals_hour" in plan]
    assert scans(found) == []


async def test_what_was_given_up_is_found_by_its_partial_index(store: SqlStore) -> None:
    which = Which(since=at(0))
    found = await plans(store, lambda c: sql_replay.given_up(c, which, 100))
    assert [plan for plan in found if "notifications_dead" in plan]
    assert scans(found) == []
    found = await plans(store, lambda c: sql_replay.listed(c, which, "dead", 100))
    assert scans(found) == []
    found = await plans(store, lambda c: sql_replay.replay_all(c, which, at(5000), 100))
    assert scans(found) == []


async def test_of_too_many_counts_the_oldest_hours_go(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_refusals, "MOST", 3)
    for hour in range(1, 7):
        moment = at(hour * 3600)
        await store.keep_refusals([RefusedCount("ab" * 32, moment, 1, moment, moment)], moment)
    (found,) = await store.refused_keys(at(0))
    assert (found.count, found.first_at) == (3, at(4 * 3600))
