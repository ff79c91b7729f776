"""Numbers for `/metrics` and `doctor`. Every statement reads an index, or stops at a bound: a scrape of a big database
must not become work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, literal_column, select

from lastseen.model.insight import Gauges
from lastseen.storage.rows import blind_periods, channel_state, channels, liveness, machines, notifications, sources
from lastseen.storage.sql_outbox import SENDING, is_open
from lastseen.storage.sql_ways import REMOVED

MOST = 100_000
"""Rows that are counted, at most."""

DAY = timedelta(days=1)

_ALL = select(func.count()).select_from(machines).where(machines.c.deleted_at.is_(None))
_NOT_ONLINE = (
    select(liveness.c.status, func.count())
    .where(liveness.c.status != literal_column("'online'"))
    .group_by(liveness.c.status)
)
_open = select(notifications.c.id).where(is_open(notifications)).limit(MOST).subquery()
_OPEN = select(func.count(), func.min(_open.c.id))
_SENDING = select(func.count()).select_from(notifications).where(SENDING)
_MADE = select(notifications.c.created_at)
_first = (
    select(notifications.c.due_at)
    .where(notifications.c.channel_id == channels.c.id, is_open(notifications))
    .order_by(notifications.c.due_at)
    .limit(1)
    .scalar_subquery()
)
FIRST_DUE = select(channels.c.id, _first.label("due")).where(channels.c.deleted_at.is_(None))
_BLIND = select(sources.c.name, func.count(blind_periods.c.id)).outerjoin(
    blind_periods, and_(blind_periods.c.source_id == sources.c.id, blind_periods.c.ended_at.is_(None))
)
_BLIND = _BLIND.where(sources.c.kind != REMOVED).group_by(sources.c.name)
_HOW = case(
    (channels.c.enabled.is_(False), "disabled"), (channel_state.c.failing_since.is_not(None), "failing"), else_="ok"
)
_CHANNELS = (
    select(_HOW.label("how"), func.count())
    .select_from(channels)
    .outerjoin(channel_state, channel_state.c.channel_id == channels.c.id)
    .where(channels.c.deleted_at.is_(None))
    .group_by("how")
)


def gauges(connection: Connection, now: datetime) -> Gauges:
    """`Insight.gauges`."""
    by_status = {row[0]: row[1] for row in connection.execute(_NOT_ONLINE)}
    waiting, first = connection.execute(_OPEN).one()
    sending = connection.execute(_SENDING).scalar() or 0
    made = connection.execute(_MADE.where(notifications.c.id == first)).scalar() if first is not None else None
    return Gauges(
        machines={**by_status, "online": (connection.execute(_ALL).scalar() or 0) - sum(by_status.values())},
        outbox={"pending": max(0, waiting - sending), "sending": sending},
        channels={row[0]: row[1] for row in connection.execute(_CHANNELS)},
        blind={row[0]: bool(row[1]) for row in connection.execute(_BLIND)},
        dead=_dead(connection, now),
        oldest=made,
        due=min((row.due for row in connection.execute(FIRST_DUE) if row.due is not None), default=None),
    )


def _dead(connection: Connection, now: datetime) -> int:
    recent: Any = (
        select(notifications.c.id)
        .where(notifications.c.state == literal_column("'dead'"), notifications.c.finished_at > now - DAY)
        .limit(MOST)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(recent)).scalar() or 0
