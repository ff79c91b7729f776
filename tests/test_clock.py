"""Store time never goes back, follows a jump ahead, and takes its time after a jump back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from lastseen.clock import SLOW, SystemClock, told_time
from lastseen.testing import FakeClock
from lastseen.testing.clock import TURNS
from tests.monitor.cases import Hands
from tests.support import pace


def seconds_ahead(clock: SystemClock) -> float:
    return (clock.now() - clock.wall()).total_seconds()


def test_a_jump_ahead_is_followed_at_once_and_reported_once() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.pass_(10)
    before = clock.now()
    hands.wall += 3600
    step = clock.measure()
    assert step is not None
    assert (step.before, step.after) == (before, before + timedelta(hours=1))
    assert abs(seconds_ahead(clock)) < 0.001
    assert clock.measure() is None


def test_a_jump_back_is_reported_once_and_made_good_slowly() -> None:
    hands = Hands()
    clock = hands.clock()
    before = clock.now()
    hands.wall -= 3600
    step = clock.measure()
    assert step is not None
    assert (step.behind, step.before) == (timedelta(hours=1), before)
    assert clock.now() >= before
    for _ in range(3600):
        hands.pass_(5)
        assert clock.measure() is None
    assert abs(seconds_ahead(clock) - (3600 - 5 * 3600 * (1 - SLOW))) < 1
    for _ in range(7200):
        hands.pass_(5)
        clock.measure()
    assert abs(seconds_ahead(clock)) < 1


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("reading", range(1, 8))
def test_a_process_that_is_stopped_between_two_readings_has_seen_no_step(reading: int, shared: bool) -> None:
    hands = Hands()
    readings = 0

    def read(clock: str) -> float:
        nonlocal readings
        readings += 1
        if readings == reading:
            hands.pass_(3.2)
        return float(getattr(hands, clock))

    clock = SystemClock(lambda: read("wall"), lambda: read("mono"))
    if shared:
        clock.follow(datetime.fromtimestamp(hands.wall, UTC), hands.mono, hands.mono)
    hands.pass_(1)
    readings = 0
    assert clock.measure() is None
    readings = 100
    assert clock.measure() is None, "it came late"
    assert abs(clock.now().timestamp() - hands.wall) < 0.001


def test_drift_is_no_step() -> None:
    hands = Hands()
    clock = hands.clock()
    for _ in range(100):
        hands.pass_(1)
        hands.wall += 0.01
        assert clock.measure() is None
    assert abs(seconds_ahead(clock)) < 0.1


def test_a_computer_that_boots_in_the_past_goes_on_from_the_newest_time_the_store_has_seen() -> None:
    hands = Hands()
    clock = hands.clock()
    newest = datetime.fromtimestamp(hands.wall, UTC) + timedelta(hours=4)
    clock.start_at(newest)
    assert clock.now() == newest
    hands.pass_(60)
    clock.measure()
    assert clock.now() > newest
    hands.wall += 5 * 3600
    step = clock.measure()
    assert step is not None
    assert abs(seconds_ahead(clock)) < 0.001


def test_a_shared_clock_is_followed_whatever_the_computers_own_says() -> None:
    hands = Hands()
    clock = hands.clock()
    theirs = clock.now() - timedelta(hours=1)
    clock.follow(theirs, clock.monotonic(), clock.monotonic())
    assert clock.now() == theirs
    assert clock.measure() is None
    hands.wall -= 7200  # the computer's clock falls back: nobody here goes by it
    hands.mono += 60
    assert clock.measure() is None
    assert clock.now() == theirs + timedelta(seconds=60)


def test_an_answer_that_took_long_does_not_move_the_clock() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.follow(clock.now(), clock.monotonic(), clock.monotonic())
    asked, said = clock.monotonic(), clock.now()
    hands.pass_(30)  # on its way back
    clock.follow(said, asked, clock.monotonic())
    before = clock.now()
    assert clock.measure() is None
    hands.pass_(1)
    assert clock.now() - before == timedelta(seconds=1)


def test_a_computer_that_slept_is_woken_by_a_shared_clock_that_always_takes_long_to_answer() -> None:
    """Its own monotonic clock stood still meanwhile. Without that it would write down everything it hears an hour too
    early, for ever."""
    hands = Hands()
    clock = hands.clock()
    clock.follow(clock.now(), clock.monotonic(), clock.monotonic())
    theirs = clock.now() + timedelta(hours=1)
    asked = clock.monotonic()
    hands.pass_(0.6)
    clock.follow(theirs, asked, clock.monotonic())
    step = clock.measure()
    assert step is not None
    assert timedelta(0) <= clock.now() - theirs <= timedelta(seconds=0.6)


def test_a_computer_that_slept_doubts_its_clock_until_it_has_asked_for_the_shared_one() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.follow(clock.now(), clock.monotonic(), clock.monotonic())
    hands.pass_(60)
    assert not clock.jumped
    hands.wall += 3600  # the monotonic clock stood still
    assert clock.jumped
    clock.follow(clock.now() + timedelta(hours=1), clock.monotonic(), clock.monotonic())
    assert not clock.jumped


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-10_000, 10_000)), max_size=30))
def test_store_time_never_goes_back_and_never_falls_behind(moves: list[tuple[float, float]]) -> None:
    hands = Hands()
    clock = hands.clock()
    last = clock.now()
    for seconds, jump in moves:
        hands.pass_(seconds)
        hands.wall += jump
        clock.measure()
        assert clock.now() >= last
        assert seconds_ahead(clock) >= -0.001
        last = clock.now()


async def test_a_task_that_wakes_ten_times_a_second_does_not_hold_up_virtual_time() -> None:
    """As a web server's tick does. anyio looks as often whether all tasks wait, and would always find it awake."""

    async def tick() -> None:
        for _ in range(3 * TURNS):
            await checkpoint()
        while True:
            await pace(0.1)

    clock = FakeClock()
    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        with anyio.fail_after(60):
            await clock.advance("1h")
        group.cancel_scope.cancel()


def test_others_are_told_the_time_of_the_clock_that_is_shared() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall -= 3600
    assert clock.measure() is not None
    assert told_time(clock) == clock.wall(), "store time is an hour ahead until it has been made up for"
    theirs = clock.wall() + timedelta(hours=5)
    clock.follow(theirs, clock.monotonic(), clock.monotonic())
    assert abs(told_time(clock) - theirs) < timedelta(seconds=1)
    fake = FakeClock()
    assert told_time(fake) == fake.wall()
