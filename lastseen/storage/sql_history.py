"""Reading back: field names as the command line and the API print them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, insert, select

from lastseen.clock import rfc3339
from lastseen.errors import Conflict, NotFound, UnknownMachine
from lastseen.model import KNOWN_SLUG, MachineRef, NotificationState, notification_uid
from lastseen.model.fate import fate
from lastseen.storage.fold import last_line
from lastseen.storage.rows import channels, events, machines, notifications, runs
from lastseen.storage.sql_outbox import is_open
from lastseen.storage.sqltools import GREATEST_NUMBER, is_id, most, visible
from lastseen.words import say

TOLD_FOR = timedelta(hours=76)

_its = machines.alias("its")


def read_events(connection: Connection, machine: MachineRef | None, type_: str | None, limit: int) -> list[Any]:
    query = select(events, machines.c.slug).outerjoin(machines, machines.c.id == events.c.machine_id)
    if machine is not None:
        query = query.where(events.c.machine_id == machine_id_of(connection, machine))
    if type_ is not None:
        query = query.where(events.c.type == type_)
    newest = query.order_by(events.c.id.desc()).limit(most(limit))
    return [as_event_printed(row) for row in connection.execute(newest)]


def as_event_printed(row: Any) -> dict[str, Any]:
    """`row`: an event, with the `slug` of its machine."""
    return {
        "id": row.id,
        "uid": row.uid,
        "type": row.type,
        "severity": row.severity,
        "machine_id": row.machine_id,
        "machine": row.slug,
        "seq": row.seq,
        "at": rfc3339(row.at),
        "previous_status": row.previous_status,
        "status": row.status,
        "reason": row.reason,
        "last_seen": rfc3339(row.last_seen),
        "incident_id": row.incident_id,
    }


def read_runs(connection: Connection, machine: MachineRef, limit: int) -> list[Any]:
    newest = func.coalesce(runs.c.ended_at, runs.c.started_at).desc()
    mine = select(runs).where(runs.c.machine_id == machine_id_of(connection, machine))
    return [_as_run(row) for row in connection.execute(mine.order_by(newest, runs.c.id.desc()).limit(most(limit)))]


def _as_run(row: Any) -> dict[str, Any]:
    whole = row.started_at is not None and row.ended_at is not None
    return {
        "run": row.run,
        "started_at": rfc3339(row.started_at),
        "ended_at": rfc3339(row.ended_at),
        "seconds": (row.ended_at - row.started_at).total_seconds() if whole else None,
        "outcome": row.outcome,
        "exit_code": row.exit_code,
        "last_line": last_line(row.output),
        "output": row.output,
    }


def machine_id_of(connection: Connection, ref: MachineRef) -> int:
    """Removed machines have a history too: of a slug that was used again, the newest."""
    if not (KNOWN_SLUG.fullmatch(ref) if isinstance(ref, str) else is_id(ref)):
        raise UnknownMachine(ref)  # PostgreSQL would not even take it
    named = select(machines.c.id).where((machines.c.slug if isinstance(ref, str) else machines.c.id) == ref)
    there = named.where(machines.c.deleted_at.is_(None))  # the index on slugs is of these alone
    removed = named.where(machines.c.deleted_at.is_not(None)).order_by(machines.c.id.desc()).limit(1)
    for query in (there, removed):
        machine_id: int | None = connection.execute(query).scalar()
        if machine_id is not None:
            return machine_id
    raise UnknownMachine(ref)


def is_of_others(machine: ColumnElement[Any], user: int) -> ColumnElement[bool]:
    """Whether the machine with this id, if there is one, is not for this user (0: nobody) to see. Asked of one row
    after the other: a list of all machines of others would be made for each question."""
    return exists().where(_its.c.id == machine, ~visible(_its.c.owner_id, user))


def read_notifications(connection: Connection, state: NotificationState | None, limit: int) -> list[Any]:
    query = select(notifications)
    if state is not None:
        query = query.where(notifications.c.state == state.value)
    return [as_printed(row) for row in connection.execute(query.order_by(notifications.c.id.desc()).limit(most(limit)))]


def as_printed(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "uid": row.uid,
        "event_id": row.event_id,
        "channel_id": row.channel_id,
        **fate(row),
    }


def replay(connection: Connection, notification: int, now: datetime) -> dict[str, Any]:
    query = (
        select(notifications, events.c.uid.label("event_uid"), channels.c.uid.label("channel_uid"))
        .add_columns(channels.c.name, channels.c.enabled, channels.c.deleted_at)
        .join(events, events.c.id == notifications.c.event_id)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .where(notifications.c.id == notification)
    )
    row = connection.execute(query).first() if 0 < notification <= GREATEST_NUMBER else None
    if row is None:
        raise NotFound(say("no notification {notification}", notification=notification))
    if row.deleted_at is not None:
        raise Conflict(say("its channel {name!r} was removed", name=row.name))
    if not row.enabled:
        raise Conflict(say("its channel {name!r} is disabled: enable it first", name=row.name))
    same = (notifications.c.event_id == row.event_id, notifications.c.channel_id == row.channel_id)
    waits = select(notifications).where(*same, notifications.c.cause == "replay", is_open(notifications)).limit(1)
    waiting = connection.execute(waits).first()
    if waiting is not None:
        return as_printed(waiting)  # asked twice, told once
    occasion = (connection.execute(select(func.max(notifications.c.occasion)).where(*same)).scalar() or 0) + 1
    values = {
        "uid": notification_uid(row.event_uid, row.channel_uid, occasion),
        "event_id": row.event_id,
        "channel_id": row.channel_id,
        "machine_id": row.machine_id,
        "occasion": occasion,
        "cause": "replay",
        "due_at": now,
        "created_at": now,
        "expires_at": now + TOLD_FOR,
    }
    made = connection.execute(insert(notifications).values(values)).inserted_primary_key
    new_id = made[0]  # type: ignore[index]
    return as_printed(connection.execute(select(notifications).where(notifications.c.id == new_id)).one())
