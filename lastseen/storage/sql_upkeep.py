"""What nobody looks at any more comes to an end here: rows of channels that no process speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from lastseen.model import NotificationState
from lastseen.storage.fold import EXPIRED
from lastseen.storage.rows import channel_state, channels, leases, notifications
from lastseen.storage.sql_outbox import PENDING, SENDING, close_lost, is_open
from lastseen.storage.sqltools import chunks

AT_ONCE = 1000
"""Rows that one transaction ends: the others come with the next."""


def left_over(connection: Connection, now: datetime) -> bool:
    """Whether there is anything to tidy. Needs no write lock."""
    return bool(_expired(connection, now, 1) or _abandoned(connection, now, 1))


def tidy(connection: Connection, now: datetime) -> int:
    """`Upkeep.tidy`, in the caller's transaction."""
    abandoned = _abandoned(connection, now, AT_ONCE)
    close_lost(connection, [row.id for row in abandoned], now)
    off = [row for row in abandoned if not row.enabled]
    for reason in {row.disabled_reason for row in off}:
        why = f"channel disabled: {reason or 'by a person'}"
        ids = [row.id for row in off if row.disabled_reason == reason]
        _end(connection, ids, NotificationState.CANCELLED, why, now)
    expired = [*_expired(connection, now, AT_ONCE), *(row.id for row in abandoned if row.enabled)]
    _end(connection, expired, NotificationState.DEAD, EXPIRED, now)
    return len(off) + len(expired)


def newest_token(connection: Connection) -> int:
    """`Upkeep.newest_token`."""
    newest = select(func.max(notifications.c.lease_token)).where(SENDING)
    return connection.execute(newest).scalar() or 0


def _expired(connection: Connection, now: datetime, limit: int) -> Sequence[int]:
    query = select(notifications.c.id).where(is_open(notifications), PENDING, notifications.c.expires_at <= now)
    return connection.execute(query.limit(limit)).scalars().all()


def _abandoned(connection: Connection, now: datetime, limit: int) -> Sequence[Any]:
    """What is `sending` though nobody holds the lease that it was taken under, and nobody will take it up: its channel
    is off, or its time is over."""
    nobody: ColumnElement[bool] = or_(
        leases.c.name.is_(None), leases.c.until <= now, leases.c.token > notifications.c.lease_token
    )
    query = (
        select(notifications.c.id, channels.c.enabled, channels.c.disabled_reason)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(channel_state, channel_state.c.channel_id == channels.c.id)
        .outerjoin(leases, leases.c.name == channel_state.c.lane)
        .where(and_(SENDING, nobody, or_(~channels.c.enabled, notifications.c.expires_at <= now)))
    )
    return connection.execute(query.limit(limit)).fetchall()


def _end(connection: Connection, ids: Sequence[int], state: NotificationState, reason: str, now: datetime) -> None:
    for some in chunks(ids):
        rows = update(notifications).where(notifications.c.id.in_(some), is_open(notifications))
        connection.execute(rows.values(state=state.value, reason=reason, finished_at=now, lease_token=None))
