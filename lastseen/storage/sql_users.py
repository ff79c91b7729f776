"""Users. Every change is made alone (`Database.write`), so what is looked at first is still so when it is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from lastseen.errors import Conflict, NotFound
from lastseen.model.outbox import LEFT_BEHIND
from lastseen.model.people import User, check_name, check_role, folded
from lastseen.model.texts import is_fit
from lastseen.storage import sql_channels
from lastseen.storage.rows import api_keys, channels, link_tokens, sessions, users
from lastseen.storage.sqltools import bump, is_id
from lastseen.words import say


def listed(connection: Connection) -> Sequence[User]:
    return [as_user(row) for row in connection.execute(select(users).order_by(users.c.folded))]


def find(connection: Connection, who: int | str) -> tuple[User, str | None] | None:
    row = _row(connection, who)
    return None if row is None else (as_user(row), row.password)


def add(connection: Connection, name: str, role: str, password: str | None, now: datetime) -> User:
    check_name(name)
    check_role(role)
    if _row(connection, name) is not None:
        raise Conflict(say("there is a user {name!r} already", name=name))
    row = {"name": name, "folded": folded(name), "role": role, "password": password, "created_at": now}
    made = connection.execute(insert(users).values(row)).inserted_primary_key
    return read(connection, made[0])  # type: ignore[index]


def change(connection: Connection, user: int, role: str | None, password: str | None, but: int | None) -> User:
    known = read(connection, user)
    if role is not None and role != known.role:
        check_role(role)
        _leave_an_admin(connection, known)
        connection.execute(update(users).where(users.c.id == user).values(role=role))
        bump(connection, "keys_version")
    if password is not None:
        set_password(connection, user, password, but)
    return read(connection, user)


def set_password(connection: Connection, user: int, password: str, but: int | None = None) -> None:
    """Who knew the old one is out, and so are those links."""
    connection.execute(update(users).where(users.c.id == user).values(password=password))
    connection.execute(delete(link_tokens).where(link_tokens.c.user_id == user))
    others = delete(sessions).where(sessions.c.user_id == user)
    connection.execute(others if but is None else others.where(sessions.c.id != but))


def remove(connection: Connection, user: int, now: datetime) -> User:
    """Their channels stay, switched off: as a shared one it would hear of all machines, and nobody has wished that."""
    known = read(connection, user)
    _leave_an_admin(connection, known)
    theirs = select(channels.c.uid).where(channels.c.owner_id == user, channels.c.deleted_at.is_(None))
    for uid in connection.execute(theirs).scalars().all():  # also what is off: whoever stopped it could go on
        sql_channels.switch(connection, uid, False, f"{known.name}{LEFT_BEHIND}", now)
    connection.execute(delete(api_keys).where(api_keys.c.user_id == user))
    connection.execute(delete(users).where(users.c.id == user))
    bump(connection, "keys_version")
    return known


def is_there_an_admin(connection: Connection) -> bool:
    return connection.execute(_admins).scalar_one() > 0


def read(connection: Connection, user: int) -> User:
    row = _row(connection, user)
    if row is None:
        raise NotFound(say("no user {user}", user=user))
    return as_user(row)


def as_user(row: Any, prefix: str = "") -> User:
    """Of a row with the columns of `users`, or with those of `COLUMNS`."""
    values = row._mapping
    return User(
        id=values[f"{prefix}id"],
        name=values[f"{prefix}name"],
        role=values[f"{prefix}role"],
        created_at=values[f"{prefix}created_at"],
        has_password=values[f"{prefix}password"] is not None,
        last_in_at=values[f"{prefix}last_in_at"],
    )


OF = "of_user_"
COLUMNS = [
    users.c[name].label(f"{OF}{name}") for name in ("id", "name", "role", "created_at", "password", "last_in_at")
]
"""For a row that holds something else beside a user: `as_user(row, OF)`."""

_admins = select(func.count()).select_from(users).where(users.c.role == "admin")


def _leave_an_admin(connection: Connection, user: User) -> None:
    if user.role == "admin" and connection.execute(_admins.where(users.c.id != user.id)).scalar_one() == 0:
        raise Conflict(say("{name} is the last admin: make somebody else one first", name=user.name))


def _row(connection: Connection, who: int | str) -> Any:
    if isinstance(who, int):
        return connection.execute(select(users).where(users.c.id == who)).first() if is_id(who) else None
    if not is_fit(who):
        return None
    return connection.execute(select(users).where(users.c.folded == folded(who))).first()
