"""Which limit would fit a machine, by how long its heartbeats let each other wait. Pure arithmetic on what was counted.

What is below the limit is known from a sample, by buckets: a figure is the edge above what was counted, at most 4.5 %
too much and never too little. What was above it is known from every outage by silence, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from lastseen.model.intervals import Tally
from lastseen.monitor.intervals import edge_of

FEW, ENOUGH = 20, 100
"""Intervals: with fewer nothing is said, or no limit is proposed."""

SHARES = (Fraction("0.999"), Fraction("0.99"), Fraction("0.9"))
"""Of a share is spoken only where at least one interval would lie outside it."""

ROOM, MISSED = Fraction(5, 4), 2
"""A proposed limit leaves a quarter more than the longest interval, and a machine may miss a heartbeat."""

BRIEF = 2
"""A silence is brief if it ended before this many times the limit."""

STEADY = timedelta(days=7)
"""A sample that covers less than this may know no weekend."""

_STEPS = (
    *(timedelta(seconds=one) for one in (10, 15, 20, 30, 45, 60, 90)),
    *(timedelta(minutes=one) for one in (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90)),
    *(timedelta(hours=one) for one in (2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 24, 30, 36, 42)),
    *(timedelta(days=one) for one in (2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 25, 30, 40)),
)


@dataclass(frozen=True, slots=True)
class Silence:
    """An outage by silence that ended with a heartbeat: how long nothing was heard. `lasts`: it has not ended, and this
    is how long it is until now."""

    started_at: datetime
    ended_at: datetime
    lasts: bool = False

    @property
    def length(self) -> timedelta:
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Within:
    """So large a share of its heartbeats came within so long."""

    share: Fraction
    span: timedelta

    @property
    def percent(self) -> str:
        return f"{float(self.share * 100):g}"


@dataclass(frozen=True, slots=True)
class Advice:
    """`intervals` were counted, `sampled` long, between `first_at` and `last_at`; `longest` of them (None: longer than
    any bucket, or there are none). `brief`: silences that ended before `brief_under`; `long`: the others, one
    that lasts among them. `limit`: the
    one now, None is never. `proposed`: None where too little is known; it would have made no alarm of any interval that
    was counted, and of none of the brief silences."""

    limit: timedelta | None
    intervals: int
    sampled: timedelta
    first_at: datetime | None
    last_at: datetime | None
    within: Sequence[Within]
    longest: timedelta | None
    brief_under: timedelta | None
    brief: Sequence[Silence]
    long: Sequence[Silence]
    proposed: timedelta | None

    @property
    def is_early(self) -> bool:
        """It was counted for too short a time to know that every day is like these."""
        return self.first_at is None or self.last_at is None or self.last_at - self.first_at < STEADY


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a limit would have made of the same time. `silences`: of the outages by silence, those longer than it, all
    of them known where it is not below the limit that they were found by. `intervals`: of those that were counted, how
    many may have been longer; none too few, and too many only by what is in one bucket."""

    limit: timedelta
    silences: Sequence[Silence]
    intervals: int


def advise(
    tallies: Iterable[Tally],
    silences: Iterable[Silence],
    limit: timedelta | None,
    brief_under: timedelta | None = None,
) -> Advice:
    """`brief_under`: None for twice the limit."""
    some = list(tallies)
    counts = added(some)
    under = brief_under or (None if limit is None else BRIEF * limit)
    found = sorted(silences, key=lambda one: one.started_at)
    brief = [one for one in found if under is not None and one.length < under and not one.lasts]
    long = [one for one in found if under is None or one.length >= under or one.lasts]
    total = sum(counts.values())
    return Advice(
        limit=limit,
        intervals=total,
        sampled=sum((one.span for one in some), timedelta()),
        first_at=min((one.first_at for one in some), default=None),
        last_at=max((one.last_at for one in some), default=None),
        within=_shares(counts, total),
        longest=edge_of(max(counts)) if counts else None,
        brief_under=under,
        brief=brief,
        long=long,
        proposed=_proposed(counts, total, brief),
    )


def alarms(tallies: Iterable[Tally], silences: Iterable[Silence], limit: timedelta) -> Alarms:
    """What this limit would have made of them."""
    longer = sum(count for bucket, count in added(tallies).items() if (edge := edge_of(bucket)) is None or edge > limit)
    over = sorted((one for one in silences if one.length > limit), key=lambda one: one.started_at)
    return Alarms(limit, over, longer)


def added(tallies: Iterable[Tally]) -> dict[int, int]:
    """How many in each bucket, over all of them."""
    counts: dict[int, int] = {}
    for one in tallies:
        for bucket, count in one.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return {bucket: count for bucket, count in counts.items() if count > 0}


def quantile(counts: dict[int, int], share: Fraction) -> timedelta | None:
    """The smallest edge that at least this share of them is not above; None: there is none, or it has no edge."""
    total, seen = sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= share * total:
            return edge_of(bucket)
    return None


def _shares(counts: dict[int, int], total: int) -> list[Within]:
    """Those that so many are enough for, the greatest first."""
    spoken = [share for share in SHARES if total >= FEW and total * (1 - share) >= 1]
    found = ((share, quantile(counts, share)) for share in spoken)
    return [Within(share, span) for share, span in found if span is not None]


def _proposed(counts: dict[int, int], total: int, brief: Sequence[Silence]) -> timedelta | None:
    if total < ENOUGH:
        return None
    longest, usual = edge_of(max(counts)), quantile(counts, Fraction(1, 2))
    if longest is None or usual is None:
        return None
    least = max(
        timedelta(seconds=float(longest.total_seconds() * ROOM)),
        usual * MISSED,
        *(one.length for one in brief),
    )
    return next((step for step in _STEPS if step >= least), None)
