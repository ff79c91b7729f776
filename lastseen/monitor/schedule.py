"""What wakes the monitor. The only file that imports APScheduler.

Deadlines live in the store, never in jobs: a job only says "look now". Two of them: an interval job, the safety net,
and a date job at the smallest `check_at`, for promptness. Both are set again after a step of the wall clock, because
APScheduler lives by the wall clock: an hour back would silence it for an hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import anyio
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from lastseen import counters
from lastseen.clock import STEP, Clock, wait_or
from lastseen.log import get_logger

SPACING = 0.05
"""Seconds between two wake-ups by deadline, at least: a thousand deadlines in a second are ten looks."""

_WHAT = {EVENT_JOB_ERROR: "error", EVENT_JOB_MAX_INSTANCES: "overlapping", EVENT_JOB_MISSED: "missed"}
_log = get_logger()


class Schedule(Protocol):
    """Says when to look."""

    def start(self) -> None: ...

    async def wait(self) -> None:
        """Return when it is time to look."""

    def wake(self) -> None:
        """It is time now."""

    def look_at(self, moment: datetime | None) -> None:
        """It will be time at this moment of the clock's `now`; None: only by the interval."""

    def tick(self) -> None:
        """Asked often: is the alarm clock right?"""

    def clock_stepped(self) -> None:
        """The wall clock jumped: set the alarms again."""

    def stop(self) -> None: ...


class Every(BaseTrigger):  # type: ignore[misc]  # APScheduler is untyped
    """An interval that never names a time in the past: APScheduler's own, after a jump of 30 days, makes up for every
    missed moment one by one."""

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now + self.interval


class WallSchedule:
    """By APScheduler 3.11's AsyncIOScheduler: the given one, or its own."""

    def __init__(self, clock: Clock, interval: timedelta, scheduler: AsyncIOScheduler | None = None) -> None:
        self._clock, self._interval = clock, interval
        self._own = scheduler is None
        self._scheduler: Any = scheduler or AsyncIOScheduler(timezone=UTC)
        self._event = anyio.Event()
        self._next: datetime | None = None
        self._woke = float("-inf")
        self._told = self._between()
        self._ids = (f"lastseen-{id(self)}-interval", f"lastseen-{id(self)}-next")

    def start(self) -> None:
        self._scheduler.add_listener(self._complain, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        if not self._scheduler.running:
            self._scheduler.start()
        self._set_interval()

    def _set_interval(self) -> None:
        self._add(Every(self._interval), self._ids[0])

    def _add(self, trigger: Any, job_id: str) -> None:
        self._scheduler.add_job(
            self._fire,
            trigger,
            id=job_id,
            replace_existing=True,
            misfire_grace_time=None,  # the default of 1 s drops a late sweep in silence
            coalesce=True,
            max_instances=1,
            **({} if isinstance(trigger, BaseTrigger) else {"run_date": self._run_date()}),
        )

    async def _fire(self) -> None:
        """A coroutine, or APScheduler would run it in a thread. It only wakes: a date job that armed itself again
        under its own id here would vanish."""
        self.wake()

    def _run_date(self) -> datetime:
        """In wall time, spaced from the last wake-up."""
        assert self._next is not None  # noqa: S101  (look_at is the only caller)
        ahead = (self._next - self._clock.now()).total_seconds()
        spaced = self._woke + SPACING - self._clock.monotonic()
        return self._clock.wall() + timedelta(seconds=max(ahead, spaced, 0.0))

    def _complain(self, event: Any) -> None:
        if event.job_id in self._ids:
            _log.warning("wake_missed", job=event.job_id.rsplit("-", 1)[1], what=_WHAT[event.code])
            counters.WAKES_MISSED.inc(_WHAT[event.code])
            self.wake()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = anyio.Event()
        self._woke = self._clock.monotonic()

    def wake(self) -> None:
        self._event.set()

    def look_at(self, moment: datetime | None) -> None:
        if moment == self._next and self._scheduler.get_job(self._ids[1]) is not None:
            return
        self._set_next(moment)

    def _set_next(self, moment: datetime | None) -> None:
        self._next = moment
        if moment is not None:
            self._add("date", self._ids[1])
        elif self._scheduler.get_job(self._ids[1]) is not None:
            self._scheduler.remove_job(self._ids[1])

    def tick(self) -> None:
        """Often. APScheduler goes by the computer's wall clock, which may step while store time goes by another."""
        between = self._between()
        if abs(between - self._told) > STEP.total_seconds():
            self.clock_stepped()

    def _between(self) -> float:
        return self._clock.wall().timestamp() - self._clock.monotonic()

    def clock_stepped(self) -> None:
        self._told = self._between()
        self._set_interval()
        self._set_next(self._next)

    def stop(self) -> None:
        self._scheduler.remove_listener(self._complain)
        for job_id in self._ids:
            if self._scheduler.get_job(job_id) is not None:
                self._scheduler.remove_job(job_id)
        if self._own and self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class VirtualSchedule:
    """For a clock whose time passes only by being told to: no interval is needed, nothing else writes the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = anyio.Event()
        self._next: datetime | None = None

    def start(self) -> None:
        """Nothing to start."""

    async def wait(self) -> None:
        ahead = None if self._next is None else max(0.0, (self._next - self._clock.now()).total_seconds())
        await wait_or(self._event, ahead, self._clock)
        self._event = anyio.Event()

    def wake(self) -> None:
        self._event.set()

    def look_at(self, moment: datetime | None) -> None:
        self._next = moment

    def tick(self) -> None:
        """There is no other clock."""

    def clock_stepped(self) -> None:
        self.wake()

    def stop(self) -> None:
        """Nothing to stop."""


def make_schedule(clock: Clock, interval: timedelta, scheduler: AsyncIOScheduler | None) -> Schedule:
    return VirtualSchedule(clock) if clock.virtual else WallSchedule(clock, interval, scheduler)
