"""When a machine's silence becomes an outage: thresholds, and the credit for blind time. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.durations import NEVER, Duration, parse_duration, parse_often, parse_threshold
from lastseen.errors import InvalidInput
from lastseen.model import BlindPeriod, Kind, Liveness, Machine
from lastseen.monitor.calendar import Due, earliness, next_due
from lastseen.monitor.runs import grace_of
from lastseen.words import say

INTERVALS = 3
"""A machine that says how often it reports may miss two heartbeats."""

FULL_CREDITS = 2
"""How often within one silence a blind stretch gives a machine its full threshold again; after that, its seconds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all machines. `offline_after` NEVER: no default threshold. `told_for`: how long a
    notification is tried before it expires. `flapping_changes` within `flapping_window` are flapping (0: none are), and
    as long without one is steady."""

    offline_after: timedelta = timedelta(minutes=2)
    goodbye_grace: timedelta = timedelta(seconds=10)
    told_for: timedelta = timedelta(hours=76)
    flapping_changes: int = 6
    flapping_window: timedelta = timedelta(minutes=30)

    @classmethod
    def read(cls, offline_after: Duration, goodbye_grace: Duration, flapping: str) -> Rules:
        """From what people write, `flapping` as `6/30m`, or `off`. Raises InvalidInput with the name of the field."""
        default = parse_threshold(offline_after)
        if default is None:
            raise InvalidInput(say("must be a duration or never"), "offline_after")
        grace = parse_duration(goodbye_grace, "goodbye_grace", zero=True)
        changes, window = parse_often(flapping)
        return cls(default, grace, flapping_changes=changes, flapping_window=window)


@dataclass(frozen=True, slots=True)
class Threshold:
    """How long a machine may be silent (None: for ever), and where that was said."""

    limit: timedelta | None
    origin: str


def threshold(machine: Machine, kind: Kind, rules: Rules) -> Threshold:
    """Its own, else 3 × its own interval, else its kind's, else 3 × the kind's interval, else the default."""
    ranked = (
        (machine.offline_after, "its own"),
        (machine.every and machine.every * INTERVALS, "3 × its interval"),
        (kind.offline_after, f'kind "{kind.name}"'),
        (kind.every and kind.every * INTERVALS, f'3 × the interval of kind "{kind.name}"'),
        (rules.offline_after, "the default"),
    )
    limit, origin = next((limit, origin) for limit, origin in ranked if limit is not None)
    return Threshold(None if limit == NEVER else limit, origin)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the silence that began at `since` may last, and how much of that a blind stretch gives again. `due`: the
    time of a schedule that it waits for."""

    since: datetime
    span: timedelta
    again: timedelta
    due: Due | None = None


def patience(machine: Machine, liveness: Liveness, limit: timedelta | None) -> Patience | None:
    """None: it may be silent for ever.

    A schedule asks for the first time after it was last heard, and its grace; a job that came a little early came for
    the coming time. What the machine itself said of its next heartbeat is added to its threshold, for this silence.
    """
    since = liveness.silent_since
    if machine.schedule is not None:
        grace = grace_of(machine)
        early = earliness(grace) if liveness.last_seen == since else timedelta(0)
        due = next_due(machine.schedule, machine.timezone, since, early)
        return None if due is None else Patience(since, due.at + grace - since, grace, due)
    if limit is None:
        return None
    said = timedelta(0)
    if liveness.expect_at is not None and liveness.last_seen == since:
        said = max(liveness.expect_at - since, said)
    return Patience(since, said + limit, limit)


def interval(machine: Machine, kind: Kind) -> timedelta | None:
    """How often it reports, where somebody said so."""
    return machine.every or kind.every


def silent_at(liveness: Liveness, left: Patience, blind: Sequence[BlindPeriod], now: datetime) -> datetime:
    """When its silence is an outage."""
    return credited(left.since, left.span, left.again, concerning(liveness, blind), now)


def is_silent(
    machine: Machine, liveness: Liveness, limit: timedelta | None, blind: Sequence[BlindPeriod], now: datetime
) -> bool:
    """Whether its silence is an outage by now."""
    left = patience(machine, liveness, limit)
    return left is not None and silent_at(liveness, left, blind, now) <= now


def overrun_at(
    liveness: Liveness, started_at: datetime, allowed: timedelta, blind: Sequence[BlindPeriod], now: datetime
) -> datetime:
    """When a run that has not ended is an outage. Its end may have come while we were blind."""
    return credited(started_at, allowed, allowed, concerning(liveness, blind), now)


def gone_at(
    liveness: Liveness,
    said_at: datetime,
    grace: timedelta,
    limit: timedelta,
    blind: Sequence[BlindPeriod],
    now: datetime,
) -> datetime:
    """When its goodbye is an outage. It may have come back while we were blind: then it gets its full threshold."""
    return credited(said_at, grace, max(limit, grace), concerning(liveness, blind), now)


def concerning(liveness: Liveness, blind: Sequence[BlindPeriod]) -> Iterable[BlindPeriod]:
    """Blind periods of the sources that it was heard on; of any, where that is not known."""
    heard = liveness.heard | liveness.heard_before
    return [period for period in blind if not heard or heard >> period.source & 1]


def credited(
    base: datetime, limit: timedelta, again: timedelta, blind: Iterable[BlindPeriod], now: datetime
) -> datetime:
    """`base` + `limit`, moved by the blind stretches that began before it was reached.

    The first two give `again` from their end; later ones add their seconds. One that is still open counts as if it
    ended now, so that nobody is found silent while we are blind.
    """
    due, full = base + limit, FULL_CREDITS
    for start, end in _merged(blind, base, now):
        if start >= due:
            break
        if full:
            due, full = max(due, end + again), full - 1
        else:
            due += end - max(start, base)
    return due


def _merged(blind: Iterable[BlindPeriod], base: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """The stretches that end after `base`, in order, overlapping ones as one."""
    spans = sorted((period.started_at, now if period.ended_at is None else period.ended_at) for period in blind)
    merged: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if end <= base:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
