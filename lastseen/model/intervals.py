"""How long machines let pass between two heartbeats: whose turn it is to be listened to closely, what was heard of
them, and what is kept of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Turn:
    """The intervals of this machine are counted from `starts_at` to `ends_at`. `id` grows with each new turn. `asked`:
    by a person. Everything until `counted_until` is counted; the machine's last heartbeat before that was at
    `last_at`, None where that is not known."""

    machine_id: int
    slug: str
    starts_at: datetime
    ends_at: datetime
    asked: bool = False
    last_at: datetime | None = None
    counted_until: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What one process heard between `start` and `end` of machines whose turn it was, as moments. `known`: the newest
    turn that it knew of in that time. `lost`: machines of which not everything is here; None: all are."""

    node: str
    start: datetime
    end: datetime
    known: int = 0
    moments: Mapping[int, Sequence[datetime]] | None = None
    lost: frozenset[int] | None = frozenset()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """The intervals of one machine that ended in the week that begins with `week`, a Monday in UTC: how many by bucket
    (`lastseen.monitor.intervals`), all together in `span`, the first of them from `first_at`, the last to `last_at`."""

    machine_id: int
    week: datetime
    counts: Mapping[int, int]
    span: timedelta
    first_at: datetime
    last_at: datetime

    def plus(self, other: Tally) -> Tally:
        counts = {one: self.counts.get(one, 0) + other.counts.get(one, 0) for one in {*self.counts, *other.counts}}
        first, last = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        return Tally(self.machine_id, self.week, counts, self.span + other.span, first, last)


@dataclass(frozen=True, slots=True)
class Counted:
    """A turn was counted until then; what that found, at most one tally a week."""

    machine_id: int
    counted_until: datetime
    last_at: datetime | None
    tallies: Sequence[Tally] = ()
