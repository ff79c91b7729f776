"""What is old goes: the rules of `docs/retention.md`, table by table, as statements that every database understands.

A round is a row of steps, each of which looks at the rows of one table in their order, a few at a time. What may go is
found on a reader; the writer only deletes, and looks again where something may have come to need a row meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, false, func, or_, select

from lastseen.model.retention import Keep, Pruned
from lastseen.storage import sql_retention_events
from lastseen.storage.fold import RUNS
from lastseen.storage.rows import (
    attempt_items,
    attempts,
    audit_log,
    blind_periods,
    channel_state,
    events,
    invites,
    link_tokens,
    liveness,
    machines,
    notifications,
    reports,
    runs,
    sessions,
    silences,
    strangers,
)
from lastseen.storage.sql_outbox import is_open


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a round is: in which step, and behind which row of it."""

    step: int = 0
    at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """`ids` may go; the round goes on at `place` (None: it is over)."""

    step: int
    ids: Sequence[int]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Step:
    """`age`: which of the ages it goes by. `find`: what may go behind a place, and the next place in this step, None
    where nothing of it is left. `remove`: delete these; how many rows went, by table."""

    age: str
    find: Callable[[Connection, datetime, Place, int], tuple[Sequence[int], Place | None]]
    remove: Callable[[Connection, Sequence[int], datetime, int], tuple[Mapping[str, int], bool]]
    """The last: whether all of it is done."""


def find(connection: Connection, keep: Keep, now: datetime, after: str | None, limit: int) -> Found:
    """The next that may go; a step without anything is passed by."""
    place = Place() if after is None else msgspec.json.decode(after, type=Place)
    step = STEPS[place.step]
    age: timedelta | None = getattr(keep, step.age)
    ids, following = ([], None) if age is None else step.find(connection, now - age, place, limit)
    if following is None:
        following = Place(place.step + 1) if place.step + 1 < len(STEPS) else None
    return Found(place.step, ids, following)


def remove(connection: Connection, keep: Keep, found: Found, now: datetime, after: str | None, limit: int) -> Pruned:
    """In the caller's transaction."""
    step = STEPS[found.step]
    age: timedelta = getattr(keep, step.age)
    gone, done = step.remove(connection, found.ids, now - age, limit)
    return Pruned({name: count for name, count in gone.items() if count}, written(found.place) if done else after)


def written(place: Place | None) -> str | None:
    return None if place is None else msgspec.json.encode(place).decode()


# --- rows by their ids ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aging:
    """A table whose ids rise with its times: it is read from the oldest id to the first row that is young. `keeps`:
    which of the old rows stay all the same; `when`: the row's time, None of what has not ended."""

    table: Table
    when: ColumnElement[datetime | None]
    begun: ColumnElement[datetime]
    keeps: Callable[[Connection], ColumnElement[bool]]

    def find(self, connection: Connection, limit: datetime, place: Place, count: int) -> tuple[list[int], Place | None]:
        id_ = self.table.c.id
        query = select(id_, self.begun.label("begun")).where(id_ > place.id).order_by(id_).limit(count)
        rows = connection.execute(query).all()
        old = [row.id for row in rows if row.begun < limit]
        following = Place(place.step, None, old[-1]) if old and len(old) == len(rows) == count else None
        return (self._free(connection, old, limit) if old else []), following

    def _free(self, connection: Connection, ids: Sequence[int], limit: datetime) -> list[int]:
        free = select(self.table.c.id).where(self.table.c.id.in_(ids), self.when < limit, ~self.keeps(connection))
        return list(connection.execute(free).scalars())

    def remove(
        self, connection: Connection, ids: Sequence[int], limit: datetime, count: int
    ) -> tuple[dict[str, int], bool]:
        gone = connection.execute(delete(self.table).where(self.table.c.id.in_(ids))).rowcount
        return {self.table.name: gone}, True


_first = events.alias("first_of_incident")


