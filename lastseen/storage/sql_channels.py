"""Channels as rows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from lastseen.errors import Conflict, InvalidInput, UnknownChannel
from lastseen.model import Channel, NotificationState, code_channel_uid
from lastseen.model.texts import refuse_unfit
from lastseen.storage.rows import channel_state, channels, events, liveness, notifications
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql_cases import all_channels
from lastseen.storage.sql_finish import end_all
from lastseen.storage.sql_outbox import PENDING
from lastseen.storage.sqltools import dumped, loaded
from lastseen.words import say


def add(
    connection: Connection,
    box: SecretBox,
    type_: str,
    name: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    lane: str,
    now: datetime,
    owner: int | None = None,
) -> Channel:
    refuse_unfit(name=name)
    if not name.strip():
        raise InvalidInput(say("must not be empty"), "name")
    name_is_free(connection, name)
    sealed = box.seal(connection, secrets) if secrets else None
    return _insert(connection, str(uuid.uuid4()), type_, name, dumped(config), sealed, lane, now, owner)


def code(connection: Connection, name: str, lane: str, now: datetime) -> Channel:
    """The one of this durable name; a removed one is there again."""
    refuse_unfit(name=name)
    uid = code_channel_uid(name)
    row = connection.execute(select(channels.c.id, channels.c.deleted_at).where(channels.c.uid == uid)).first()
    if row is None:
        name_is_free(connection, name)
        return _insert(connection, uid, "code", name, "{}", None, lane, now)
    if row.deleted_at is not None:
        name_is_free(connection, name)
        connection.execute(update(channels).where(channels.c.id == row.id).values(deleted_at=None))
    moved = update(channel_state).where(channel_state.c.channel_id == row.id, channel_state.c.lane != lane)
    connection.execute(moved.values(lane=lane))
    return find(connection, uid)


def name_is_free(connection: Connection, name: str) -> None:
    """Raises Conflict."""
    taken = select(channels.c.type).where(channels.c.name == name, channels.c.deleted_at.is_(None))
    type_ = connection.execute(taken).scalar()
    if type_ is not None:
        raise Conflict(say("there is a channel {name!r} already (a {type} channel)", name=name, type=type_))


def _insert(
    connection: Connection,
    uid: str,
    type_: str,
    name: str,
    config: str,
    sealed: str | None,
    lane: str,
    now: datetime,
    owner: int | None = None,
) -> Channel:
    row: dict[str, Any] = {"uid": uid, "type": type_, "name": name, "config": config, "secrets": sealed}
    row |= {"created_at": now, "owner_id": owner}
    made = connection.execute(insert(channels).values(row)).inserted_primary_key
    connection.execute(insert(channel_state).values(channel_id=made[0], lane=lane))  # type: ignore[index]
    return find(connection, uid)


def find(connection: Connection, uid: str) -> Channel:
    """Raises UnknownChannel."""
    for channel in all_channels(connection):
        if channel.uid == uid:
            return channel
    raise UnknownChannel(uid)


def secrets(connection: Connection, box: SecretBox, uid: str) -> dict[str, str]:
    query = select(channels.c.secrets).where(channels.c.uid == uid, channels.c.deleted_at.is_(None))
    row = connection.execute(query).first()
    if row is None:
        raise UnknownChannel(uid)
    return {} if row[0] is None else box.unseal(row[0])


def switch(connection: Connection, uid: str, enabled: bool, reason: str | None, now: datetime) -> Channel:
    refuse_unfit(reason=reason)
    channel = find(connection, uid)
    if enabled:
        values: dict[str, Any] = {"enabled": True, "disabled_by": None, "disabled_reason": None}
        healthy = update(channel_state).where(channel_state.c.channel_id == channel.id)
        connection.execute(healthy.values(failures=0, failing_since=None, ready_at=None))
    else:
        values = {"enabled": False, "disabled_by": "person", "disabled_reason": reason}
        why = f"channel disabled: {reason or 'by a person'}"
        end_all(connection, channel.id, NotificationState.CANCELLED, why, now)
    change = update(channels).where(channels.c.id == channel.id)
    connection.execute(change.values(**values, version=channels.c.version + 1))
    return find(connection, uid)


def remove(connection: Connection, uid: str, now: datetime) -> None:
    """Its secrets go at once; what was told through it stays in the history."""
    channel = find(connection, uid)
    connection.execute(update(channels).where(channels.c.id == channel.id).values(deleted_at=now, secrets=None))
    reason = "its channel was removed"
    end_all(connection, channel.id, NotificationState.CANCELLED, reason, now, ("pending", "sending"))


def rename(connection: Connection, uid: str, name: str) -> Channel:
    """What it was told is its own by its id, and stays."""
    refuse_unfit(name=name)
    if not name.strip():
        raise InvalidInput(say("must not be empty"), "name")
    channel = find(connection, uid)
    if name != channel.name:
        name_is_free(connection, name)
        renamed = update(channels).where(channels.c.id == channel.id)
        connection.execute(renamed.values(name=name, version=channels.c.version + 1))
    return find(connection, uid)


def give(connection: Connection, uid: str, owner: int | None) -> Channel:
    """To this user, or to everybody."""
    channel = find(connection, uid)
    given = update(channels).where(channels.c.id == channel.id)
    connection.execute(given.values(owner_id=owner, version=channels.c.version + 1))
    return find(connection, uid)


def change(
    connection: Connection,
    box: SecretBox,
    uid: str,
    changes: Mapping[str, Any],
    now: datetime,
    given: Mapping[str, str] | None,
) -> Channel:
    channel = find(connection, uid)
    config = connection.execute(select(channels.c.config).where(channels.c.id == channel.id)).scalar() or "{}"
    values: dict[str, Any] = {"config": dumped({**loaded(config), **changes})}
    if given is not None:
        values["secrets"] = box.seal(connection, given)
    changed = update(channels).where(channels.c.id == channel.id)
    connection.execute(changed.values(**values, version=channels.c.version + 1))
    _begin_afresh(connection, channel.id, now)
    return find(connection, uid)


def _begin_afresh(connection: Connection, channel_id: int, now: datetime) -> None:
    """The trouble was with where it sent before: what waits is tried at once, and what was said there cannot be edited
    or answered here."""
    healthy = update(channel_state).where(channel_state.c.channel_id == channel_id)
    connection.execute(healthy.values(failures=0, failing_since=None, ready_at=None))
    its = notifications.c.channel_id == channel_id
    waits = (its, PENDING, notifications.c.attempts > 0, notifications.c.due_at > now)
    connection.execute(update(notifications).where(*waits).values(due_at=now))
    opened = select(events.c.id).where(
        events.c.uid.in_(select(liveness.c.incident).where(liveness.c.incident.is_not(None)))
    )
    of_them = select(events.c.id).where(events.c.incident_id.in_(opened))
    said = update(notifications).where(its, notifications.c.event_id.in_(of_them), notifications.c.receipt.is_not(None))
    connection.execute(said.values(receipt=None))
