"""The only file that reads a clock.

Two kinds of time are kept apart. *Store time* (`Clock.now`) is what is written down and what thresholds are compared
with: it never goes back, or a machine heard "in the future" would stay unwatched until the wall clock caught up.
*Wall time* (`Clock.wall`) is what the computer says now: outside parties check it (a webhook's timestamp), nothing here
decides by it. A wall clock that jumps ahead is followed at once and reported as a step, so that the jump is not held
against anybody; one that jumps back is approached slowly, by running 10 % slow until both agree.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import anyio


@lru_cache(maxsize=1024)
def rfc3339(moment: datetime | None) -> str | None:
    """`2025-10-10T16:32:00Z`, with microseconds only where there are some."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


STEP = timedelta(seconds=2)
"""A difference between wall and monotonic time larger than this is a step, not drift."""

PROMPT = 0.25
"""Seconds in which somebody else's clock must answer to be believed."""

AT_ONCE = 0.01
"""Seconds between two readings of clocks that count as one moment."""

READINGS = 10
"""How often that is tried."""

SLOW = 0.9
"""Speed of store time while the wall clock is behind it: one hour is made good in ten."""


@dataclass(frozen=True, slots=True)
class Step:
    """Store time went from `before` to `after` at once, or (`behind`) the wall clock fell back by that much."""

    before: datetime
    after: datetime
    behind: timedelta = timedelta(0)


class Clock(Protocol):
    """Where time comes from; tests give a FakeClock."""

    virtual: bool
    """True when time passes only by being told to: nothing may then wait in real time."""

    def now(self) -> datetime:
        """Store time, aware UTC. Never goes back."""

    def wall(self) -> datetime:
        """What the computer's clock says, aware UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; for measuring."""

    def measure(self) -> Step | None:
        """Compare wall and monotonic time; the step if there was one since the last call."""

    def start_at(self, earliest: datetime) -> None:
        """Store time is at least this: the newest time that the store has seen."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""


class SystemClock:
    """The computer's clocks, joined so that store time never goes back."""

    virtual = False

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._ahead: float | None = None
        self._mono, self._store = self._both()
        self._speed = 1.0
        self._fell_back = False
        self._apart = self._store - self._mono

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC)

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)

    def monotonic(self) -> float:
        return self._monotonic()

    def follow(self, theirs: datetime, asked: float, answered: float) -> None:
        """From now on store time goes by a clock that others share, carried by ours: `theirs` was said at some moment
        between `asked` and `answered`, of `monotonic()`. An answer that took long says little (what cannot be, all the
        same), unless it is the first, which is asked for before anything is done by this clock: then store time begins
        there.
        """
        first, said = self._ahead is None, theirs.timestamp()
        self._apart = self._wall() - self._monotonic()
        if self._ahead is None or answered - asked <= PROMPT:
            self._ahead = said - (asked + answered) / 2
        else:
            self._ahead = min(max(self._ahead, said - answered), said - asked)
        if first:
            self._mono, self._store = self._both()
            self._speed = 1.0

    @property
    def jumped(self) -> bool:
        """Whether the computer's clock did since `follow`: its monotonic one may have stood still, and ours with it."""
        return abs(self._wall() - self._monotonic() - self._apart) > STEP.total_seconds()

    def _truth(self) -> float:
        return self._wall() if self._ahead is None else self._monotonic() + self._ahead

    def _seconds(self) -> float:
        return self._at(self._monotonic())

    def _at(self, mono: float) -> float:
        return self._store + (mono - self._mono) * self._speed

    def _both(self) -> tuple[float, float]:
        """The monotonic clock and the true time at one moment. A process may be stopped between two readings: that is
        no step of a clock."""
        for _ in range(READINGS):
            mono, truth = self._monotonic(), self._truth()
            if self._monotonic() - mono <= AT_ONCE:
                break
        return mono, truth

    def told(self) -> datetime:
        return datetime.fromtimestamp(self._truth(), UTC)

    def measure(self) -> Step | None:
        mono, wall = self._both()
        before = self._at(mono)
        ahead = before - wall  # > 0: the wall clock is behind store time
        self._mono = mono
        self._store = max(before, wall)
        self._speed = SLOW if ahead > 0 else 1.0
        fell_back, self._fell_back = self._fell_back, ahead > STEP.total_seconds()
        if -ahead > STEP.total_seconds():
            return Step(datetime.fromtimestamp(before, UTC), datetime.fromtimestamp(self._store, UTC))
        if self._fell_back and not fell_back:
            moment = datetime.fromtimestamp(before, UTC)
            return Step(moment, moment, timedelta(seconds=ahead))
        return None

    def start_at(self, earliest: datetime) -> None:
        self._store = max(self._seconds(), earliest.timestamp())
        self._mono = self._monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))


def told_time(clock: Clock) -> datetime:
    """The time that is told to others outside, who compare it with their own: that of the clock which store time goes
    by, without what is made up for after a step. Where that is a database's, the computer's may be wrong by hours."""
    return clock.told() if isinstance(clock, SystemClock) else clock.wall()


def rest(seconds: float) -> None:
    """Let a thread do nothing for so long. By select and not by time.sleep, which counts to a moment of the clock and
    fails where that clock is tampered with: a thread must not die of it."""
    select.select((), (), (), seconds)


async def wait_or(event: anyio.Event, seconds: float | None, clock: Clock) -> None:
    """Return when the event is set, or after so many seconds of the clock (None: never by time)."""
    if seconds is None:
        await event.wait()
        return

    async def ring() -> None:
        await clock.sleep(seconds)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(ring)
        await event.wait()
        group.cancel_scope.cancel()
