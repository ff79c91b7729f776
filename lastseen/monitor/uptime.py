"""How much of a stretch of time a machine was up: outages ∩ window, without the time in which nobody could have known.

Pure arithmetic on spans of time, for whoever shows it. Times are aware datetimes of any zone; what is counted is exact
to the microsecond.

    window                    |—————————————————————————————|
    watched                        ————————————————————————————   (not before it was there, nor while it was paused)
    blind                               ~~~~~                     (its source could have heard nobody)
    outages                               XXXXXXXX      XX
    known = watched - blind        |————|     |—————————————|
    down  = outages ∩ known                   |XXX|     |XX|
    uptime = 1 - down / known
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import accumulate, pairwise

from lastseen.model.past import Past, Span

_Spans = list[tuple[int, int]]
"""Microseconds since 1970; in order, disjoint, none empty."""

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Uptime:
    """Of the time from `start` to `end`: `known + unknown <= end - start`, `down <= known`.

    `unknown`: watched, but its source was blind. `silenced`: the part of the watched time for which people had asked
    not to be told; it is left out of `known` and `down` where that was asked for. `outages`: how many of them have a
    part in `down`.
    """

    start: datetime
    end: datetime
    known: timedelta
    down: timedelta
    unknown: timedelta
    silenced: timedelta
    outages: int

    @property
    def kind(self) -> str:
        """How a picture shows it: `down` (not all the time, perhaps), `up`, `unknown`, or `none`: it was not
        watched."""
        if self.down:
            return "down"
        return "up" if self.known else "unknown" if self.unknown else "none"

    @property
    def ratio(self) -> float | None:
        """From 0 to 1; None: nothing is known of that time."""
        return 1 - self.down / self.known if self.known else None

    @property
    def percent(self) -> str | None:
        """As people read it, with two places, rounded down: "100" only where there was no outage at all."""
        if not self.known:
            return None
        if not self.down:
            return "100"
        hundredths = 10_000 * (self.known - self.down) // self.known
        return f"{hundredths // 100}.{hundredths % 100:02}"


def uptime(past: Past, start: datetime, end: datetime, now: datetime, *, without_silenced: bool = False) -> Uptime:
    """Of one window. What lies after `now` is not counted, as nothing is known of it."""
    return uptimes(past, (start, end), now, without_silenced=without_silenced)[0]


def uptimes(
    past: Past, edges: Sequence[datetime], now: datetime, *, without_silenced: bool = False
) -> tuple[Uptime, ...]:
    """Of each stretch between two neighbouring `edges`, which are in order."""
    return Timeline(past, now, without_silenced=without_silenced).uptimes(edges)


class Timeline:
    """A past made ready once, for whoever asks of several windows."""

    def __init__(self, past: Past, now: datetime, *, without_silenced: bool = False) -> None:
        stop = _microseconds(now)
        each = sorted(_clipped(past.outages, stop))
        watched, blind, silenced = (_disjoint(_clipped(s, stop)) for s in (past.watched, past.blind, past.silenced))
        silenced, unknown, known = _both(watched, silenced), _both(watched, blind), _without(watched, blind)
        if without_silenced:
            unknown, known = _without(unknown, silenced), _without(known, silenced)
        self._known, self._unknown, self._silenced = _Sums(known), _Sums(unknown), _Sums(silenced)
        self._down = _Sums(_both(known, _disjoint(each)))
        self._outages = _Outages(each, self._down)

    def uptimes(self, edges: Sequence[datetime]) -> tuple[Uptime, ...]:
        """Of each stretch between two neighbouring `edges`, which are in order."""
        return tuple(self._of(left, right) for left, right in pairwise(edges))

    def _of(self, left: datetime, right: datetime) -> Uptime:
        a, b = _microseconds(left), _microseconds(right)
        sums = self._known, self._down, self._unknown, self._silenced
        of_known, of_down, of_unknown, of_silenced = (one.between(a, b) * _MICROSECOND for one in sums)
        return Uptime(left, right, of_known, of_down, of_unknown, of_silenced, self._outages.between(a, b))


def day_edges(now: datetime, days: int, zone: tzinfo | None) -> tuple[datetime, ...]:
    """Where the last so many days of the zone's calendar begin, today's included, in UTC; and at the end, `now`. No
    zone: this computer's.

    A day has 23 or 25 hours where the clocks are changed, begins at 01:00 where midnight is left out, and is itself
    left out where the calendar has done so (there are fewer days then).
    """
    today = now.astimezone(zone).date()
    midnights = (_midnight(today - timedelta(days=days - 1 - number), zone) for number in range(days))
    return tuple(sorted({*midnights, now.astimezone(UTC)}))


def hour_edges(now: datetime, hours: int, every: timedelta = timedelta(hours=1)) -> tuple[datetime, ...]:
    """Steps of `every` that end `now` and go back so many hours (of 60 minutes)."""
    steps = timedelta(hours=hours) // every
    return tuple(now - every * (steps - number) for number in range(steps + 1))


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _microseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _clipped(spans: Iterable[Span], stop: int) -> Iterable[tuple[int, int]]:
    """Those that are not empty, up to `stop`."""
    for start, end in spans:
        left, right = _microseconds(start), stop if end is None else min(stop, _microseconds(end))
        if left < right:
            yield left, right


def _disjoint(spans: Iterable[tuple[int, int]]) -> _Spans:
    found: _Spans = []
    for left, right in sorted(spans):
        if found and left <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], right)
        else:
            found.append((left, right))
    return found


def _both(some: _Spans, others: _Spans) -> _Spans:
    found: _Spans = []
    i = j = 0
    while i < len(some) and j < len(others):
        left, right = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if left < right:
            found.append((left, right))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return found


def _without(some: _Spans, others: _Spans) -> _Spans:
    if not some:
        return []
    ends = [some[0][0], *(edge for span in others for edge in span), some[-1][1]]
    return _both(some, [(left, right) for left, right in zip(ends[::2], ends[1::2], strict=True) if left < right])


class _Sums:
    """How much of disjoint spans lies between two moments: O(log n) each."""

    def __init__(self, spans: _Spans) -> None:
        self._starts = [left for left, _ in spans]
        self._ends = [right for _, right in spans]
        self._before = [0, *accumulate(right - left for left, right in spans)]

    def _until(self, moment: int) -> int:
        ended = bisect_right(self._ends, moment)
        begun = self._starts[ended] if ended < len(self._starts) else moment
        return self._before[ended] + max(0, moment - begun)

    def between(self, left: int, right: int) -> int:
        return self._until(right) - self._until(left)


class _Outages:
    """How many outages have a part of the down time between two moments: those that lie there as a whole are counted
    before, and only the others looked at."""

    def __init__(self, outages: _Spans, down: _Sums) -> None:
        """`outages`: in the order of their starts; they may overlap."""
        self._each, self._down = outages, down
        self._starts = [start for start, _ in outages]
        self._reach = list(accumulate((end for _, end in outages), max))
        self._before = [0, *accumulate(down.between(start, end) > 0 for start, end in outages)]

    def between(self, left: int, right: int) -> int:
        touching = bisect_right(self._reach, left), bisect_left(self._starts, right)
        first, last = bisect_left(self._starts, left), bisect_right(self._reach, right)
        if first >= last:
            return self._some(left, right, *touching)
        inside = self._before[last] - self._before[first]
        return self._some(left, right, touching[0], first) + inside + self._some(left, right, last, touching[1])

    def _some(self, left: int, right: int, first: int, last: int) -> int:
        each = self._each[first:last]
        return sum(self._down.between(max(left, start), min(right, end)) > 0 for start, end in each)
