"""Who is logged in, and one-time links."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, false, insert, or_, select, update

from lastseen.errors import Conflict, NotFound
from lastseen.model.directory import Place
from lastseen.model.people import Session, User
from lastseen.storage import sql_users
from lastseen.storage.rows import link_tokens, sessions, users
from lastseen.storage.sqltools import is_id
from lastseen.words import say

SETUP = "setup"

AHEAD = timedelta(days=1)
"""What was made later than that was made by a clock that was wrong: it would last until then, and longer."""


def begin(
    connection: Connection, user: int, digest: str, now: datetime, until: datetime, address: str, agent: str
) -> Session:
    sql_users.read(connection, user)
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    row = {"user_id": user, "digest": digest, "created_at": now, "used_at": now, "expires_at": until}
    made = connection.execute(insert(sessions).values(row | {"address": address, "agent": agent})).inserted_primary_key
    came(connection, user, now)
    return _as_session(connection.execute(select(sessions).where(sessions.c.id == made[0])).one())  # type: ignore[index]


def came(connection: Connection, user: int, now: datetime) -> None:
    if is_id(user):
        connection.execute(update(users).where(users.c.id == user).values(last_in_at=now))


def find(connection: Connection, digest: str, now: datetime) -> tuple[Session, User] | None:
    row = connection.execute(_valid(now).where(sessions.c.digest == digest)).first()
    return None if row is None else _whose(row)


def used(connection: Connection, session: int, now: datetime, until: datetime) -> None:
    if is_id(session):
        connection.execute(update(sessions).where(sessions.c.id == session).values(used_at=now, expires_at=until))


def listed(
    connection: Connection, user: int | None, now: datetime, after: Place | None, limit: int | None
) -> Sequence[tuple[Session, User]]:
    found = _valid(now).order_by(sessions.c.used_at.desc(), sessions.c.id.desc()).limit(limit)
    if after is not None:
        used_at, id_ = after
        found = found.where(or_(sessions.c.used_at < used_at, (sessions.c.used_at == used_at) & (sessions.c.id < id_)))
    if user is not None:
        found = found.where(sessions.c.user_id == user if is_id(user) else false())
    return [_whose(row) for row in connection.execute(found)]


def end(connection: Connection, user: int | None, session: int | None, but: int | None) -> int:
    if any(given is not None and not is_id(given) for given in (user, session)) or (user is None and session is None):
        return 0
    which = delete(sessions)
    if user is not None:
        which = which.where(sessions.c.user_id == user)
    if session is not None:
        which = which.where(sessions.c.id == session)
    if but is not None and is_id(but):
        which = which.where(sessions.c.id != but)
    return connection.execute(which).rowcount


def _valid(now: datetime) -> Any:
    both = select(sessions, *sql_users.COLUMNS).join(users, users.c.id == sessions.c.user_id)
    return both.where(sessions.c.expires_at > now, sessions.c.created_at <= now + AHEAD)


def _whose(row: Any) -> tuple[Session, User]:
    return _as_session(row), sql_users.as_user(row, sql_users.OF)


def _as_session(row: Any) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
        address=row.address,
        agent=row.agent,
    )


# --- links ------------------------------------------------------------------------------------------------------------


def add_link(
    connection: Connection, purpose: str, digest: str, user: int | None, now: datetime, until: datetime
) -> None:
    old = link_tokens.c.expires_at <= now
    if user is not None:
        sql_users.read(connection, user)
        old = or_(old, link_tokens.c.user_id == user)
    elif sql_users.is_there_an_admin(connection):
        raise Conflict(SET_UP)
    connection.execute(delete(link_tokens).where(old))
    row = {"purpose": purpose, "digest": digest, "user_id": user, "created_at": now, "expires_at": until}
    connection.execute(insert(link_tokens).values(row))


def link(connection: Connection, purpose: str, digest: str, now: datetime) -> User | bool | None:
    row = _valid_link(connection, purpose, digest, now)
    if row is None or (row.user_id is None and sql_users.is_there_an_admin(connection)):
        return False
    return None if row.user_id is None else sql_users.read(connection, row.user_id)


def use_link(connection: Connection, purpose: str, digest: str, name: str, password: str, now: datetime) -> User:
    row = _valid_link(connection, purpose, digest, now)
    if row is None:
        raise NotFound(say("this link is not valid any more: it was used, or replaced, or its time is over"))
    if row.user_id is not None:
        sql_users.set_password(connection, row.user_id, password)
        return sql_users.read(connection, row.user_id)
    if sql_users.is_there_an_admin(connection):
        raise Conflict(SET_UP)
    made = sql_users.add(connection, name, "admin", password, now)
    connection.execute(delete(link_tokens).where(link_tokens.c.purpose == SETUP))
    return made


SET_UP = say("there is an admin already: `lastseen users reset-password NAME` lets them in again")


def _valid_link(connection: Connection, purpose: str, digest: str, now: datetime) -> Any:
    valid = select(link_tokens).where(
        *(link_tokens.c.purpose == purpose, link_tokens.c.digest == digest),
        *(link_tokens.c.expires_at > now, link_tokens.c.created_at <= now + AHEAD),
    )
    return connection.execute(valid).first()
