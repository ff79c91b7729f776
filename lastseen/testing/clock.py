"""A clock whose time passes only by being told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lastseen.clock import STEP, Step
from lastseen.durations import Duration, parse_duration

TURNS = 30
"""Turns that other tasks have before it is looked whether all of them wait."""

PATIENCE = 0.003
"""Seconds of real time until they have turns again: anyio's own look, ten times a second, can fall into step with a
task that wakes as often (a server's tick), which it then never sees waiting."""


class FakeClock:
    """Give it to a HeartbeatMonitor as `clock=`, then `await clock.advance("1h")`.

    `advance` goes from deadline to deadline, and at each lets everything happen that then happens: looks, commits,
    sends. It returns when time has passed and nothing is under way. `jump` steps the wall clock as an NTP client does.
    """

    virtual = True

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._stepped = timedelta(0)
        self._behind = timedelta(0)
        self._unreported: Step | None = None
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._probes: list[Callable[[], bool]] = []

    def now(self) -> datetime:
        return self._start + self._stepped + timedelta(seconds=self._elapsed)

    def wall(self) -> datetime:
        return self.now() - self._behind

    def monotonic(self) -> float:
        return self._elapsed

    def start_at(self, earliest: datetime) -> None:
        self._stepped += max(timedelta(0), earliest - self.now())

    def measure(self) -> Step | None:
        step, self._unreported = self._unreported, None
        return step

    def jump(self, by: Duration) -> None:
        """The wall clock jumps ahead (or, for a negative timedelta, back) without time passing."""
        span = by if isinstance(by, timedelta) else parse_duration(by, "by")
        before = self.now()
        if span < timedelta(0):
            self._behind -= span
            self._unreported = Step(before, before, -span)
        else:
            self._stepped += span
            if span > STEP:
                self._unreported = Step(before, self.now())

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await checkpoint()
            return
        ring = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._count), ring))
        await ring

    def attach(self, idle: Callable[[], bool]) -> Callable[[], None]:
        """`advance` waits until `idle()` says yes. Returns what takes it back."""
        self._probes.append(idle)
        return lambda: self._probes.remove(idle)

    async def advance(self, by: Duration) -> None:
        """Let so much time pass."""
        until = self._elapsed + parse_duration(by, "by").total_seconds()
        while True:
            await self.settled()
            self._drop_cancelled()
            if not self._sleepers or self._sleepers[0][0] > until:
                break
            self._elapsed = max(self._elapsed, self._sleepers[0][0])
            self._ring()
        self._elapsed = until
        await self.settled()

    async def settled(self) -> None:
        """Return when nothing is under way."""
        await self._blocked()
        while not self._idle():
            while not self._idle():  # noqa: ASYNC110  (a store may work in a thread: that is real time)
                await anyio.sleep(0.0005)
            await self._blocked()

    def _idle(self) -> bool:
        return all(probe() for probe in self._probes)

    async def _blocked(self) -> None:
        """Every task waits for something. They mostly do after some turns."""
        while True:
            for _ in range(TURNS):
                await checkpoint()
            with anyio.move_on_after(PATIENCE):
                await wait_all_tasks_blocked()
                return

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)

    def _ring(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, ring = heapq.heappop(self._sleepers)
            if not ring.done():
                ring.set_result(None)
