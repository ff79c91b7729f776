"""Events go by incidents: an incident with its events, outages and notifications, when nothing needs any of it.

A unit is the event that opened an incident, with all that name it; an event of no incident is one by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, bindparam, delete, func, literal_column, or_, select, tuple_

from lastseen.model import ENDINGS, EventType, Status
from lastseen.storage.rows import channel_state, channels, events, liveness, notifications, offline_marks, outages
from lastseen.storage.sql_outbox import is_open
from lastseen.storage.sqltools import several

UNITS = 200
"""Incidents that one step looks at."""

_head, _next, _opener = events.alias("head"), events.alias("following"), events.alias("opener")
_UNIT = func.coalesce(events.c.incident_id, events.c.id)
_OF_UNITS = or_(events.c.id.in_(several()), events.c.incident_id.in_(several()))


def find(connection: Connection, limit: datetime, place: Any, count: int) -> tuple[Sequence[int], Any]:
    """The incidents behind the place that may go, of the next few that began before the limit."""
    heads = (
        select(events.c.id, events.c.at)
        .where(events.c.at < limit, or_(events.c.incident_id.is_(None), events.c.incident_id == events.c.id))
        .order_by(events.c.at, events.c.id)
        .limit(min(count, UNITS))
    )
    if place.at is not None:
        behind = tuple_(bindparam(None, place.at, events.c.at.type), bindparam(None, place.id, events.c.id.type))
        heads = heads.where(events.c.at >= place.at, tuple_(events.c.at, events.c.id) > behind)
    rows = connection.execute(heads).all()
    following = type(place)(place.step, rows[-1].at, rows[-1].id) if len(rows) == min(count, UNITS) else None
    return _free(connection, [row.id for row in rows], limit), following


def remove(connection: Connection, ids: Sequence[int], limit: datetime, count: int) -> tuple[Mapping[str, int], bool]:
    """Delete as many of them as fit into one step, a big one in several; whether all of them went."""
    free = _free(connection, ids, limit)
    gone = {"notifications": 0, "outages": 0, "events": 0}
    for unit in free:
        left = count - sum(gone.values())
        if left <= 0 or not _remove_unit(connection, unit, left, gone):
            return gone, False
    return gone, True


def _free(connection: Connection, units: Sequence[int], limit: datetime) -> list[int]:
    kept: set[int] = set()
    for needed in NEEDED:
        asked = [unit for unit in units if unit not in kept]
        if not asked:
            break
        kept |= set(connection.execute(needed(limit), {"several": asked}).scalars())
    return [unit for unit in units if unit not in kept]


# --- what keeps an incident -------------------------------------------------------------------------------------------


def _young(limit: datetime) -> Select[Any]:
    """Something of it is younger than the limit."""
    return select(_UNIT).where(_OF_UNITS, events.c.at >= limit)


def _unfinished(limit: datetime) -> Select[Any]:
    """Somebody is still to be told of it."""
    rows = select(_UNIT).join(notifications, notifications.c.event_id == events.c.id)
    return rows.where(_OF_UNITS, is_open(notifications))


def _lasting(limit: datetime) -> Select[Any]:
    """Its machine has it open, or flaps; or an outage of it is open."""
    return (
        select(_UNIT)
        .outerjoin(liveness, liveness.c.machine_id == events.c.machine_id)
        .outerjoin(outages, outages.c.opened_by == events.c.id)
        .outerjoin(offline_marks, offline_marks.c.event_id == events.c.id)
        .where(
            _OF_UNITS,
            or_(
                liveness.c.incident == events.c.uid,
                liveness.c.flapping_since.is_not(None),
                and_(outages.c.id.is_not(None), outages.c.ended_at.is_(None)),
                offline_marks.c.event_id.is_not(None),
            ),
        )
    )


def _endless(limit: datetime) -> Select[Any]:
    """It is no machine's, and has no end yet."""
    end = select(_next.c.id).where(
        _next.c.incident_id == events.c.id,
        _next.c.type.in_(sorted(ENDINGS)),
        _next.c.severity == literal_column("'info'"),
    )
    own = and_(events.c.id.in_(several()), events.c.incident_id == events.c.id, events.c.machine_id.is_(None))
    return select(events.c.id).where(own, ~end.exists())


