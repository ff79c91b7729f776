"""Noticing that we could not have heard anybody, before anybody is blamed for it.

One mechanism for every reason: a listener's own mark says until when it heard. Where the mark could not be moved on in
time there is a gap, and the gap is a blind period: we were stopped, the process was stalled, the store could not be
written, the wall clock jumped. The arithmetic that credits it is in `lastseen.monitor.deadline`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen import counters
from lastseen.clock import Clock
from lastseen.log import get_logger
from lastseen.model import BlindPeriod, BlindReason
from lastseen.protocols import Sources, Store

TICK = 0.5
"""Seconds between two looks at the clock."""

STALLED = 2.0
"""Seconds between two looks that mean: this process did not run, and heard nobody."""

MARK_EVERY = 5.0
"""Seconds between two marks in the store."""

_KEPT = 100
_log = get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """The moment of a look, and whether the wall clock had stepped."""

    now: datetime
    stepped: bool


class Listener:
    """The ear of one process for one source.

    Call `look` before every decision: it returns only after what was missed is in the store.
    """

    def __init__(self, store: Store, clock: Clock, node: str, source: str = "http") -> None:
        self._marks = store if isinstance(store, Sources) else None
        self._clock, self._node, self._name = clock, node, source
        self._source = 0
        self._looked = clock.monotonic()
        self._heard_until = clock.now()
        self._marked = clock.monotonic()
        self._marking = asyncio.Lock()
        self._store_lost_at: datetime | None = None
        self._missed: list[BlindPeriod] = []
        self.periods: list[BlindPeriod] = []  # the newest, for stores that keep none

    async def start(self) -> None:
        """Begin to listen; the time since anybody did is blind."""
        if self._marks is not None:
            newest = await self._marks.newest_mark()
            behind = newest is not None and self._clock.now() < newest
            if newest is not None:
                self._clock.start_at(newest)
            now = self._clock.now()
            self._source, before = await self._marks.listen(self._name, self._node, now)
            counters.name_source(self._source, self._name)
            if before is not None and (behind or (now - before).total_seconds() > STALLED):
                self._miss(before, now, BlindReason.STOPPED)
        self._looked, self._heard_until = self._clock.monotonic(), self._clock.now()
        await self._mark(self._heard_until)

    def glance(self) -> Look:
        """Compare the clocks and note what was missed. Waits for nothing: what it measures is the event loop itself."""
        step = self._clock.measure()
        now, mono = self._clock.now(), self._clock.monotonic()
        if step is not None and step.after > step.before:
            _log.warning("clock_stepped", seconds=round((step.after - step.before).total_seconds(), 1))
            self._miss(min(self._heard_until, step.before), step.after, BlindReason.CLOCK)
        elif mono - self._looked > STALLED and not self._clock.virtual:
            self._miss(self._heard_until, now, BlindReason.STALLED)
        if step is not None and step.behind:
            _log.warning("clock_fell_back", seconds=round(step.behind.total_seconds(), 1))
        self._looked, self._heard_until = mono, now
        return Look(now, step is not None)

    async def look(self) -> Look:
        """A glance, and what was missed until then is in the store.

        Decisions are made for the moment of this look: a process that is stopped right after it decides nothing about
        the time since.
        """
        look = self.glance()
        await self.keep()
        return look

    async def keep(self) -> None:
        """Write what was missed, and move the mark on when it is time."""
        async with self._marking:
            due = self._clock.monotonic() - self._marked >= MARK_EVERY
            if self._missed or self._store_lost_at is not None or due:
                await self._mark(self._heard_until)

    def store_failed(self) -> None:
        """A write failed: from the last mark that got through nobody could have been heard for certain."""
        if self._store_lost_at is None:
            self._store_lost_at = self._clock.now() - timedelta(seconds=self._clock.monotonic() - self._marked)

    async def stop(self) -> None:
        if self._marks is not None:
            await self._marks.leave(self._source, self._node, self._clock.now())

    def _miss(self, start: datetime, end: datetime, reason: BlindReason) -> None:
        self._missed.append(BlindPeriod(self._source, start, end, reason))

    async def _mark(self, now: datetime) -> None:
        """Move the mark, with all that was missed. What cannot be written now is written with the next."""
        kept, lost_at = list(self._missed), self._store_lost_at
        missed = kept if lost_at is None else [*kept, BlindPeriod(self._source, lost_at, now, BlindReason.STORE)]
        began = self._clock.monotonic()
        if self._marks is not None:
            await self._marks.mark(self._source, self._node, now, missed)
        self._missed, self._marked = self._missed[len(kept) :], began
        if self._store_lost_at == lost_at:  # another one that came meanwhile is for the next mark
            self._store_lost_at = None
        self.periods = (self.periods + missed)[-_KEPT:]
        for period in missed:
            span = now - period.started_at if period.ended_at is None else period.ended_at - period.started_at
            counters.BLIND.inc(self._name, period.reason.value, by=span.total_seconds())
            _log.warning(
                "blind_time_recorded",
                source=self._name,
                reason=period.reason.value,
                seconds=round(span.total_seconds(), 1),
            )
