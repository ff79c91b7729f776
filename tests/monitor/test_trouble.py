"""What may go wrong around the loops, and must not stop them: stores, plugins, other processes, clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.clock import SystemClock, rfc3339
from lastseen.errors import StoreUnavailable
from lastseen.model import (
    HTTP_SOURCE,
    Attempt,
    Beat,
    BlindReason,
    Message,
    NotificationState,
    Retry,
    Said,
    code_channel_uid,
)
from lastseen.model.directory import Leaf
from lastseen.monitor.blindness import Listener
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage.fold import EXPIRED
from lastseen.storage.memory import MemoryStore
from lastseen.testing import FakeClock, RecordingNotifier
from lastseen.testing.script import T0, admit_all, at, lease
from lastseen.testing.suite_base import offline
from tests.monitor.cases import STORES, scene, url_of
from tests.monitor.marks import Marks, listening
from tests.monitor.test_blindness import Hands
from tests.support import eventually

both = pytest.mark.parametrize("store", STORES)


@both
async def test_a_store_that_fails_while_sends_are_in_the_air_loses_none_of_them(store: str, tmp_path: Path) -> None:
    release = asyncio.Event()
    sent: list[str] = []

    async def slow(message: Message) -> None:
        sent.append(str(message.event.machine))
        if message.event.machine == "a":
            await release.wait()

    async with scene(store, tmp_path, notify={"ops": slow}) as s:
        await s.beat("a")
        await s.clock.advance("1s")
        await s.beat("b")
        take, failures = s.monitor.store.take, [StoreUnavailable("locked")] * 3

        async def shaky(*args: Any) -> Sequence[Attempt]:
            if sent and failures:
                raise failures.pop()
            return await take(*args)

        s.monitor.store.take = shaky  # type: ignore[method-assign]
        advancing = asyncio.create_task(s.clock.advance("4m"))
        await eventually(lambda: "a" in sent)
        release.set()
        await advancing
        await s.clock.advance("2m")
        assert failures == [], "it did fail"
        assert sorted(set(sent)) == ["a", "b"]
        await s.beat("a", "b")
        await s.clock.advance("1m")
        assert sent.count("a") >= 2, "the recovery of a waits for nobody"


@both
async def test_a_heartbeat_that_waits_to_be_stored_is_not_overtaken_by_the_deadline_that_it_moves(
    store: str, tmp_path: Path
) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("2m59s")
        go_on, record = asyncio.Event(), s.monitor.store.record

        async def slow(*args: Any) -> Any:
            await go_on.wait()
            return await record(*args)

        s.monitor.store.record = slow  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(s.beat("pump"))
            await eventually(lambda: s.monitor._loops.recorder.waiting)
            s.clock.jump("2s")  # so little is no step
            found = await s.monitor.sweep()
            go_on.set()
        assert found == []
        await s.clock.advance("2m")
        assert s.types == []


async def test_what_nobody_speaks_for_any_more_expires(tmp_path: Path) -> None:
    def down(message: Message) -> None:
        raise ConnectionError("down")

    async with scene("sqlite", tmp_path, notify={"old": down}) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
    later = FakeClock(T0 + timedelta(days=200))
    async with scene("sqlite", tmp_path, clock=later) as s:
        await s.clock.advance("61s")
        s.monitor.dispatcher.wake()
        await s.clock.advance("1s")
        (row,) = await s.monitor.store.notifications(NotificationState.DEAD)  # type: ignore[attr-defined]
        assert row["reason"] == EXPIRED


async def test_a_wall_clock_set_back_between_two_starts_leaves_nothing_half_sent() -> None:
    """Of a store without leases: the token of the process that died is far ahead of our clock."""
    store, ops = MemoryStore(), code_channel_uid("ops")
    await offline(store, "pump", channels=[ops])
    token = int((T0 + timedelta(days=3650)).timestamp() * 1000)
    assert await store.take(lease([ops], token), admit_all(), at(200), 10)
    clock, told = FakeClock(at(300)), RecordingNotifier()
    async with HeartbeatMonitor(store, clock=clock, notify={"ops": told}):
        await clock.advance("2s")
        assert [event.machine for message in told.messages for event in message.events][:1] == ["pump"]


@both
@pytest.mark.parametrize(
    "answer",
    [True, object(), "fine", 204],
    ids=lambda value: type(value).__name__ if type(value) is object else repr(value),
)
async def test_a_notifier_that_answers_nonsense_did_not_raise_and_has_delivered(
    store: str, tmp_path: Path, answer: object
) -> None:
    class Odd:
        sends = 0

        async def send(self, message: Message) -> Any:
            self.sends += 1
            return answer

    odd = Odd()
    async with scene(store, tmp_path, notify={"ops": odd}) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        assert odd.sends == 1


@both
async def test_an_answer_that_no_database_can_hold_floods_nobody(store: str, tmp_path: Path) -> None:
    told = RecordingNotifier([Retry("half a character: \ud800, and \0")])
    async with scene(store, tmp_path, told=told) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        assert len(told.messages) == 2


@both
async def test_a_notifier_that_is_cancelled_from_within_is_tried_again(store: str, tmp_path: Path) -> None:
    told = RecordingNotifier()
    first = True

    async def send(message: Message) -> None:
        nonlocal first
        if first:
            first = False
            task = asyncio.create_task(asyncio.Event().wait())
            task.cancel()
            await task
        await told.send(message)

    async with scene(store, tmp_path, notify={"ops": send}) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        assert len(told.messages) == 1


async def test_a_notifier_that_could_not_be_made_is_made_later(tmp_path: Path) -> None:
    told, tries = RecordingNotifier(), 0

    def make(channel: object, secrets: object) -> RecordingNotifier:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("the network is not up yet")
        return told

    clock = FakeClock()
    monitor = HeartbeatMonitor(url_of("sqlite", tmp_path), offline_after="3m", notifier_for=make, clock=clock)
    async with monitor.opened():
        await monitor.store.add_channel("webhook", "w", {}, {}, "lane", clock.now())  # type: ignore[attr-defined]
    async with monitor:
        await monitor.heartbeat("pump")
        await clock.advance("10m")
        monitor.dispatcher.reload()
        await clock.advance("1m")
        assert len(told.messages) == 1


async def test_an_order_by_another_process_is_noticed_without_a_heartbeat(tmp_path: Path) -> None:
    """In real time: what is noticed is noticed by the tick."""
    told = RecordingNotifier()
    url = url_of("sqlite", tmp_path)
    async with HeartbeatMonitor(url, offline_after="10m", check_interval="10m", notify=told) as monitor:
        await monitor.heartbeat("pump")
        other = HeartbeatMonitor(url, offline_after="10m")
        async with other.opened():
            await other.watch("pump", offline_after="100ms")
        await eventually(lambda: bool(told.messages))
    assert told.messages[0].event.type == "machine.offline"


async def test_a_command_lives_in_the_time_of_the_store(tmp_path: Path) -> None:
    ahead = FakeClock()
    async with scene("sqlite", tmp_path, clock=ahead) as s:
        await s.beat("pump")
        await s.clock.advance("1d")
        await s.monitor.pause("pump")
        behind = FakeClock(ahead.now() - timedelta(hours=5))
        command = HeartbeatMonitor(url_of("sqlite", tmp_path), offline_after="3m", clock=behind)
        async with command.opened():
            await command.resume("pump")
        await s.clock.advance("1s")  # what is under way is told
        told = len(s.types)
        await s.clock.advance("2m")
        assert len(s.types) == told, "the full threshold from the resumption on"


async def test_nobody_is_found_silent_while_somebody_waits_to_be_heard(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        waited = 0.0
        s.monitor.here.waits(lambda: waited)
        await s.beat("pump")
        await s.clock.advance("175s")
        waited = 6.0
        await s.clock.advance("10s")
        assert s.types == []
        waited = 0.0
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"]


async def test_who_was_refused_after_waiting_is_not_blamed_for_that_time(tmp_path: Path) -> None:
    """Marks got through meanwhile."""
    async with scene("sqlite", tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("178s")
        await s.monitor.sweep()
        refused_at = s.clock.now()
        s.monitor.here.missed(8.5)
        await s.clock.advance("170s")
        assert s.types == []
        (blind,) = await s.sql.blind(HTTP_SOURCE, Leaf())
        assert (blind["reason"], blind["started_at"]) == ("store", rfc3339(refused_at - timedelta(seconds=8.5)))


async def test_a_stall_is_noticed_also_when_the_clock_falls_back_in_it() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    hands.pass_(3600)
    hands.wall -= 5
    await listener.look()
    assert [p.reason for p in marks.blind] == [BlindReason.STALLED]


async def test_a_start_behind_the_newest_mark_is_blind_time() -> None:
    marks, hands = Marks(), Hands()
    await listening(marks, hands)
    hands.wall -= 7200
    await listening(marks, hands)
    assert [p.reason for p in marks.blind] == [BlindReason.STOPPED]


async def test_a_store_that_is_slow_is_no_stalled_process() -> None:
    marks, hands = Marks(), Hands()
    listener = Listener(marks, SystemClock(lambda: hands.wall, lambda: hands.mono), "n")  # type: ignore[arg-type]
    await listener.start()
    record = marks.mark

    async def slow(*args: Any) -> None:
        for _ in range(6):
            hands.pass_(0.5)
            listener.glance()
        await record(*args)

    marks.mark = slow  # type: ignore[method-assign]
    for _ in range(10):
        hands.pass_(0.5)
        await listener.look()
    assert marks.blind == []


async def test_a_failure_during_a_mark_is_not_forgotten() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    record = marks.mark

    async def failing_beside(*args: Any) -> None:
        listener.store_failed()
        await record(*args)

    marks.mark = failing_beside  # type: ignore[method-assign]
    hands.pass_(6)
    await listener.look()
    marks.mark = record  # type: ignore[method-assign]
    hands.pass_(0.5)
    await listener.look()
    assert BlindReason.STORE in [p.reason for p in marks.blind]


async def test_a_report_that_is_nested_too_deep_to_read_stops_nobody(tmp_path: Path) -> None:
    from lastseen.storage.fold import signal_of

    for body in ("[" * 100_000, '{"message": ' + "[" * 100_000, "[]", '{"message": 7, "output": []}'):
        assert signal_of(Beat("pump", T0, Said.ERROR, body=body)).message == ""


async def test_the_first_channel_of_a_lane_leaves_something_for_the_others(tmp_path: Path) -> None:
    from lastseen.storage import open_store
    from lastseen.testing.script import admit_all, at, lease
    from lastseen.testing.suite_base import offline

    for url in ("memory:", url_of("sqlite", tmp_path)):
        store: Any = open_store(url)
        if hasattr(store, "open"):
            await store.open()
            uids = [(await store.code_channel(name, "one", at(0))).uid for name in ("a", "b")]
        else:
            uids = ["0f4ac8a1-5d3c-5c0a-9f6b-000000000001", "0f4ac8a1-5d3c-5c0a-9f6b-000000000002"]
        await offline(store, *[f"m{n}" for n in range(20)], channels=uids)
        attempts = await store.take(lease(uids), admit_all(), at(200), 10)
        assert {a.channel for a in attempts} == set(uids)
        if hasattr(store, "close"):
            await store.close()
