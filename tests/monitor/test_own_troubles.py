"""lastseen's own troubles: told once, by whichever process, and their end to those who were told."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Preferences, Said, Silence
from lastseen.model.wishes import Matcher
from lastseen.monitor import troubles
from lastseen.monitor.disk_room import GB, MB, Room
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.troubles import OwnTroubles
from lastseen.testing import FakeClock, RecordingNotifier
from tests.disk import small_disk
from tests.monitor.cases import Hands, scene
from tests.scenarios.harness import rows
from tests.support import eventually

EVENTS = "SELECT type FROM events WHERE type LIKE 'system.%' ORDER BY id"
TOLD = "SELECT type, state FROM notifications JOIN events ON events.id = event_id WHERE type LIKE 'system.%' ORDER BY 1"
LOW, OK = ("system.disk_low",), ("system.disk_ok",)


def types(told: RecordingNotifier) -> list[str]:
    return [event.type for message in told.messages for event in message.events]


# -- the disk


@pytest.mark.parametrize(
    ("total", "low", "room"),
    [
        (10**12, 4.9 * GB, 5.1 * GB),  # 5 % were 50 GB
        (32 * GB, 1.5 * GB, 1.7 * GB),
        (8 * GB, 499 * MB, 501 * MB),
        (1 * GB, 199 * MB, 201 * MB),
        (8 * MB, 1.5 * MB, 1.7 * MB),
    ],
)
def test_what_is_little_room(total: float, low: float, room: float) -> None:
    assert Room(int(low), int(total)).low(before=False)
    assert not Room(int(room), int(total)).low(before=False)
    assert Room(int(room), int(total)).low(before=True), "half as much again ends it"
    assert not Room(int(room * 1.5), int(total)).low(before=True)


@given(st.integers(0, 10**14), st.floats(0, 1))
def test_a_disk_that_is_low_stays_low_until_there_is_more_room_than_began_it(total: int, share: float) -> None:
    disk = Room(int(total * share), total)
    assert disk.low(before=True) or not disk.low(before=False)
    assert not Room(total, total).low(before=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(troubles, "EVERY", 0.1)
    monkeypatch.setattr(troubles, "FIRST", 0.0)
    with small_disk(tmp_path / "disk", "16m") as folder:
        yield folder


def take(disk: Path) -> None:
    """All of it but what is little."""
    (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 2 * MB))


async def test_a_disk_that_fills_is_told_once_also_by_two_processes_and_over_a_restart_and_so_is_its_end(
    disk: Path,
) -> None:
    first, second, url = RecordingNotifier(), RecordingNotifier(), f"sqlite:///{disk}/lastseen.db"
    async with HeartbeatMonitor(url, notify={"ops": first}, check_interval="100ms") as one:
        await one.heartbeat("db-01")
        take(disk)
        async with HeartbeatMonitor(url, notify={"ops": first}, check_interval="100ms") as two:
            await eventually(lambda: types(first) == ["system.disk_low"])
            for monitor in (one, two):
                own = monitor._loops._alarms.own
                await eventually(lambda own=own: own._disk.begun)  # type: ignore[misc]
        assert first.messages[0].title.startswith("⚠️ Disk almost full: ")
    async with HeartbeatMonitor(url, notify={"ops": second}, check_interval="100ms") as three:
        own = three._loops._alarms.own
        await eventually(lambda: own._disk.begun)
        assert types(second) == []
        (disk / "ballast").unlink()
        await eventually(lambda: types(second) == ["system.disk_ok"])
        take(disk)
        await eventually(lambda: types(second) == ["system.disk_ok", "system.disk_low"])
    assert types(first) == ["system.disk_low"]
    assert rows(disk, EVENTS) == [LOW, OK, LOW]


async def test_the_end_is_told_to_those_who_were_told_of_the_beginning(disk: Path) -> None:
    ops, machines, url = RecordingNotifier(), RecordingNotifier(), f"sqlite:///{disk}/lastseen.db"
    async with HeartbeatMonitor(url) as monitor:
        store: Any = monitor.store
        channel = await store.code_channel("machines", "machines", monitor.clock.now())
        await store.prefer(channel.uid, Preferences(events=("machine.*",)), None, monitor.clock.now())
    async with HeartbeatMonitor(url, notify={"ops": ops, "machines": machines}, check_interval="100ms"):
        take(disk)
        await eventually(lambda: types(ops) == ["system.disk_low"])
        (disk / "ballast").unlink()
        await eventually(lambda: types(ops) == ["system.disk_low", "system.disk_ok"])
    assert types(machines) == []
    assert [row for row in rows(disk, TOLD) if row[1] == "skipped"] == [(LOW[0], "skipped"), (OK[0], "skipped")]


async def test_two_processes_that_look_at_the_same_moment_agree_whatever_their_order(tmp_path: Path) -> None:
    """Each of six looks, all at once, by processes that know nothing of each other."""
    clock = Hands().clock()
    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db", notify={"ops": RecordingNotifier()}) as monitor:
        looks = [OwnTroubles(monitor.store, clock, monitor.rules) for _ in range(6)]
        for bad in (True, True, False, True, False, False, True):
            for own in looks:
                await own._recall(own._disk)
            await asyncio.gather(*(own._turn(own._disk, bad) for own in looks))
            assert len({(own._disk.begun is not None) for own in looks}) == 1
        late = OwnTroubles(monitor.store, clock, monitor.rules)
        await late._recall(late._disk)
        assert await late._turn(late._disk, True) == []
    assert rows(tmp_path / "x.db", EVENTS) == [LOW, OK, LOW, OK, LOW]


async def test_a_process_that_slept_through_an_end_does_not_keep_the_next_beginning_to_itself(tmp_path: Path) -> None:
    clock = Hands().clock()
    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db") as monitor:
        one, two = (OwnTroubles(monitor.store, clock, monitor.rules) for _ in range(2))
        for own in (one, two):
            await own._recall(own._disk)
        await one._turn(one._disk, True)
        await one._turn(one._disk, False)
        assert [event.type for event in await two._turn(two._disk, True)] == ["system.disk_low"]


async def test_a_kill_between_the_event_and_the_note_of_it_tells_nobody_twice(tmp_path: Path) -> None:
    clock = Hands().clock()
    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db") as monitor:
        one, two = (OwnTroubles(monitor.store, clock, monitor.rules) for _ in range(2))
        keep = monitor.store.keep_note  # type: ignore[attr-defined]

        async def killed(*_: Any) -> None:
            raise StoreUnavailable("killed")

        for bad in (True, False):
            monitor.store.keep_note = killed  # type: ignore[attr-defined]
            await one._recall(one._disk)
            with pytest.raises(StoreUnavailable):
                await one._turn(one._disk, bad)
            monitor.store.keep_note = keep  # type: ignore[attr-defined]
            await two._recall(two._disk)
            assert await two._turn(two._disk, bad) == []
            assert (two._disk.begun is not None) is bad
            one = OwnTroubles(monitor.store, clock, monitor.rules)
    assert rows(tmp_path / "x.db", EVENTS) == [LOW, OK]


# -- machines that were never heard


async def test_a_machine_that_never_reported_is_told_once_and_silently(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        for name, more in MACHINES.items():
            await s.monitor.watch(name, **more)
        await s.monitor.pause("paused")
        await s.beat("heard")
        await s.monitor.watch("heard", offline_after="never")
        await clock.advance("23h")
        await s.monitor.sweep()
        assert types(told) == []
        await clock.advance("1h")
        await s.monitor.sweep()
        await clock.advance("1m")
        assert sorted(names(told)) == ["nas", "new-job"]
        assert not any(message.loud for message in told.messages)
        await clock.advance("7d")
        await s.monitor.sweep()
        await clock.advance("1m")
        assert sorted(names(told)) == ["nas", "new-job", "weekly"]
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        await clock.advance("2h")
        await s.monitor.sweep()
        await clock.advance("1m")
        assert sorted(names(told)) == ["nas", "new-job", "weekly"], "nor after a restart"


MACHINES: dict[str, dict[str, Any]] = {
    "nas": {},
    "weekly": {"offline_after": "7d"},
    "presence": {"offline_after": "never"},
    "new-job": {"kind": "job", "schedule": "0 3 * * *"},
    "paused": {},
    "heard": {},
}


def names(told: RecordingNotifier) -> list[str]:
    return [str(message.machine and message.machine["name"]) for message in told.messages]


async def test_what_a_channel_hears_of_machines_counts_for_those_that_never_reported(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        store: Any = s.monitor.store
        (channel,) = await store.channels()
        await store.prefer(channel.uid, Preferences(machines=Matcher(tags=("home",))), None, clock.now())
        await s.monitor.watch("nas", tags=["home"])
        await s.monitor.watch("web", tags=["work"])
        s.monitor.dispatcher.reload()
        await clock.advance("25h")
        await s.monitor.sweep()
        await clock.advance("1m")
        assert names(told) == ["nas"]


async def test_that_a_machine_never_reported_is_in_its_own_history_and_silences_of_it_count(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        store: Any = s.monitor.store
        (channel,) = await store.channels()
        await store.prefer(channel.uid, Preferences(repeat_every=3600), None, clock.now())
        await s.monitor.watch("nas")
        await s.monitor.watch("rack-1", group="rack")
        span = clock.now() + timedelta(hours=30)
        await store.add_silence(Silence("moving", clock.now(), span, Matcher(groups=("rack",))), clock.now())
        s.monitor.dispatcher.reload()
        await clock.advance("25h")
        await s.monitor.sweep()
        await clock.advance("1m")
        assert names(told) == ["nas"]
        never, added = await store.events("nas")
        assert (never["type"], added["type"]) == ("system.machine_never_reported", "machine.registered")
        assert (never["machine"], never["machine_id"], never["status"]) == ("nas", added["machine_id"], "provisioning")
        now = clock.now()
        facts = await store.account("nas", now, now, now)
        assert [event.type for event in facts.events] == ["machine.registered", "system.machine_never_reported"]
        assert [row.state for row in facts.told if row.event == facts.events[-1].uid] == ["delivered"]
        assert [event.seq for event in facts.events] == [1, 2]
        await s.beat("nas")
        await clock.advance("2d")
        unheard = [m for m in told.messages if m.events[0].type == "system.machine_never_reported"]
        assert [m.machine["name"] for m in unheard] == ["nas", "rack-1"], (
            "each once, the other when the silence was over"
        )
        assert [event["type"] for event in await store.events("nas")][:2] == ["machine.offline", "machine.online"]


async def test_a_machine_that_is_heard_in_the_moment_is_not_said_to_be_unheard(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        await s.monitor.watch("nas")
        await s.monitor.watch("gone")
        own, store = OwnTroubles(s.monitor.store, clock, s.monitor.rules), s.monitor.store
        machine, gone = [(await s.monitor.status(name)).id for name in ("nas", "gone")]
        await s.monitor.forget("gone")
        now = clock.now() + timedelta(hours=25)
        await store.record([Beat("nas", now, Said.ERROR, body='{"message": "stuck"}')], now)
        found = await own._say_unheard(machine, now)
        assert [event.type for event in found] == ["machine.error"], "and what it said is not lost"
        assert await own._say_unheard(gone, now) == ()


async def test_many_machines_that_never_reported_are_each_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "PAGE", 7)
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        for number in range(30):
            await s.monitor.watch(f"m{number}")
        for _ in range(3):
            await clock.advance("25h")
            for _ in range(5):
                await s.monitor.sweep()
        await clock.advance("1m")
        assert sorted(names(told)) == sorted(f"m{number}" for number in range(30))


async def test_however_many_were_never_heard_a_turn_looks_at_a_few_and_an_hour_at_none_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with scene("sqlite", tmp_path, clock=clock) as s:
        for number in range(troubles.PAGE * 2 + 1):
            await s.monitor.watch(f"m{number:02}")
        own, store, read = OwnTroubles(s.monitor.store, clock, s.monitor.rules), s.monitor.store, list[int]()
        never_reported = store.never_reported  # type: ignore[attr-defined]

        async def counted(*asked: Any) -> Any:
            page = await never_reported(*asked)
            read.append(len(page))
            return page

        store.never_reported = counted  # type: ignore[attr-defined]
        own._clock = later = FakeClock(clock.now() + timedelta(hours=25))
        own._next_unheard = own._next_whole = later.monotonic()
        assert [len(await own.look()) for _ in range(4)] == [troubles.PAGE, troubles.PAGE, 1, 0]
        assert read == [troubles.PAGE, troubles.PAGE, 1], "the fourth turn has nothing to do"
        await later.advance("1h")
        assert await own.look() == []
        assert read[3:] == [0], "who was told is not read again"
        await later.advance("1d")
        assert [len(await own.look()) for _ in range(3)] == [0, 0, 0]
        assert read[4:] == [troubles.PAGE, troubles.PAGE, 1], "once a day everybody is"


async def test_looking_for_machines_that_were_never_heard_holds_up_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "FIRST_UNHEARD", 0.0)
    told, asked = RecordingNotifier(), asyncio.Event()
    url = f"sqlite:///{tmp_path}/x.db"
    async with HeartbeatMonitor(url, notify={"ops": told}, check_interval="100ms", offline_after="1s") as monitor:

        async def hanging(*_: Any) -> Any:
            asked.set()
            await asyncio.Event().wait()

        monitor.store.never_reported = hanging  # type: ignore[attr-defined]
        await asyncio.wait_for(asked.wait(), 60)
        await monitor.heartbeat("db-01")
        await eventually(lambda: types(told) == ["machine.offline"])


# -- nobody to tell


async def test_nobody_to_tell_is_in_the_log_and_the_history_and_nobody_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock()
    async with scene("sqlite", tmp_path, clock=clock, notify={}) as s:
        await clock.advance("5m")
        await s.monitor.sweep()
        assert "nobody_to_tell" not in capsys.readouterr().out, "there is nothing to tell of either"
        await s.beat("db-01")
        for _ in range(50):
            await clock.advance("1h")
            await s.monitor.sweep()
        assert capsys.readouterr().out.count("nobody_to_tell") == 3
        own = s.monitor._loops._alarms.own
        assert own.nobody_since is not None
        store: Any = s.monitor.store
        channel = await store.code_channel("ops", "ops", clock.now())
        await clock.advance("1h")
        await s.monitor.sweep()
        assert own.nobody_since is None
        await store.switch_channel(channel.uid, False, None, clock.now())
        await clock.advance("1h")
        await s.monitor.sweep()
        assert own.nobody_since is not None
    found = [row for row in rows(tmp_path, EVENTS) if "channel" in row[0]]
    assert found == [("system.no_channel",), ("system.channel_back",), ("system.no_channel",)]
    told = [row for row in rows(tmp_path, TOLD) if "channel" in row[0]]
    assert {state for _, state in told} == {"skipped"}


# -- what goes wrong while it is looked


async def test_a_store_that_cannot_say_stops_no_sweep(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        asked = 0

        async def broken(*_: Any) -> Any:
            nonlocal asked
            asked += 1
            raise RuntimeError("a bug of a plugin's")

        s.monitor.store.channels = s.monitor.store.never_reported = broken  # type: ignore[attr-defined]
        await s.beat("db-01")
        await clock.advance("1h")
        await s.monitor.sweep()
        assert asked
        assert types(told) == ["machine.offline"]
