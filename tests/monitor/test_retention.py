"""Who deletes what is old, and what happens when that fails. The rules: tests/storage/test_retention_sql.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen import HeartbeatMonitor
from lastseen.clock import SystemClock
from lastseen.errors import StoreUnavailable
from lastseen.model.retention import Keep, Pruned
from lastseen.monitor import retention
from lastseen.monitor.retention import Pruner
from lastseen.storage import open_store, upgrade
from tests.scenarios.harness import rows, server
from tests.storage.schema_rows import GOOD, put
from tests.support import eventually

ROWS = 1200
SHORT = Keep(reports=timedelta(hours=1))
COUNT = "SELECT count(*) FROM reports"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """With many reports that are old."""
    path = tmp_path / "lastseen.db"
    upgrade.upgrade(path)
    with closing(sqlite3.connect(path)) as raw:
        put(raw, "users", GOOD["users"])
        put(raw, "machines", GOOD["machines"])
        for number in range(1, ROWS + 1):
            put(raw, "reports", {**GOOD["reports"], "id": number, "pending": 0})
        raw.commit()
    return path


@contextmanager
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(retention, "FIRST", 0.0)
        patched.setattr(retention, "PAUSE", 0.001)
        yield


async def test_a_monitor_that_runs_deletes_what_is_old(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with at_once(monkeypatch), capture_logs() as logged:
        async with HeartbeatMonitor(f"sqlite:///{database}", keep=SHORT):
            await eventually(lambda: rows(database, COUNT) == [(0,)])
            await eventually(lambda: [one for one in logged if one["event"] == "old_rows_deleted"])
    (said,) = [one for one in logged if one["event"] == "old_rows_deleted"]
    assert said["rows"] == {"reports": ROWS}


async def test_a_server_keeps_what_the_settings_say(database: Path, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("from lastseen.monitor import retention\nretention.FIRST = 0.0\n")
    async with server(tmp_path, LASTSEEN_KEEP_REPORTS="1h", PYTHONPATH=str(hook)) as serve:
        await serve.start()
        await eventually(lambda: rows(tmp_path, COUNT) == [(0,)])


async def test_of_several_processes_one_does_it(database: Path) -> None:
    store = open_store(f"sqlite:///{database}")
    clock: Any = SystemClock()
    first, second = (Pruner(store, clock, node, SHORT) for node in ("a", "b"))
    await store.open()  # type: ignore[attr-defined]
    held = await store.lease(retention.LEASE, "a", retention.HOLD, clock.now())  # type: ignore[attr-defined]
    assert await second.round() == {}
    assert rows(database, COUNT) == [(ROWS,)]
    await store.release(held, clock.now())  # type: ignore[attr-defined]
    assert await second.round() == {"reports": ROWS}
    assert await first.round() == {}, "and gives the lease back"
    await store.close()  # type: ignore[attr-defined]


async def test_one_that_stood_still_for_long_leaves_the_rest_to_whoever_took_over(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = open_store(f"sqlite:///{database}")
    await store.open()
    clock, prune, steps = Later(), store.prune, 0

    async def and_stands_still(*given: Any) -> Pruned:
        """A step, and then three minutes in which another process takes over."""
        nonlocal steps
        steps += 1
        pruned: Pruned = await prune(*given)
        clock.ahead += timedelta(minutes=3)
        assert await store.lease(retention.LEASE, "b", retention.HOLD, clock.now()) is not None
        return pruned

    monkeypatch.setattr(store, "prune", and_stands_still)
    await Pruner(store, clock, "a", SHORT).round()
    assert (steps, rows(database, COUNT)) == (1, [(ROWS,)])
    assert await store.lease(retention.LEASE, "c", retention.HOLD, clock.now()) is None, "the other one still has it"
    await store.close()


class Later(SystemClock):
    """The time, and more than that."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class Flaky:
    """A store that fails once, and then has nothing to delete."""

    def __init__(self) -> None:
        self.asked = 0

    async def prune(self, keep: Keep, now: datetime, after: str | None = None, limit: int = 500) -> Pruned:
        self.asked += 1
        if self.asked == 1:
            raise StoreUnavailable("the disk is full")
        return Pruned({"reports": 1})


async def test_what_failed_is_tried_again_with_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST", 0.0)
    monkeypatch.setattr(retention, "EVERY", 0.0)
    store = Flaky()
    with capture_logs() as logged:
        task = asyncio.create_task(Pruner(store, SystemClock(), "a", SHORT).run())  # type: ignore[arg-type]
        await eventually(lambda: store.asked >= 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [one["error"] for one in logged if one["event"] == "retention_failed"] == ["the disk is full"]


def test_events_are_kept_as_long_as_their_changes_are_counted() -> None:
    window = timedelta(days=300)
    made = Pruner(Flaky(), SystemClock(), "a", Keep(events=timedelta(days=100)), window)  # type: ignore[arg-type]
    assert made.keep.events == window
