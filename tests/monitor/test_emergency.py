"""What is said when nothing can be written: from memory, on a real disk that is really full."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import Message, Preferences, Rejected, Retry
from lastseen.monitor import alarms, blindness
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers import dispatcher, emergency
from lastseen.storage import sqlite
from lastseen.testing import RecordingNotifier
from tests.disk import fill, small_disk
from tests.scenarios.harness import rows
from tests.support import eventually

LOST, RESTORED = "system.store_lost", "system.store_restored"
EVENTS = "SELECT type, severity FROM events WHERE type LIKE 'system.%' ORDER BY id"
TOLD = """
SELECT channels.name, events.type, notifications.state FROM notifications
JOIN events ON events.id = event_id JOIN channels ON channels.id = notifications.channel_id
WHERE events.type LIKE 'system.%' ORDER BY 2, 1
"""


class Hanging:
    """A far end that never answers."""

    timeout = 3600.0

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, message: Message) -> None:
        self.asked += 1
        await asyncio.Event().wait()


class Late:
    """A far end that answers the first message only when it is let."""

    timeout = 3600.0

    def __init__(self) -> None:
        self.asked, self.may, self.told = asyncio.Event(), asyncio.Event(), list[str]()

    async def send(self, message: Message) -> None:
        self.asked.set()
        await self.may.wait()
        self.told.append(message.event.type)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second instead of a minute, and marks that notice as soon."""
    monkeypatch.setattr(emergency, "AFTER", timedelta(seconds=1))
    monkeypatch.setattr(emergency, "WAITS", (0.1, 0.1, 0.1))
    monkeypatch.setattr(emergency, "LOOK", 0.05)
    monkeypatch.setattr(blindness, "MARK_EVERY", 0.5)
    monkeypatch.setattr(alarms, "RALLY", tuple(timedelta(seconds=seconds) for seconds in (0.2, 0.4, 0.6)))


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    with small_disk(tmp_path / "disk", "8m") as folder:
        yield folder


@asynccontextmanager
async def watching(folder: Path, **notify: Any) -> AsyncIterator[HeartbeatMonitor]:
    async with HeartbeatMonitor(f"sqlite:///{folder}/lastseen.db", notify=notify) as monitor:
        await monitor.heartbeat("db-01")
        yield monitor


