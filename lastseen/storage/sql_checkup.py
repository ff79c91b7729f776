"""A look at everything that people should know of, for `lastseen doctor`: one read transaction, bounded lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, literal_column, or_, select

from lastseen.model.insight import ChannelCheck, Checkup, Dead, Named, SourceCheck, Stranger
from lastseen.storage.rows import (
    api_keys,
    attempts,
    blind_periods,
    channel_state,
    channels,
    events,
    listeners,
    liveness,
    machines,
    notifications,
    sources,
    strangers,
)
from lastseen.storage.sql_insight import DAY, FIRST_DUE, MOST
from lastseen.storage.sql_outbox import is_open
from lastseen.storage.sql_sizes import table_sizes
from lastseen.storage.sql_ways import REMOVED
from lastseen.storage.sqltools import loaded

SHOWN = 20
"""Of each list."""

WEEK = timedelta(days=7)


def checkup(connection: Connection, now: datetime) -> Checkup:
    """`Insight.checkup`."""
    dead, dead_count = _dead(connection, now)
    there = machines.c.deleted_at.is_(None)
    return Checkup(
        sources=tuple(_sources(connection, now)),
        channels=tuple(_channels(connection)),
        machines=connection.execute(select(func.count()).select_from(machines).where(there)).scalar() or 0,
        unheard=_unheard(connection),
        expired=_keyless(connection, now),
        expiring=_expiring(connection, now),
        expired_keys=_expired_keys(connection, now),
        dead=dead,
        dead_count=dead_count,
        tables=tuple(table_sizes(connection, now)),
    )


# --- sources ----------------------------------------------------------------------------------------------------------


def _sources(connection: Connection, now: datetime) -> Iterable[SourceCheck]:
    alive = {row.source_id: row for row in connection.execute(_LISTENERS)}
    blind = {row.source_id: row for row in connection.execute(_OPEN_BLIND)}
    today = _blind_today(connection, now)
    unplaced = _strangers(connection)
    for row in connection.execute(_SOURCES):
        heard, dark = alive.get(row.id), blind.get(row.id)
        yield SourceCheck(
            name=row.name,
            kind=row.kind,
            alive_at=None if heard is None else heard.alive_at,
            listening=0 if heard is None else heard.listening,
            blind_since=None if dark is None else dark.started_at,
            blind_reason="" if dark is None else dark.reason,
            blind_today=today.get(row.id, {}),
            strangers=tuple(unplaced.get(row.id, ())),
            paused=bool(loaded(row.config).get("paused")),
        )


_SOURCES = (
    select(sources.c.id, sources.c.name, sources.c.kind, sources.c.config)
    .where(sources.c.kind != REMOVED)
    .order_by(sources.c.id)
)
_LISTENERS = select(
    listeners.c.source_id,
    func.max(listeners.c.alive_at).label("alive_at"),
    func.count().filter(listeners.c.left_at.is_(None)).label("listening"),
).group_by(listeners.c.source_id)
_OPEN_BLIND = (
    select(blind_periods.c.source_id, blind_periods.c.started_at, blind_periods.c.reason)
    .where(blind_periods.c.ended_at.is_(None))
    .order_by(blind_periods.c.started_at.desc())
)


def _blind_today(connection: Connection, now: datetime) -> dict[int, dict[str, float]]:
    """Seconds of the last day, by reason; what is still open counts until now."""
    since = now - DAY
    query = select(blind_periods).where(or_(blind_periods.c.ended_at > since, blind_periods.c.ended_at.is_(None)))
    found: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in connection.execute(query.order_by(blind_periods.c.id.desc()).limit(MOST)):
        span = (row.ended_at or now) - max(row.started_at, since)
        found[row.source_id][row.reason] += max(0.0, span.total_seconds())
    return {source: dict(reasons) for source, reasons in found.items()}


def _strangers(connection: Connection) -> dict[int, list[Stranger]]:
    """The newest of them, by source."""
    found: dict[int, list[Stranger]] = defaultdict(list)
    for row in connection.execute(select(strangers).order_by(strangers.c.last_at.desc()).limit(SHOWN * 100)):
        found[row.source_id].append(Stranger(row.kind, row.name, row.heard, row.first_at, row.last_at, row.detail))
    return found


# --- channels, and what was not told ----------------------------------------------------------------------------------


def _channels(connection: Connection) -> Iterable[ChannelCheck]:
    waiting = {row[0]: row[1] for row in connection.execute(_WAITING)}
    due = {row[0]: row[1] for row in connection.execute(FIRST_DUE)}
    for row in connection.execute(_CHANNELS):
        yield ChannelCheck(
            uid=row.uid,
            name=row.name,
            type=row.type,
            enabled=row.enabled,
            disabled_by=row.disabled_by,
            disabled_reason=row.disabled_reason,
            failing_since=row.failing_since,
            ready_at=row.ready_at,
            waiting=waiting.get(row.id, 0),
            due=due.get(row.id),
            detail=_said(connection, row.id) if row.failing_since is not None else "",
        )


_open = select(notifications.c.channel_id).where(is_open(notifications)).limit(MOST).subquery()
_WAITING = select(_open.c.channel_id, func.count()).group_by(_open.c.channel_id)
_CHANNELS = (
    select(channels, channel_state.c.failing_since, channel_state.c.ready_at)
    .outerjoin(channel_state, channel_state.c.channel_id == channels.c.id)
    .where(channels.c.deleted_at.is_(None))
    .order_by(channels.c.id)
)


def _said(connection: Connection, channel: int) -> str:
    """The last thing that went wrong on this channel, looked for among its newest attempts."""
    newest = select(attempts.c.id).order_by(attempts.c.id.desc()).limit(1000).subquery()
    query = (
        select(attempts.c.detail)
        .where(attempts.c.id.in_(select(newest.c.id)), attempts.c.channel_id == channel)
        .where(attempts.c.outcome.in_(("retry", "rejected")), attempts.c.detail.is_not(None))
        .order_by(attempts.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or ""


def _dead(connection: Connection, now: datetime) -> tuple[tuple[Dead, ...], int]:
    """Given up within a week, and not told since by a replay."""
    later = notifications.alias("later")
    told = select(later.c.id).where(
        later.c.event_id == notifications.c.event_id,
        later.c.channel_id == notifications.c.channel_id,
        later.c.state == "delivered",
    )
    query = (
        select(notifications.c.id, notifications.c.reason, notifications.c.finished_at, channels.c.name)
        .add_columns(events.c.type, machines.c.slug)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(events, events.c.id == notifications.c.event_id)
        .outerjoin(machines, machines.c.id == notifications.c.machine_id)
        .where(notifications.c.state == literal_column("'dead'"), notifications.c.finished_at > now - WEEK)
        .where(~told.exists())
    )
    newest = connection.execute(query.order_by(notifications.c.finished_at.desc()).limit(SHOWN))
    shown = tuple(Dead(r.id, r.name, r.reason, r.finished_at, r.type, r.slug) for r in newest)
    if len(shown) < SHOWN:
        return shown, len(shown)
    return shown, _count(connection, query)


def _count(connection: Connection, query: Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(query.limit(MOST).subquery())).scalar() or 0


# --- machines and keys ------------------------------------------------------------------------------------------------


def _named(connection: Connection, query: Select[Any]) -> Named:
    """`query` selects a name and a time."""
    rows = tuple((row[0], row[1]) for row in connection.execute(query.limit(SHOWN)))
    return Named(len(rows) if len(rows) < SHOWN else _count(connection, query), rows)


def _unheard(connection: Connection) -> Named:
    query = (
        select(machines.c.slug, machines.c.created_at)
        .join(liveness, liveness.c.machine_id == machines.c.id)
        .where(liveness.c.status == "provisioning", liveness.c.status != literal_column("'online'"))  # by its index
        .where(liveness.c.last_seen.is_(None), machines.c.enabled)
    )
    return _named(connection, query.order_by(machines.c.created_at))


_OWN = (
    select(machines.c.slug, func.max(api_keys.c.expires_at).label("until"))
    .join(machines, machines.c.id == api_keys.c.machine_id)
    .where(api_keys.c.revoked_at.is_(None), api_keys.c.scope == "machine")
    .where(machines.c.deleted_at.is_(None), machines.c.enabled)
    .group_by(machines.c.id)
    .having(func.count() == func.count(api_keys.c.expires_at))  # none of them is for ever
)


def _keyless(connection: Connection, now: datetime) -> Named:
    """Machines whose own keys have all run out."""
    return _named(connection, _OWN.having(func.max(api_keys.c.expires_at) <= now).order_by("until"))


def _expiring(connection: Connection, now: datetime) -> Named:
    last = func.max(api_keys.c.expires_at)
    return _named(connection, _OWN.having(last > now, last <= now + WEEK).order_by("until"))


def _expired_keys(connection: Connection, now: datetime) -> Named:
    """Of programs and fleets: by label, or by how they begin."""
    name = func.coalesce(func.nullif(api_keys.c.label, ""), api_keys.c.hint)
    query = select(name, api_keys.c.expires_at).where(
        api_keys.c.revoked_at.is_(None), api_keys.c.machine_id.is_(None), api_keys.c.expires_at <= now
    )
    return _named(connection, query.order_by(api_keys.c.expires_at.desc()))
