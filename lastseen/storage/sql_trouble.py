"""Channels that have failed for a while: who is to be told of it, and what goes to their fallbacks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select

from lastseen.model import Cause, Channel, Notification, NotificationState, Severity, Trouble, notification_uid
from lastseen.storage.rows import attempts, channel_state, channels, events, notifications
from lastseen.storage.sql_cases import all_channels
from lastseen.storage.sql_deliveries import Incidents, read_events
from lastseen.storage.sql_history import is_of_others
from lastseen.storage.sql_outbox import PENDING, ROWS, is_open
from lastseen.storage.sql_verdicts import write_notifications

AT_ONCE = 500
"""Notifications that one transaction gives to a fallback: the others come with the next."""

TOLD_FOR = timedelta(hours=76)

_FAILING = (
    select(channels.c.uid, channel_state.c.failing_since)
    .join(channel_state, channel_state.c.channel_id == channels.c.id)
    .where(channels.c.deleted_at.is_(None), channels.c.enabled, channel_state.c.failures > 0)
    .where(channel_state.c.failing_since <= bindparam("before"))
)
_LAST_WORD = (
    select(attempts.c.detail)
    .where(attempts.c.channel_id == bindparam("channel"), attempts.c.outcome == literal_column("'retry'"))
    .order_by(attempts.c.id.desc())
    .limit(1)
)


def troubled(connection: Connection, now: datetime, after: timedelta) -> list[Trouble]:
    known = {channel.uid: channel for channel in all_channels(connection)}
    found = []
    for uid, since in connection.execute(_FAILING, {"before": now - after}).all():
        channel = known[uid]
        waiting = select(func.count()).where(notifications.c.channel_id == channel.id, is_open(notifications))
        said = connection.execute(_LAST_WORD, {"channel": channel.id}).scalar() or ""
        found.append(Trouble(channel, since, connection.execute(waiting).scalar() or 0, said))
    return found


def fall_back(connection: Connection, now: datetime) -> int:
    known = {channel.uid: channel for channel in all_channels(connection)}
    made = 0
    for trouble in troubled(connection, now, timedelta(0)):
        other = known.get(trouble.channel.fallback or "")
        due = trouble.since + timedelta(seconds=trouble.channel.prefs.fallback_after) <= now
        if other is not None and other.enabled and due:
            made += _give(connection, trouble.channel, other, now)
    return made


_there = notifications.alias("there")
_ALREADY = select(_there.c.id).where(
    _there.c.event_id == notifications.c.event_id,
    _there.c.channel_id == bindparam("other"),
    _there.c.state.in_(["pending", "sending", "delivered"]),
)
_WAITING = (
    ROWS.where(notifications.c.channel_id == bindparam("channel"), is_open(notifications), PENDING)
    .where(notifications.c.cause == Cause.FIRST.value, events.c.severity == Severity.ALERT.value)
    .where(~_ALREADY.exists())
    .order_by(notifications.c.id)
    .limit(AT_ONCE)
)


def _give(connection: Connection, channel: Channel, other: Channel, now: datetime) -> int:
    given = {"channel": channel.id, "other": other.id}
    rows: Sequence[Any] = connection.execute(_heard_by(other), given).all()
    known = read_events(connection, {row.event_id for row in rows})
    incidents = Incidents(connection, channel.id, known.values())
    made = []
    for row in rows:
        event = known[row.event_uid]
        if incidents.of(event).over is None:
            made.append((row.event_id, _row(connection, row, event.uid, other, now)))
    write_notifications(connection, [one for _, one in made], {one.event: event_id for event_id, one in made})
    return len(made)


def _heard_by(other: Channel) -> Select[Any]:
    """Of what waits, what the fallback may hear of."""
    if other.owner_id is None:
        return _WAITING
    return _WAITING.where(~is_of_others(notifications.c.machine_id, other.owner_id))


def _row(connection: Connection, row: Any, event: str, other: Channel, now: datetime) -> Notification:
    mine = (notifications.c.event_id == row.event_id, notifications.c.channel_id == other.id)
    last = connection.execute(select(func.max(notifications.c.occasion)).where(*mine)).scalar()
    occasion = 0 if last is None else last + 1
    return Notification(
        uid=notification_uid(event, other.uid, occasion),
        event=event,
        channel=other.uid,
        machine_id=row.machine_id,
        incident=row.incident_uid,
        occasion=occasion,
        cause=Cause.FALLBACK,
        state=NotificationState.PENDING,
        due_at=now,
        created_at=now,
        expires_at=now + TOLD_FOR,
        while_open=True,
    )