def _attempts_needed(connection: Connection) -> ColumnElement[bool]:
    """What an attempt contained is tried again together; a message of an open incident may be changed, and tells of
    what was delivered with it; and the last words of channels that fail stay."""
    unfinished = (
        select(attempt_items.c.attempt_id)
        .join(notifications, notifications.c.id == attempt_items.c.notification_id)
        .where(attempt_items.c.attempt_id == attempts.c.id, is_open(notifications))
    )
    lasting = (
        select(attempt_items.c.attempt_id)
        .join(notifications, notifications.c.id == attempt_items.c.notification_id)
        .join(events, events.c.id == notifications.c.event_id)
        .join(_first, _first.c.id == events.c.incident_id)
        .join(liveness, liveness.c.machine_id == events.c.machine_id)
        .where(attempt_items.c.attempt_id == attempts.c.id, liveness.c.incident == _first.c.uid)
        .where(attempts.c.outcome == "delivered")
    )
    failing = connection.execute(select(channel_state.c.channel_id).where(channel_state.c.failing_since.is_not(None)))
    last = select(attempts.c.id).where(attempts.c.outcome == "retry").order_by(attempts.c.id.desc()).limit(1)
    words = [
        connection.execute(last.where(attempts.c.channel_id == channel)).scalar() for channel in failing.scalars().all()
    ]
    return or_(exists(unfinished), exists(lasting), attempts.c.id.in_([word for word in words if word is not None]))


_other = runs.alias("other")
_WHEN = func.coalesce(runs.c.ended_at, runs.c.started_at)
_newer = (
    select(_other.c.id)
    .where(_other.c.machine_id == runs.c.machine_id, func.coalesce(_other.c.ended_at, _other.c.started_at) > _WHEN)
    .order_by(_other.c.id.desc())
    .limit(RUNS)
    .correlate(runs)
    .subquery()
)


def _runs_needed(connection: Connection) -> ColumnElement[bool]:
    """Those that a decision sees. Of a machine that was removed nothing is decided any more."""
    newer = select(func.count()).select_from(_newer).scalar_subquery()
    there = exists().where(machines.c.id == runs.c.machine_id, machines.c.deleted_at.is_(None))
    return and_(newer < RUNS, there)


def _blind_needed(connection: Connection) -> ColumnElement[bool]:
    """What may still be credited to somebody. Whatever begins from now on begins later."""
    begins = (
        func.min(func.coalesce(liveness.c.last_seen, liveness.c.watch_from)),
        func.min(liveness.c.goodbye_at),
    )
    decided = liveness.c.check_at.is_not(None)
    open_runs = select(func.min(runs.c.started_at)).where(runs.c.ended_at.is_(None))
    flaps = select(func.min(liveness.c.status_since)).where(liveness.c.flapping_since.is_not(None))
    found = [*connection.execute(select(*begins).where(decided)).one()]
    found += [connection.execute(query).scalar() for query in (open_runs, flaps)]
    begun = [moment for moment in found if moment is not None]
    return blind_periods.c.ended_at > min(begun) if begun else false()


def _pending(connection: Connection) -> ColumnElement[bool]:
    return reports.c.pending


def _none(connection: Connection) -> ColumnElement[bool]:
    return false()


# --- a few rows that have no such order -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Few:
    """A table that has few rows at any time: all that are old, at once."""

    table: Table
    old: Callable[[datetime], ColumnElement[bool]]

    def find(self, connection: Connection, limit: datetime, place: Place, count: int) -> tuple[list[int], Place | None]:
        there = connection.execute(select(func.count()).select_from(self.table).where(self.old(limit))).scalar_one()
        return ([0] if there else []), None

    def remove(
        self, connection: Connection, ids: Sequence[int], limit: datetime, count: int
    ) -> tuple[dict[str, int], bool]:
        return {self.table.name: connection.execute(delete(self.table).where(self.old(limit))).rowcount}, True


def _step(age: str, rows: Any) -> Step:
    return Step(age, rows.find, rows.remove)


STEPS = (
    _step("attempts", Aging(attempts, attempts.c.started_at, attempts.c.started_at, _attempts_needed)),
    _step("reports", Aging(reports, reports.c.at, reports.c.at, _pending)),
    _step("runs", Aging(runs, runs.c.ended_at, func.coalesce(runs.c.started_at, runs.c.ended_at), _runs_needed)),
    Step("events", sql_retention_events.find, sql_retention_events.remove),
    _step("events", Aging(blind_periods, blind_periods.c.ended_at, blind_periods.c.started_at, _blind_needed)),
    _step("events", Few(silences, lambda limit: silences.c.ends_at < limit)),
    _step("reports", Few(strangers, lambda limit: strangers.c.last_at < limit)),
    _step("reports", Few(invites, lambda limit: func.coalesce(invites.c.used_at, invites.c.expires_at) < limit)),
    _step("events", Aging(audit_log, audit_log.c.at, audit_log.c.at, _none)),
    _step("reports", Few(sessions, lambda limit: sessions.c.expires_at < limit)),
    _step("reports", Few(link_tokens, lambda limit: link_tokens.c.expires_at < limit)),
)
