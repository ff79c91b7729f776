"""A machine that flapped for months has a hundred thousand outages: what is read of its last day does not grow with
them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from lastseen.storage import open_store, sql_account, sql_past
from lastseen.storage.rows import events, outages
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at
from lastseen.testing.suite_base import online
from tests.fresh import new_database

EACH = timedelta(minutes=10)
"""From one outage to the next."""

MANY = 3_000


def flapped(connection: Connection, machine: int, since: datetime, times: int) -> None:
    def event(number: int, seq: int, moment: datetime, status: str) -> dict[str, Any]:
        told = {"uid": f"{number}", "type": f"machine.{status}", "severity": "alert", "reason": "silent"}
        incident = number - number % 2
        return {**told, "id": number, "seq": seq, "at": moment, "status": status, "incident_id": incident} | {
            "machine_id": machine,
            "snapshot": "{}",
        }

    rows, spans = [], []
    for time in range(times):
        begins, number = since + time * EACH, 1000 + 2 * time
        ends = begins + EACH / 2
        rows += [event(number, number, begins, "offline"), event(number + 1, number + 1, ends, "online")]
        spans.append({"machine_id": machine, "started_at": begins, "detected_at": begins, "ended_at": ends})
        spans[-1] |= {"reason": "silent", "end_reason": "heard", "opened_by": number, "closed_by": number + 1}
    connection.execute(insert(events), rows)
    connection.execute(insert(outages), spans)


async def steps(store: SqlStore, work: Callable[[Connection], Any]) -> int:
    """Hundreds of instructions that SQLite needs for it."""

    def counted(connection: Connection) -> int:
        taken = 0

        def step() -> int:
            nonlocal taken
            taken += 1
            return 0

        database: Any = connection.connection.driver_connection
        database.set_progress_handler(step, 100)
        try:
            work(connection)
        finally:
            database.set_progress_handler(None, 0)
        return taken

    found: int = await store.database.write(counted)
    return found


@pytest.mark.parametrize("looked", ["pasts", "account"])
async def test_what_is_read_of_the_last_day_does_not_grow_with_what_was_before(tmp_path: Path, looked: str) -> None:
    needed = {}
    for times in (200, MANY):
        store = open_store(new_database(tmp_path / f"{times}.db"))
        assert isinstance(store, SqlStore)
        await store.open()
        await online(store, "pump")
        standing = (await store.liveness(["pump"]))["pump"]
        begin, now = at(100), at(100) + times * EACH
        await store.database.write(lambda c, begin=begin, times=times: flapped(c, 1, begin, times))

        def work(c: Connection, standing: Any = standing, now: datetime = now) -> None:
            if looked == "pasts":
                found = sql_past.pasts(c, [standing], now - timedelta(days=1), now)[standing.machine.id]
                assert len(found.outages) == timedelta(days=1) // EACH
            else:
                sql_account.account(c, "pump", now, now, now)

        needed[times] = await steps(store, work)
        await store.close()
    assert needed[MANY] < 2 * needed[200]
