"""APScheduler goes by the computer's clock: it is set again when that steps, whatever store time goes by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lastseen.monitor.schedule import WallSchedule
from tests.monitor.cases import Hands


async def test_a_step_of_the_computers_clock_does_not_put_a_look_off() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.follow(clock.now(), clock.monotonic(), clock.monotonic())  # store time goes by another clock
    schedule = WallSchedule(clock, timedelta(seconds=30))
    schedule.start()
    try:
        schedule.look_at(clock.now() + timedelta(seconds=20))
        hands.wall -= 3600
        assert clock.measure() is None  # nobody here is told of it
        schedule.tick()
        due = {
            job.next_run_time
            for job in schedule._scheduler.get_jobs()
            if job.trigger.__class__.__name__ == "DateTrigger"
        }
        assert due == {datetime.fromtimestamp(hands.wall, UTC) + timedelta(seconds=20)}
    finally:
        schedule.stop()
