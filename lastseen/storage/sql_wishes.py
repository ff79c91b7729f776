"""Silences, channels' preferences, and invitations of chats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from lastseen.errors import InvalidInput, NotFound
from lastseen.model import Channel, Invite, Preferences, Silence, matcher_from
from lastseen.model.texts import refuse_unfit
from lastseen.storage.rows import channels, invites, silences
from lastseen.storage.sql_channels import find
from lastseen.storage.sql_held import look_again
from lastseen.storage.sqltools import dumped, is_id, loaded
from lastseen.words import say

AGAIN = timedelta(minutes=2)
"""How long who used an invitation may use it again: after a crash, not to come back when they were removed."""

KEPT = timedelta(days=400)
"""How long silences and invitations stay readable after their end."""

# --- silences ---------------------------------------------------------------------------------------------------------


def tell(connection: Connection, admit: Any, now: datetime) -> None:
    """Whoever decides what may be sent and wants to know is told of the silences as they are now."""
    hear = getattr(admit, "hear", None)
    if hear is not None:
        hear(listed(connection, now))


_LISTED = select(silences).where(silences.c.ends_at > bindparam("now", type_=silences.c.ends_at.type))
_LISTED = _LISTED.order_by(silences.c.id)


def listed(connection: Connection, now: datetime) -> list[Silence]:
    return [as_silence(row) for row in connection.execute(_LISTED, {"now": now})]


def as_silence(row: Any) -> Silence:
    return Silence(row.name, row.starts_at, row.ends_at, matcher_from(loaded(row.matcher)), row.created_by, row.id)


def add(connection: Connection, given: Silence, now: datetime) -> Silence:
    of = given.matcher
    refuse_unfit(name=given.name, created_by=given.created_by)
    refuse_unfit(groups=of.groups, tags=of.tags, kinds=of.kinds, names=of.names, channels=of.channels)
    if given.ends_at <= max(given.starts_at, now):
        raise InvalidInput(say("must be later than its beginning, and than now"), "ends_at")
    connection.execute(delete(silences).where(silences.c.ends_at < now - KEPT))
    values = {
        "name": given.name,
        "starts_at": given.starts_at,
        "ends_at": given.ends_at,
        "matcher": dumped(msgspec.to_builtins(given.matcher)),
        "created_by": given.created_by,
    }
    made = connection.execute(insert(silences).values(values)).inserted_primary_key
    look_again(connection, now)
    row = connection.execute(select(silences).where(silences.c.id == made[0])).one()  # type: ignore[index]
    return as_silence(row)


def end(connection: Connection, silence: int, now: datetime) -> Silence:
    """It holds nothing back any more. One that has not begun is gone."""
    known = select(silences).where(silences.c.id == silence, silences.c.ends_at > now)
    row = connection.execute(known).first() if is_id(silence) else None
    if row is None:
        raise NotFound(say("there is no silence {silence}, or it is over", silence=silence))
    if row.starts_at >= now:
        connection.execute(delete(silences).where(silences.c.id == silence))
    else:
        connection.execute(update(silences).where(silences.c.id == silence).values(ends_at=now))
    look_again(connection, now)
    return as_silence(row)


# --- preferences ------------------------------------------------------------------------------------------------------


def prefer(connection: Connection, channel: str, wishes: Preferences, fallback: str | None, now: datetime) -> Channel:
    mine = find(connection, channel)
    other = None if fallback is None else find(connection, fallback).id
    if other == mine.id:
        raise InvalidInput(say("must be another channel"), "fallback")
    values = {"prefs": dumped(msgspec.to_builtins(wishes)), "fallback_id": other, "version": channels.c.version + 1}
    connection.execute(update(channels).where(channels.c.id == mine.id).values(**values))
    look_again(connection, now)
    return find(connection, channel)


# --- invitations ------------------------------------------------------------------------------------------------------


def invite(
    connection: Connection, digest: str, name: str, config: Mapping[str, Any], expires_at: datetime, now: datetime
) -> Invite:
    refuse_unfit(name=name)
    connection.execute(delete(invites).where(invites.c.expires_at < now - KEPT))
    row = {"digest": digest, "name": name, "config": dumped(config), "created_at": now, "expires_at": expires_at}
    made = connection.execute(insert(invites).values(row)).inserted_primary_key
    return Invite(made[0], name, config, expires_at)  # type: ignore[index]


def accept(connection: Connection, digest: str, by: str, now: datetime) -> Invite | None:
    unused = and_(invites.c.used_at.is_(None), invites.c.expires_at > now)
    again = and_(invites.c.used_by == by, invites.c.used_at > now - AGAIN)
    valid = and_(invites.c.digest == digest, or_(unused, again))
    row = connection.execute(select(invites).where(valid)).first()
    if row is None:
        return None
    if row.used_at is None:
        connection.execute(update(invites).where(invites.c.id == row.id).values(used_at=now, used_by=by))
    return Invite(row.id, row.name, loaded(row.config), row.expires_at, by)


def invited(connection: Connection, invite_id: int) -> Invite | None:
    row = connection.execute(select(invites).where(invites.c.id == invite_id)).first() if is_id(invite_id) else None
    return None if row is None else Invite(row.id, row.name, loaded(row.config), row.expires_at, row.used_by)