def _newest(limit: datetime) -> Select[Any]:
    """It says how a machine that is there stood at the limit."""
    following = (
        select(_next.c.at)
        .where(_next.c.machine_id == events.c.machine_id, _next.c.seq > events.c.seq)
        .order_by(_next.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    there = select(_UNIT).join(liveness, liveness.c.machine_id == events.c.machine_id)
    return there.where(_OF_UNITS, func.coalesce(following, limit) >= limit)


def _still_so(limit: datetime) -> Select[Any]:
    """It keeps something from being told again: that a machine never reported, that a channel fails."""
    unheard = and_(
        events.c.type == EventType.NEVER_REPORTED.value,
        liveness.c.status.in_([Status.PROVISIONING.value, Status.PAUSED.value]),
        liveness.c.last_seen.is_(None),
    )
    failing = and_(
        events.c.type == EventType.CHANNEL_FAILING.value,
        channel_state.c.failing_since.is_not(None),
        channels.c.deleted_at.is_(None),
    )
    return (
        select(_UNIT)
        .outerjoin(liveness, liveness.c.machine_id == events.c.machine_id)
        .outerjoin(channels, channels.c.id == events.c.channel_id)
        .outerjoin(channel_state, channel_state.c.channel_id == events.c.channel_id)
        .where(_OF_UNITS, or_(unheard, failing))
    )


def _closes_another(limit: datetime) -> Select[Any]:
    """An outage of another incident was closed by it."""
    return (
        select(_UNIT)
        .join(outages, outages.c.closed_by == events.c.id)
        .join(_opener, _opener.c.id == outages.c.opened_by)
        .where(_OF_UNITS, func.coalesce(_opener.c.incident_id, _opener.c.id) != _UNIT)
    )


NEEDED: tuple[Callable[[datetime], Select[Any]], ...] = (
    _young,
    _unfinished,
    _lasting,
    _endless,
    _newest,
    _still_so,
    _closes_another,
)
"""Each selects the units that must stay, of several."""


# --- deleting ---------------------------------------------------------------------------------------------------------

_ITS_EVENTS = select(events.c.id).where(
    or_(events.c.id == bindparam("unit"), events.c.incident_id == bindparam("unit"))
)
_ITS_ROWS = select(notifications.c.id).where(notifications.c.event_id.in_(_ITS_EVENTS)).limit(bindparam("count"))
_ITS_OUTAGES = select(outages.c.id).where(outages.c.opened_by.in_(_ITS_EVENTS)).limit(bindparam("count"))
_INNER = (
    _ITS_EVENTS.where(
        events.c.id != bindparam("unit"),
        or_(events.c.type.not_in(sorted(ENDINGS)), events.c.severity != literal_column("'info'")),
    )
    .order_by(events.c.id)
    .limit(bindparam("count"))
)


def _remove_unit(connection: Connection, unit: int, left: int, gone: dict[str, int]) -> bool:
    """Up to `left` rows of it, what refers to others first; whether that was all. What is left is still an incident
    that is over: its first event and its end go last, and together, for they refer to each other."""
    for table, query in ((notifications, _ITS_ROWS), (outages, _ITS_OUTAGES), (events, _INNER)):
        ids = connection.execute(query, {"unit": unit, "count": left}).scalars().all()
        gone[table.name] += _delete(connection, table, ids)
        left -= len(ids)
        if left <= 0:
            return False
    gone[events.name] += _delete(connection, events, connection.execute(_ITS_EVENTS, {"unit": unit}).scalars().all())
    return True


def _delete(connection: Connection, table: Table, ids: Sequence[int]) -> int:
    return connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount if ids else 0
