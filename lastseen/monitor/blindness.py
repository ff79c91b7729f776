"""Noticing that we could not have heard anybody, before anybody is blamed for it.

One mechanism for every reason: a listener's own mark says until when it heard. Where the mark could not be moved on in
time there is a gap, and the gap is a blind period: we were stopped, the process was stalled, the store could not be
written, the wall clock jumped. The arithmetic that credits it is in `lastseen.monitor.deadline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

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
            if before is not None and (behind or (now - before).total_seconds() > STALLED):
                self._miss(before, now, BlindReason.STOPPED)
        self._looked, self._heard_until = self._clock.monotonic(), self._clock.now()
        await self._mark(self._heard_until)

    async def look(self) -> Look:
        """Compare the clocks, record what was missed, move the mark on.

        Decisions are made for the moment of this look: a process that is stopped right after it decides nothing about
        the time since.
        """
        step = self._clock.measure()
        now, mono = self._clock.now(), self._clock.monotonic()
        if step is not None and step.after > step.before:
            _log.warning("clock_stepped", seconds=round((step.after - step.before).total_seconds(), 1))
            self._miss(min(self._heard_until, step.before), step.after, BlindReason.CLOCK)
        elif step is not None:
            _log.warning("clock_fell_back", seconds=round(step.behind.total_seconds(), 1))
        elif mono - self._looked > STALLED and not self._clock.virtual:
            self._miss(self._heard_until, now, BlindReason.STALLED)
        self._looked, self._heard_until = mono, now
        if self._missed or self._store_lost_at is not None or mono - self._marked >= MARK_EVERY:
            await self._mark(now)
        return Look(now, step is not None)

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
        missed = list(self._missed)
        if self._store_lost_at is not None:
            missed.append(BlindPeriod(self._source, self._store_lost_at, now, BlindReason.STORE))
        began = self._clock.monotonic()
        if self._marks is not None:
            await self._marks.mark(self._source, self._node, now, missed)
        self._missed, self._store_lost_at, self._marked = self._missed[len(missed) :], None, began
        self.periods = (self.periods + missed)[-_KEPT:]
        for period in missed:
            span = now - period.started_at if period.ended_at is None else period.ended_at - period.started_at
            _log.warning(
                "blind_time_recorded",
                source=self._name,
                reason=period.reason.value,
                seconds=round(span.total_seconds(), 1),
            )
