"""Whoever could not have been heard is not blamed: stops, stalls, lost stores, clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import BlindPeriod, BlindReason
from lastseen.monitor.blindness import OWN
from lastseen.protocols import History
from lastseen.testing import FakeClock
from tests.monitor.cases import Hands, scene
from tests.monitor.marks import Marks, listening


def seconds(period: BlindPeriod) -> float:
    assert period.ended_at is not None
    return (period.ended_at - period.started_at).total_seconds()


async def test_the_first_start_ever_is_not_blind() -> None:
    marks = Marks()
    await listening(marks, Hands())
    assert marks.blind == []
    assert marks.newest is not None


async def test_the_time_nobody_ran_is_blind() -> None:
    marks, hands = Marks(), Hands()
    await listening(marks, hands)
    hands.pass_(3600)
    await listening(marks, hands)
    assert [(p.reason, round(seconds(p))) for p in marks.blind] == [(BlindReason.STOPPED, 3600)]


async def test_steady_looks_find_nothing_and_move_the_mark() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    for _ in range(40):
        hands.pass_(0.5)
        assert not (await listener.look()).stepped
    assert marks.blind == []
    assert marks.newest is not None
    assert hands.wall - marks.newest.timestamp() <= 5.5


async def test_a_process_that_was_stopped_for_a_while_was_deaf() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    hands.pass_(0.5)
    await listener.look()
    hands.pass_(45)
    look = await listener.look()
    assert [(p.reason, seconds(p)) for p in marks.blind] == [(BlindReason.STALLED, 45)]
    assert look.now == marks.blind[0].ended_at


@pytest.mark.parametrize("first", ["look", "message"])
async def test_a_way_in_knows_of_a_stop_and_since_when_whoever_notices_it(first: str) -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    ear = listener.ears[OWN]
    stops: list[datetime | None] = []
    ear.stood_still = lambda: stops.append(ear.said_since)
    hands.pass_(0.5)
    listener.received()
    stopped = (await listener.look()).now
    assert (stops, ear.said_since) == ([], None)
    hands.pass_(45)
    if first == "message":
        listener.received()
        assert stops == [stopped]
    await listener.look()
    assert stops == [stopped]
    listener.lost(ear)
    assert ear.said_since == stopped
    hands.pass_(1)
    listener.regained(ear)
    assert ear.said_since is None


async def test_a_suspended_computer_looks_like_a_clock_that_jumped() -> None:
    """CLOCK_MONOTONIC stands still meanwhile."""
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    hands.pass_(0.5)
    await listener.look()
    hands.wall += 7200
    hands.pass_(0.1)
    assert (await listener.look()).stepped
    assert [(p.reason, round(seconds(p))) for p in marks.blind] == [(BlindReason.CLOCK, 7200)]


async def test_a_store_that_could_not_be_written_is_blind_time_once_it_can() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    marks.broken = True
    for _ in range(120):
        hands.pass_(0.5)
        try:
            await listener.look()
        except StoreUnavailable:
            listener.store_failed()
    marks.broken = False
    hands.pass_(0.5)
    await listener.look()
    assert [p.reason for p in marks.blind] == [BlindReason.STORE]
    assert seconds(marks.blind[0]) == pytest.approx(60.5, abs=0.6)


async def test_what_was_missed_is_written_before_anything_is_decided() -> None:
    marks, hands = Marks(), Hands()
    listener = await listening(marks, hands)
    hands.pass_(45)
    marks.broken = True
    with pytest.raises(StoreUnavailable):
        await listener.look()
    marks.broken = False
    await listener.look()
    assert [p.reason for p in marks.blind] == [BlindReason.STALLED]


# --- with a monitor, over a real file ------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0.01, 1, 24, 24 * 60])
async def test_a_restart_after_any_downtime_raises_no_false_alarm(tmp_path: Path, hours: float) -> None:
    clock = FakeClock()
    async with scene("sqlite", tmp_path, clock=clock) as s:
        await s.beat("alive", "dead")
        await s.clock.advance("2m")
    later = FakeClock(clock.now() + timedelta(hours=hours))
    async with scene("sqlite", tmp_path, clock=later) as s:
        await s.clock.advance("2m")
        await s.beat("alive")
        await s.clock.advance("2m")
        assert [word for word in s.types if "machine" in word] == ["machine.offline dead"]


async def test_a_long_stop_is_told_afterwards_in_one_silent_message(tmp_path: Path) -> None:
    clock = FakeClock()
    async with scene("sqlite", tmp_path, clock=clock) as s:
        await s.beat("alive", "dead")
        await s.clock.advance("2m")
    later = FakeClock(clock.now() + timedelta(hours=1))
    async with scene("sqlite", tmp_path, clock=later) as s:
        await s.clock.advance("30s")
        await s.beat("alive")
        await s.clock.advance("59s")
        assert s.types == []
        await s.clock.advance("1s")
        [message] = s.told.messages
        assert (message.event.type, message.event.reason, message.loud) == ("source.restored", "stopped", False)
        assert message.text.splitlines()[1:] == [
            "I was not running. 2 machines were held.",
            "1 of 2 heard again. Waiting for: dead",
            "No outage is counted.",
        ]
        assert isinstance(s.monitor.store, History)
        rows = {row["type"]: row for row in await s.monitor.store.events()}
        assert rows["source.restored"]["incident_id"] == rows["source.blind"]["id"]
        reasons = {
            row["reason"]
            for row in await s.monitor.store.notifications()
            if row["event_id"] == rows["source.blind"]["id"]
        }
        assert reasons == {"it was over before it was told"}
    async with scene("sqlite", tmp_path, clock=FakeClock(later.now())) as s:
        await s.clock.advance("2m")
        assert [word for word in s.types if "source" in word] == [], "told once"


async def test_a_pi_that_boots_in_the_past_and_jumps_four_hours_raises_no_false_alarm(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
    async with scene("sqlite", tmp_path, clock=clock) as s:
        await s.beat("alive", "dead")
        await s.clock.advance("1m")
    booted = FakeClock(datetime(2026, 6, 1, 9, 0, tzinfo=UTC))
    async with scene("sqlite", tmp_path, clock=booted) as s:
        await s.clock.advance("30s")
        s.clock.jump("4h")
        await s.monitor.sweep()
        await s.clock.advance("150s")
        await s.beat("alive")
        await s.clock.advance("1m")
        assert [word for word in s.types if "machine" in word] == ["machine.offline dead"]
        assert (await s.monitor.status("alive")).last_seen is not None


async def test_a_crash_between_a_heartbeat_and_its_recovery_loses_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    async with scene("sqlite", tmp_path, clock=clock) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        assert s.types == ["machine.offline pump"]
        store, now = s.monitor.store, s.clock.now()

        async def crash(*_: object, **__: object) -> None:
            raise StoreUnavailable("the process dies here")

        store.settle = crash  # type: ignore[method-assign]
        await s.beat("pump")
    async with scene("sqlite", tmp_path, clock=FakeClock(now + timedelta(seconds=1))) as s:
        await s.clock.advance("1s")
        assert s.types == ["machine.online pump"]
