"""What a message told of, found by the notifications that it delivered. Read by the indexes of events and attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, literal_column, select

from lastseen.model import Acked, Delivery, Event, EventType, Incident
from lastseen.storage.rows import as_notification, attempt_items, channels, events, notifications
from lastseen.storage.sql_deliveries import Incidents, Told, read_events
from lastseen.storage.sql_outbox import ROWS
from lastseen.storage.sqltools import chunks, several

TOGETHER = timedelta(minutes=5)
"""For so long a message about a group grows (`lastseen.notifiers.storms.OPEN_FOR`)."""

MOST = 5_000
"""Notifications that one message is looked for in."""

_first = events.alias("first_of_incident")
_DELIVERED = (
    (notifications.c.channel_id == bindparam("channel"))
    & (notifications.c.state == literal_column("'delivered'"))
    & notifications.c.receipt.is_not(None)
    & (events.c.severity == literal_column("'alert'"))
)
_NEWEST = (
    select(notifications.c.id, events.c.at)
    .select_from(_first)
    .join(events, events.c.incident_id == _first.c.id)
    .join(notifications, notifications.c.event_id == events.c.id)
    .where(_first.c.uid == bindparam("incident"), _DELIVERED)
    .order_by(notifications.c.id.desc())
    .limit(1)
)
_mine = attempt_items.alias("mine")
_WITH_IT = (
    select(attempt_items.c.notification_id)
    .join(_mine, _mine.c.attempt_id == attempt_items.c.attempt_id)
    .where(_mine.c.notification_id == bindparam("newest"))
)
_NEAR = (
    select(notifications.c.id)
    .join(events, events.c.id == notifications.c.event_id)
    .where(_DELIVERED, events.c.type == EventType.OFFLINE.value)
    .where(events.c.at.between(bindparam("since"), bindparam("until")))
    .order_by(notifications.c.id.desc())
    .limit(MOST)
)
_ROWS = ROWS.where(_DELIVERED, notifications.c.id.in_(several()))


def spoken(connection: Connection, channel: str, incident: str) -> list[Delivery]:
    """`Spoken.spoken`."""
    channel_id = connection.execute(select(channels.c.id).where(channels.c.uid == channel)).scalar()
    newest = connection.execute(_NEWEST, {"channel": channel_id, "incident": incident}).first()
    if newest is None or channel_id is None:
        return []
    span = {"since": newest.at - TOGETHER, "until": newest.at + TOGETHER}
    ids = set(connection.execute(_WITH_IT, {"newest": newest.id}).scalars())
    ids |= set(connection.execute(_NEAR, {"channel": channel_id, **span}).scalars())
    rows: list[Any] = []
    for some in chunks(sorted({*ids, newest.id})):
        rows += connection.execute(_ROWS, {"channel": channel_id, "several": some})
    known = read_events(connection, {row.event_id for row in rows})
    told, incidents = (
        Told(connection, channel_id, list(known.values())),
        Incidents(connection, channel_id, known.values()),
    )
    rows.sort(key=lambda row: (row.id == newest.id, row.id))
    return [_delivery(row, channel, known[row.event_uid], told, incidents) for row in rows]


def _delivery(row: Any, channel: str, event: Event, told: Told, incidents: Incidents) -> Delivery:
    identity = {"event": row.event_uid, "channel": channel, "incident": row.incident_uid}
    acked = _acked(incidents.of(event))
    return Delivery(as_notification(row, identity), event, told.outage(event), None, acked)


def _acked(incident: Incident) -> Acked | None:
    return None if incident.acked_at is None else Acked(incident.acked_by or "somebody", incident.acked_at)
