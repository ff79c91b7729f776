"""Ends of sends that wait for the writer together are written down at once: nothing but the time it takes differs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from lastseen.model import Aftermath, Attempt, Delivered, Outcome, Rejected, Retry, Scope, Sent
from lastseen.notifiers.retry import SCHEDULES, follow
from lastseen.storage import open_store, sql_finish
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at, lease
from lastseen.testing.suite_base import offline
from lastseen.testing.suite_outbox import take
from tests.support import eventually

NAMES = ("ann", "bob", "cid", "dan", "eve")
DONE = Delivered(receipt="42")
ROWS = """
SELECT slug, notifications.state, notifications.reason, due_at, attempts, receipt, outcome, detail,
  failures, ready_at, succeeded_at, channels.enabled, channels.config
FROM notifications JOIN machines ON machines.id = machine_id
JOIN delivery_attempt_items ON notification_id = notifications.id
JOIN delivery_attempts ON delivery_attempts.id = attempt_id
JOIN channels ON channels.id = notifications.channel_id JOIN channel_state ON channel_state.channel_id = channels.id
ORDER BY slug
"""


def plan(sent: Sent) -> Aftermath:
    if sent.outcome == Delivered(receipt="a bug"):
        raise ZeroDivisionError
    return follow(sent, SCHEDULES["webhook"], 0.0)


async def ended(path: Path, outcomes: Sequence[Outcome], together: bool) -> tuple[list[str], list[Any]]:
    """Sends of one channel that end so, in this order; what `finish` answered, and what is in the store then."""
    store = open_store(f"sqlite:///{path}")
    assert isinstance(store, SqlStore)
    await store.open()
    channel = await store.code_channel("ops", "lane", at(0))
    await offline(store, *NAMES, channels=[channel.uid])
    taken = await take(store, [channel.uid], 200)
    ends = list(zip([*taken, *taken], outcomes, strict=False))  # more than there are: the first ones end once more

    async def finish(attempt: Attempt, outcome: Outcome) -> str:
        try:
            return str(await store.finish(lease([channel.uid]), attempt, outcome, plan, at(201)))
        except ZeroDivisionError as error:
            return repr(error)

    if together:
        answers = await while_busy(store, [finish(*end) for end in ends])
    else:
        answers = [await finish(*end) for end in ends]
    rows = await store.database.read(lambda c: [tuple(row) for row in c.exec_driver_sql(ROWS)])
    await store.close()
    return answers, rows


async def while_busy(store: SqlStore, works: Sequence[Any]) -> list[str]:
    """All of them wait for the writer, which does something else until they do."""
    started, go_on, writer = threading.Event(), threading.Event(), store.database._writer  # type: ignore[attr-defined]

    def long_write(_: Connection) -> None:
        started.set()
        assert go_on.wait(60)

    busy = asyncio.create_task(store.database.write(long_write))
    await eventually(started.is_set)
    waiting = [asyncio.create_task(work) for work in works]
    await eventually(lambda: writer._queue.qsize() == len(works))
    go_on.set()
    await busy
    return await asyncio.gather(*waiting)


@pytest.mark.parametrize(
    "outcomes",
    [
        pytest.param([DONE] * 5, id="all delivered"),
        pytest.param([DONE, Retry("busy"), DONE, Retry("busy"), DONE], id="the channel fails and is back"),
        pytest.param([DONE, Rejected("no"), DONE, DONE, DONE], id="one is refused"),
        pytest.param([DONE, Rejected("gone", Scope.CHANNEL), DONE, DONE, DONE], id="the channel is gone"),
        pytest.param([DONE, Delivered(moved={"chat": 7}), DONE, DONE, DONE], id="the channel has moved"),
        pytest.param([DONE, Delivered(receipt="a bug"), DONE, DONE, DONE], id="one cannot be written"),
        pytest.param([DONE] * 7, id="two end twice"),
        pytest.param([Retry("busy"), DONE, DONE, DONE, DONE, DONE], id="one that failed ends twice"),
    ],
)
async def test_what_ends_together_is_written_as_if_it_had_ended_one_by_one(
    outcomes: Sequence[Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await ended(tmp_path / "alone.db", outcomes, together=False)
    rounds, finish = [], sql_finish.finish

    def counted(connection: Connection, given: Sequence[sql_finish.Ended]) -> list[bool]:
        rounds.append(len(given))
        return finish(connection, given)

    monkeypatch.setattr(sql_finish, "finish", counted)
    assert await ended(tmp_path / "together.db", outcomes, together=True) == alone
    assert rounds[0] == len(outcomes)
    assert len(alone[1]) == len(NAMES)
