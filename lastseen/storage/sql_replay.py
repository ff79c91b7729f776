"""What was given up: listed, and told again, by filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select

from lastseen.errors import UnknownChannel
from lastseen.model.story import GivenUp, Which
from lastseen.storage.rows import channels, events, machines, notifications
from lastseen.storage.sql_history import as_printed, is_of_others, machine_id_of, replay
from lastseen.storage.sqltools import most, visible

MOST = 10_000
"""Rows that are counted."""

DEAD: ColumnElement[str] = literal_column("'dead'")  # as the partial index spells it, or that is not used
_later = notifications.alias("later")
_SAME = (_later.c.event_id == notifications.c.event_id, _later.c.channel_id == notifications.c.channel_id)
_ON_ITS_WAY = exists().where(*_SAME, _later.c.state.in_(("pending", "sending", "delivered")))
_NEWER = exists().where(*_SAME, _later.c.state == DEAD, _later.c.id > notifications.c.id)
_OLDEST = (notifications.c.finished_at, notifications.c.id)
"""The order of the partial index; by id alone SQLite would read them all."""

_REACHABLE = channels.c.enabled & channels.c.deleted_at.is_(None)


def filtered(connection: Connection, query: Select[Any], which: Which) -> Select[Any]:
    """`query` selects from notifications. Raises UnknownChannel, UnknownMachine."""
    if which.channel is not None:
        named = select(channels.c.id).where(channels.c.name == which.channel)
        if which.seen_by is not None:
            named = named.where(visible(channels.c.owner_id, which.seen_by))
        ids = connection.execute(named).scalars().all()
        if not ids:
            raise UnknownChannel(which.channel)
        query = query.where(notifications.c.channel_id.in_(ids))
    if which.machine is not None:
        query = query.where(notifications.c.machine_id == machine_id_of(connection, which.machine))
    if which.ids is not None:
        query = query.where(notifications.c.id.in_(which.ids))
    if which.seen_by is not None:
        theirs = select(channels.c.id).where(visible(channels.c.owner_id, which.seen_by))
        hidden = is_of_others(notifications.c.machine_id, which.seen_by)
        query = query.where(notifications.c.channel_id.in_(theirs), ~hidden)
    return query


def given_up(connection: Connection, which: Which, limit: int) -> GivenUp:
    """`Replays.given_up`."""
    last = _dead(connection, which).where(~_NEWER)
    waiting = last.where(~_ON_ITS_WAY)
    return GivenUp(
        rows=_named(connection, waiting.where(_REACHABLE).order_by(*_OLDEST).limit(most(limit))),
        count=_count(connection, waiting.where(_REACHABLE)),
        again=_count(connection, last.where(_ON_ITS_WAY)),
        off=_count(connection, waiting.where(~_REACHABLE)),
    )


def replay_all(connection: Connection, which: Which, now: datetime, limit: int) -> list[Mapping[str, Any]]:
    """`Replays.replay_dead`."""
    last = _dead(connection, which).where(~_NEWER, ~_ON_ITS_WAY, _REACHABLE).order_by(*_OLDEST)
    ids = connection.execute(last.limit(most(limit))).scalars().all()
    made = [replay(connection, each, now)["id"] for each in sorted(ids)]
    return _named(connection, _all().where(notifications.c.id.in_(made)).order_by(notifications.c.id))


def _all() -> Select[Any]:
    return select(notifications.c.id).join(channels, channels.c.id == notifications.c.channel_id)


def _dead(connection: Connection, which: Which) -> Select[Any]:
    query = filtered(connection, _all().where(notifications.c.state == DEAD), which)
    return query if which.since is None else query.where(notifications.c.finished_at >= which.since)


def _count(connection: Connection, query: Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(query.limit(MOST).subquery())).scalar_one()


def _named(connection: Connection, query: Select[Any]) -> list[Mapping[str, Any]]:
    """As they are printed, with the names of what they are about."""
    rows = (
        select(notifications, channels.c.name, machines.c.slug, events.c.type)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(events, events.c.id == notifications.c.event_id)
        .outerjoin(machines, machines.c.id == notifications.c.machine_id)
        .where(notifications.c.id.in_(query))
        .order_by(notifications.c.id)
    )
    return [named(row) for row in connection.execute(rows)]


def named(row: Any) -> dict[str, Any]:
    return {**as_printed(row), "channel": row.name, "machine": row.slug, "type": row.type}


def listed(connection: Connection, which: Which, state: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """`Replays.told`."""
    ids = filtered(connection, select(notifications.c.id), which)
    if state is not None:
        ids = ids.where(notifications.c.state == (DEAD if state == "dead" else state))
    if which.since is not None and state == "dead":
        ids = ids.where(notifications.c.finished_at >= which.since)
    elif which.since is not None:
        ids = ids.where(func.coalesce(notifications.c.finished_at, notifications.c.created_at) >= which.since)
    newest = _OLDEST if state == "dead" else (notifications.c.id,)
    return _named(connection, ids.order_by(*(column.desc() for column in newest)).limit(most(limit)))[::-1]
