"""Intervals between heartbeats, and the buckets that they are counted in. Pure arithmetic.

An interval is the time between two heartbeats that follow each other while the machine was watched and could be heard:
what has a part in an outage, a pause, blind time, or time of which not everything was counted, is none.

Buckets are 16 to an octave: the edge above an interval is less than 4.5 % more than the interval itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isqrt

from lastseen.model.intervals import Counted, Heard, Tally, Turn
from lastseen.model.past import Past, Span

OCTAVE = 16
FIRST = timedelta(milliseconds=10)
"""What is shorter is in the first bucket."""

OCTAVES = 28
"""The last edge is at 31 days; what is longer is in a bucket without one."""

_EPOCH, _MICROSECOND, _DAY = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1), timedelta(days=1)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def _edge(number: int) -> int:
    """`FIRST` × 2 ** (number / 16) in microseconds, rounded up: whole numbers alone, the same on every computer."""
    power = (FIRST // _MICROSECOND) ** OCTAVE << number
    root = isqrt(isqrt(isqrt(isqrt(power))))
    return root if root**OCTAVE == power else root + 1


_EDGES = [_edge(number) for number in range(OCTAVE * OCTAVES + 1)]
BEYOND = len(_EDGES)
"""The bucket of what is longer than the last edge."""


def bucket_of(interval: timedelta) -> int:
    """Bucket n holds what is longer than the edge below it and at most `edge_of(n)`."""
    return bisect_left(_EDGES, interval // _MICROSECOND)


def edge_of(bucket: int) -> timedelta | None:
    """The longest that is in it; None: it has no end."""
    return None if bucket >= BEYOND else _EDGES[bucket] * _MICROSECOND


def week_of(moment: datetime) -> datetime:
    """The Monday with which its week begins, in UTC."""
    return _MONDAY + (moment - _MONDAY) // (7 * _DAY) * (7 * _DAY)


@dataclass(frozen=True, slots=True)
class Found:
    """`last_at`: the last heartbeat, None where something may have come after it that is not here."""

    intervals: Sequence[tuple[datetime, datetime]]
    last_at: datetime | None


def between(last_at: datetime | None, moments: Iterable[datetime], holes: Sequence[Span], past: Past) -> Found:
    """The intervals between these heartbeats, the one before them included. `holes`: in these not everything was
    counted. `past` must know of the time from the first of them on."""
    times = sorted({*moments, *(() if last_at is None else (last_at,))})
    gaps = (*holes, *past.outages, *past.blind)
    found = [
        (start, end)
        for start, end in pairwise(times)
        if _within(past.watched, start, end) and not any(_overlaps(gap, start, end) for gap in gaps)
    ]
    last = times[-1] if times else None
    if last is not None and any(end is None or end > last for _, end in holes):
        last = None
    return Found(found, last)


def _within(watched: Sequence[Span], start: datetime, end: datetime) -> bool:
    return any(begun <= start and (over is None or end <= over) for begun, over in watched)


def _overlaps(gap: Span, start: datetime, end: datetime) -> bool:
    begun, over = gap
    return begun < end and (over is None or over > start) and begun != over


def tallied(machine_id: int, intervals: Iterable[tuple[datetime, datetime]]) -> list[Tally]:
    """By the week in which each ends."""
    weeks: dict[datetime, Tally] = {}
    for start, end in intervals:
        week = week_of(end)
        one = Tally(machine_id, week, {bucket_of(end - start): 1}, end - start, start, end)
        weeks[week] = weeks[week].plus(one) if week in weeks else one
    return [weeks[week] for week in sorted(weeks)]


def counted(turn: Turn, heard: Sequence[Heard], past: Past, until: datetime) -> Counted:
    """What several processes heard of one machine, until a moment until which all of them have said everything."""
    since = max(turn.starts_at, turn.counted_until or turn.starts_at)
    moments = {
        moment for one in heard for moment in (one.moments or {}).get(turn.machine_id, ()) if since < moment <= until
    }
    holes = [
        (one.start, min(one.end, until))
        for one in heard
        if one.start < until and (one.lost is None or turn.machine_id in one.lost or one.known < turn.id)
    ]
    found = between(turn.last_at, moments, [hole for hole in holes if hole[1] > since], past)
    last = None if any(end >= until for _, end in holes) else found.last_at
    return Counted(turn.machine_id, until, last, tallied(turn.machine_id, found.intervals))