async def cannot_begin(folder: Path, times: int, **notify: Any) -> None:
    """Somebody else holds the database: so many processes, one after the other, open it and cannot write."""
    monitors = [HeartbeatMonitor(f"sqlite:///{folder}/lastseen.db", notify=notify) for _ in range(times)]
    for monitor in monitors:
        await monitor.store.open()  # type: ignore[attr-defined]
    with closing(sqlite3.connect(folder / "lastseen.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for monitor in monitors:
            with pytest.raises(StoreUnavailable):
                await monitor.start()
        other.execute("ROLLBACK")


def types(told: RecordingNotifier) -> list[str]:
    return [event.type for message in told.messages for event in message.events]


async def test_a_full_disk_is_told_once_from_memory_and_its_end_to_those_who_were_told(disk: Path) -> None:
    ops, other, hanging = RecordingNotifier(), RecordingNotifier(), Hanging()
    async with watching(disk, ops=ops, other=other, stuck=hanging):
        fill(disk / "ballast")
        await eventually(lambda: types(ops) == types(other) == [LOST])
        await eventually(lambda: hanging.asked == 1)
        assert ops.messages[0].title.endswith(": disk full")
        assert ops.messages[0].title.startswith("⚠️ I cannot write since ")
        assert len(ops.messages[0].title) <= 42
        assert "until there is space" in ops.messages[0].text
        assert ops.messages[0].loud
        (disk / "ballast").unlink()
        await eventually(lambda: types(ops) == types(other) == [LOST, RESTORED])
        restored = ops.messages[1]
        assert restored.title.startswith("🟢 I can write again after ")
        assert "disk full" in restored.text
        assert not restored.loud
    assert rows(disk, EVENTS) == [(LOST, "alert"), (RESTORED, "info")]
    assert rows(disk, TOLD) == [
        ("ops", LOST, "delivered"), ("other", LOST, "delivered"), ("stuck", LOST, "skipped"),
        ("ops", RESTORED, "delivered"), ("other", RESTORED, "delivered"), ("stuck", RESTORED, "skipped"),
    ]  # fmt: skip


async def test_the_stored_notification_is_the_one_that_was_sent(disk: Path) -> None:
    ops = RecordingNotifier()
    async with watching(disk, ops=ops):
        fill(disk / "ballast")
        await eventually(lambda: types(ops) == [LOST])
        (disk / "ballast").unlink()
        await eventually(lambda: types(ops) == [LOST, RESTORED])
    known = rows(disk, "SELECT n.uid, e.uid FROM notifications n JOIN events e ON e.id = event_id")
    assert {(message.id, message.event.uid) for message in ops.messages} <= set(known)


async def test_what_a_channel_wishes_counts(disk: Path) -> None:
    ops, machines = RecordingNotifier(), RecordingNotifier()
    async with watching(disk, ops=ops, machines=machines) as monitor:
        store: Any = monitor.store
        (channel,) = (one for one in await store.channels() if one.name == "machines")
        await store.prefer(channel.uid, Preferences(events=("machine.*",)), None, monitor.clock.now())
        monitor.dispatcher.reload()
        known = monitor._roster.speakers
        await eventually(lambda: known is not monitor._roster.speakers)
        await eventually(lambda: monitor._roster.speakers[channel.uid].channel.prefs.events)
        fill(disk / "ballast")
        await eventually(lambda: types(ops) == [LOST])
        (disk / "ballast").unlink()
        await eventually(lambda: types(ops) == [LOST, RESTORED])
    assert types(machines) == []


@pytest.mark.parametrize(
    ("answers", "tries"), [([Retry("busy"), None], 2), ([Retry("busy")] * 99, 4), ([Rejected("no")], 1)]
)
async def test_it_is_tried_again_a_few_times(disk: Path, answers: list[Any], tries: int) -> None:
    ops, other = RecordingNotifier(answers), RecordingNotifier([Retry("x")] * 3)
    async with watching(disk, ops=ops, other=other):
        fill(disk / "ballast")
        await eventually(lambda: len(ops.messages) == tries and len(other.messages) == 4)
        (disk / "ballast").unlink()
        await eventually(lambda: types(other)[-1] == RESTORED)
    heard = answers[-1] is None
    assert types(ops) == [LOST] * tries + [RESTORED] * heard


async def test_a_database_that_is_deleted_is_noticed_refuses_heartbeats_and_is_told(tmp_path: Path) -> None:
    ops = RecordingNotifier()
    async with watching(tmp_path, ops=ops) as monitor:
        (tmp_path / "lastseen.db").unlink()
        with pytest.raises(Exception, match="cannot be used now"):
            await monitor.heartbeat("db-01")
        await eventually(lambda: types(ops) == [LOST])
        assert ops.messages[0].title.endswith(": file gone")


async def test_a_lock_that_lasts_is_told_and_a_short_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency, "AFTER", timedelta(seconds=6))
    monkeypatch.setattr(blindness, "HANGS", 1.0)
    ops = RecordingNotifier()
    async with watching(tmp_path, ops=ops) as monitor:
        lost = monitor._loops.listener.cannot_write_since
        with closing(sqlite3.connect(tmp_path / "lastseen.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await eventually(lost)
            other.execute("ROLLBACK")
            await eventually(lambda: lost() is None)
            await monitor.heartbeat("db-01")
            assert types(ops) == []
            other.execute("BEGIN IMMEDIATE")
            await eventually(lambda: types(ops) == [LOST])
            other.execute("ROLLBACK")
        await eventually(lambda: types(ops) == [LOST, RESTORED])


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_monitor_that_is_being_stopped_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    monkeypatch.setattr(emergency, "LOOK", 0.01)
    ops, looks = RecordingNotifier(), 0
    async with watching(tmp_path, ops=ops) as monitor, asyncio.TaskGroup() as tasks:
        memory, since = monitor.dispatcher.emergency, monitor.clock.now() - timedelta(days=1)
        memory.after = timedelta(0)

        def lost() -> Any:
            nonlocal looks
            looks += 1
            if looks == 2 and stopped:
                memory.stop()
            return since if looks >= 2 else None

        running = tasks.create_task(memory.run(lost))
        await eventually(lambda: looks >= 20)
        assert types(ops) == ([] if stopped else [LOST])
        running.cancel()


async def test_a_successor_tells_nobody_again_and_tells_the_end(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill: the first monitor's tasks end without a word to anybody."""
    monkeypatch.setattr(dispatcher, "LEASE", timedelta(seconds=3))
    first, second = RecordingNotifier(), RecordingNotifier()
    async with watching(disk, ops=first):
        fill(disk / "ballast")
        await eventually(lambda: types(first) == [LOST])
        note = disk / "lastseen.db.emergency"
        await eventually(lambda: json.loads(note.read_bytes()))
        left = note.read_bytes()
    note.write_bytes(left)
    (disk / "ballast").unlink()
    async with watching(disk, ops=second):
        await eventually(lambda: types(second) == [RESTORED])
        await eventually(lambda: json.loads(note.read_bytes()) is None)
    assert rows(disk, EVENTS) == [(LOST, "alert"), (RESTORED, "info")]


@pytest.mark.parametrize("told_before", [False, True])
async def test_a_process_that_cannot_begin_tells_those_whom_nobody_has_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_before: bool
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.2)
    monkeypatch.setattr(emergency, "AFTER", timedelta(0))
    ops, hanging = RecordingNotifier(), Hanging()
    monkeypatch.setattr(emergency, "LAST_WORDS", 1.0)
    async with watching(tmp_path, ops=ops, stuck=hanging):
        pass
    await cannot_begin(tmp_path, times=1 + told_before, ops=ops, stuck=hanging)
    assert types(ops) == [LOST]
    async with watching(tmp_path, ops=ops):
        await eventually(lambda: types(ops) == [LOST, RESTORED])


async def test_a_process_that_cannot_begin_and_cannot_note_what_it_says_does_not_say_it_with_each_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.2)
    monkeypatch.setattr(emergency, "AFTER", timedelta(0))
    ops = RecordingNotifier()
    async with watching(tmp_path, ops=ops):
        pass
    note = tmp_path / "lastseen.db.emergency"
    note.unlink()
    note.mkdir()
    await cannot_begin(tmp_path, times=3, ops=ops)
    assert types(ops) == []


async def test_a_channel_that_is_told_only_after_the_end_hears_of_the_end_and_nothing_is_left_in_the_note(
    disk: Path,
) -> None:
    ops, late = RecordingNotifier(), Late()
    note = disk / "lastseen.db.emergency"
    async with watching(disk, ops=ops, late=late):
        fill(disk / "ballast")
        await eventually(lambda: types(ops) == [LOST] and late.asked.is_set())
        (disk / "ballast").unlink()
        await eventually(lambda: types(ops) == [LOST, RESTORED])
        await eventually(lambda: json.loads(note.read_bytes()) is None)
        late.may.set()
        await eventually(lambda: late.told == [LOST, RESTORED])
    assert json.loads(note.read_bytes()) is None
