"""A store that hangs and then goes on: nobody is found silent for a time that others may still be writing down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest

from lastseen.clock import SystemClock
from lastseen.errors import UnknownMachine
from lastseen.model import Beat, Recorded
from lastseen.monitor.blindness import Look
from lastseen.monitor.hangs import HUNG, LONGEST, Hangs
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.recorder import Recorder
from lastseen.storage.memory import MemoryStore


class Times:
    """A computer's clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0
        self.clock = SystemClock(wall=lambda: self.seconds, monotonic=lambda: self.seconds)

    def hang(self, hangs: Hangs, seconds: float) -> None:
        with hangs.noticed():
            self.seconds += seconds


@pytest.fixture
def times() -> Times:
    return Times()


def test_after_a_hang_it_is_decided_for_its_beginning_until_as_long_again_has_passed(times: Times) -> None:
    hangs, began = Hangs(times.clock), times.clock.now()
    times.hang(hangs, 6.0)
    assert hangs.limit(times.clock.now()) == began
    times.seconds += 5.9
    assert hangs.limit(times.clock.now()) == began
    times.seconds += 0.2
    assert hangs.limit(times.clock.now()) == times.clock.now()


def test_what_is_merely_slow_holds_nothing_up(times: Times) -> None:
    hangs = Hangs(times.clock)
    times.hang(hangs, HUNG)
    assert hangs.limit(times.clock.now()) == times.clock.now()


@pytest.mark.parametrize("ends", ["the later one first", "the earlier one first"])
def test_two_pieces_of_work_that_hang_together_count_from_the_earlier_one(times: Times, ends: str) -> None:
    hangs, began = Hangs(times.clock), times.clock.now()
    first = hangs.noticed()
    first.__enter__()
    times.seconds += 1.5
    second = hangs.noticed()
    second.__enter__()
    times.seconds += 2.0
    for one in (second, first) if ends == "the later one first" else (first, second):
        one.__exit__(None, None, None)
    assert hangs.limit(times.clock.now()) == began


def test_a_store_that_hangs_again_and_again_is_followed_and_holds_nothing_up_for_ever(times: Times) -> None:
    hangs = Hangs(times.clock)
    for _ in range(20):
        began = times.clock.now()
        times.hang(hangs, 3.0)
        assert hangs.limit(times.clock.now()) == began
        times.seconds += 0.1
    assert times.clock.now() - hangs.limit(times.clock.now()) < timedelta(seconds=4)


def test_what_fails_is_no_hang(times: Times) -> None:
    hangs = Hangs(times.clock)

    def fails() -> None:
        with hangs.noticed():
            times.seconds += 6.0
            raise ValueError("away")

    with pytest.raises(ValueError, match="away"):
        fails()
    assert hangs.limit(times.clock.now()) == times.clock.now()


def test_a_process_that_stood_still_decides_for_the_moment_before_until_as_long_again_has_passed(times: Times) -> None:
    hangs, began = Hangs(times.clock), times.clock.now()
    times.seconds += 3.0
    hangs.stood_still(Look(times.clock.now(), False, 3.0))
    assert hangs.limit(times.clock.now()) == began
    times.seconds += 3.1
    assert hangs.limit(times.clock.now()) == times.clock.now()


def test_after_a_night_of_standing_still_there_is_no_second_night(times: Times) -> None:
    hangs = Hangs(times.clock)
    times.seconds += 8 * 3600
    hangs.stood_still(Look(times.clock.now(), False, 8 * 3600))
    times.seconds += LONGEST + 0.1
    assert hangs.limit(times.clock.now()) == times.clock.now()


async def test_a_writing_that_hung_is_noticed_by_who_waited_for_it(times: Times) -> None:
    class Slow(MemoryStore):
        async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
            times.seconds += 1.5
            return await super().record(beats, now)

    hangs, began = Hangs(times.clock), times.clock.now()
    recorder = Recorder(Slow(), times.clock, lambda: None, lambda: None, noticed=hangs.noticed)
    recorder.open()
    written = recorder.record(Beat("nobody", began))
    recorder.close()
    await recorder.run()
    with pytest.raises(UnknownMachine):
        await written
    assert hangs.limit(times.clock.now()) == began


class Hanging(MemoryStore):
    """`hang` is called when it is next asked for a deadline, which every look does."""

    hang: Callable[[], None] | None = None

    async def next_check(self) -> datetime | None:
        hang, self.hang = self.hang, None
        if hang is not None:
            hang()
        return await super().next_check()


async def test_a_watch_that_lets_others_write_first_is_not_late_and_looks_afterwards(times: Times) -> None:
    """A node that called itself late would get no heartbeats from a proxy: machines would be silent because of it."""
    store = Hanging()
    monitor = HeartbeatMonitor(store, clock=times.clock, offline_after="5s")

    def passes(seconds: int) -> None:
        for _ in range(seconds):
            times.seconds += 1
            monitor._loops._glance()  # the process itself runs on

    async with monitor.opened():
        await monitor.watch("web")
        await store.record([Beat("web", times.clock.now())], times.clock.now())
        await monitor.sweep()
        store.hang = partial(passes, 40)
        await monitor.sweep()
        passes(17)
        assert await monitor.sweep() == []
        following = monitor._loops._after(await store.next_check())
        assert following == times.clock.now() + timedelta(seconds=40 - 17)
        passes(23)
        assert [event.type for event in await monitor.sweep()] == ["machine.offline"]
