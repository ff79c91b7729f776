"""Keys, by the SHA-256 of their text."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from lastseen.errors import Conflict, InvalidInput, NotFound, UnknownMachine
from lastseen.protocols import Key, KeyMatch
from lastseen.storage.rows import api_keys, machines
from lastseen.storage.sqltools import bump, meta_value

OVERLAP = timedelta(days=7)
"""How long a replaced key stays valid if the new one is not used."""

SCOPES = ("machine", "fleet", "api", "ping", "push")


def add(
    connection: Connection,
    scope: str,
    digest: str,
    hint: str,
    now: datetime,
    machine_id: int | None,
    label: str,
    expires_at: datetime | None,
    replaces: bool,
) -> Key:
    if scope not in SCOPES:
        raise InvalidInput(f"must be one of {', '.join(SCOPES)}", "scope")
    if scope in ("machine", "push") and machine_id is None:
        raise InvalidInput(f"a {scope} key belongs to a machine", "machine_id")
    if machine_id is not None:
        there = select(machines.c.id).where(machines.c.id == machine_id, machines.c.deleted_at.is_(None))
        if connection.execute(there).scalar() is None:
            raise UnknownMachine(machine_id)
    if connection.execute(select(api_keys.c.id).where(api_keys.c.digest == digest)).scalar() is not None:
        raise Conflict("there is a key with this digest already")
    if replaces and machine_id is not None:
        until = now + OVERLAP
        later = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > until)
        others = update(api_keys).where(_valid(now), api_keys.c.machine_id == machine_id, api_keys.c.scope == scope)
        connection.execute(others.where(later).values(expires_at=until))
    row = {
        "scope": scope,
        "digest": digest,
        "hint": hint,
        "machine_id": machine_id,
        "label": label,
        "created_at": now,
        "expires_at": expires_at,
        "defaults": '{"replaces":true}' if replaces else "{}",
    }
    made = connection.execute(insert(api_keys).values(row)).inserted_primary_key
    bump(connection, "keys_version")
    return _read(connection, made[0])  # type: ignore[index]


def find(connection: Connection, digest: str, now: datetime) -> KeyMatch | None:
    query = (
        select(api_keys, machines.c.enabled, machines.c.deleted_at)
        .outerjoin(machines, machines.c.id == api_keys.c.machine_id)
        .where(api_keys.c.digest == digest, _valid(now), machines.c.deleted_at.is_(None))
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    enabled = True if row.machine_id is None else bool(row.enabled)
    return KeyMatch(_as_key(row), enabled=enabled, fresh=row.first_used_at is None)


def used(connection: Connection, key_id: int, now: datetime) -> None:
    """The first use of a key that replaces others ends those."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    if row is None or row.first_used_at is not None:
        return
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(first_used_at=now))
    if '"replaces":true' in row.defaults:
        older = update(api_keys).where(
            api_keys.c.machine_id == row.machine_id, api_keys.c.scope == row.scope, api_keys.c.id < key_id
        )
        connection.execute(older.where(api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
    bump(connection, "keys_version")


def listed(connection: Connection) -> list[Key]:
    return [_as_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]


def revoke(connection: Connection, key_id: int, now: datetime) -> Key:
    _read(connection, key_id)
    revoked_at = func.coalesce(api_keys.c.revoked_at, now, type_=api_keys.c.revoked_at.type)
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=revoked_at))
    bump(connection, "keys_version")
    return _read(connection, key_id)


def version(connection: Connection) -> int:
    return int(meta_value(connection, "keys_version") or 0)


def _valid(now: datetime) -> Any:
    unexpired = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return api_keys.c.revoked_at.is_(None) & unexpired


def _read(connection: Connection, key_id: int) -> Key:
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    if row is None:
        raise NotFound(f"no key {key_id}")
    return _as_key(row)


def _as_key(row: Any) -> Key:
    return Key(
        id=row.id,
        scope=row.scope,
        hint=row.hint,
        machine_id=row.machine_id,
        label=row.label,
        created_at=row.created_at,
        first_used_at=row.first_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
