"""Keys, by the SHA-256 of their text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, false, func, insert, or_, select, text, update

from lastseen.errors import Conflict, InvalidInput, NotFound, UnknownMachine
from lastseen.model import MachineRef
from lastseen.model.keys import MAY, READ, Key, KeyMatch, OutOfService, ShownKey
from lastseen.model.texts import refuse_unfit
from lastseen.storage import sql_users
from lastseen.storage.rows import api_keys, liveness, machines, users
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sqltools import bump, chunks, dumped, is_id, loaded, meta_value, most, several
from lastseen.words import say

OVERLAP = timedelta(days=7)
"""How long a replaced key stays valid if the new one is not used."""

_REPLACES, _TEXT = "replaces", "text"
SCOPES = ("machine", "fleet", "api", "ping", "push")


class New(NamedTuple):
    """What `Keys.add_key` was given."""

    scope: str
    digest: str
    hint: str
    now: datetime
    machine_id: int | None
    label: str
    expires_at: datetime | None
    replaces: bool
    defaults: Mapping[str, Any]
    shown: str | None
    user_id: int | None = None
    may: str | None = None


def add(connection: Connection, box: SecretBox, new: New) -> Key:
    _check(connection, new)
    if new.replaces and new.machine_id is not None:
        _shorten(connection, new)
    row = {
        "scope": new.scope,
        "digest": new.digest,
        "hint": new.hint,
        "machine_id": new.machine_id,
        "label": new.label,
        "created_at": new.now,
        "expires_at": new.expires_at,
        "defaults": dumped({**new.defaults, **({_REPLACES: True} if new.replaces else {})}),
        "user_id": new.user_id,
        "may": (new.may or READ) if new.scope == "api" else None,
        "shown_cipher": None if new.shown is None else box.seal(connection, {_TEXT: new.shown}),
    }
    made = connection.execute(insert(api_keys).values(row)).inserted_primary_key
    bump(connection, "keys_version")
    return _read(connection, made[0])  # type: ignore[index]


def _check(connection: Connection, new: New) -> None:
    if new.scope not in SCOPES:
        raise InvalidInput(say("must be one of {scopes}", scopes=", ".join(SCOPES)), "scope")
    if new.scope in ("machine", "push") and new.machine_id is None:
        raise InvalidInput(say("a {scope} key belongs to a machine", scope=new.scope), "machine_id")
    if new.shown is not None and new.scope not in ("ping", "push"):
        raise InvalidInput(say("the text of a {scope} key is not kept", scope=new.scope), "shown")
    if new.may not in (None, *MAY) or (new.may is not None and new.scope != "api"):
        raise InvalidInput(say("must be one of {may}, of an api key", may=", ".join(MAY)), "may")
    if new.user_id is not None:
        sql_users.read(connection, new.user_id)
    refuse_unfit(label=new.label)
    if new.machine_id is not None:
        there = select(machines.c.id).where(machines.c.id == new.machine_id, machines.c.deleted_at.is_(None))
        if not is_id(new.machine_id) or connection.execute(there).scalar() is None:
            raise UnknownMachine(new.machine_id)
    if connection.execute(select(api_keys.c.id).where(api_keys.c.digest == new.digest)).scalar() is not None:
        raise Conflict(say("there is a key with this digest already"))


def _shorten(connection: Connection, new: New) -> None:
    """The keys that this one replaces end some day even if it is never used."""
    until = new.now + OVERLAP
    later = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > until)
    same = (api_keys.c.machine_id == new.machine_id) & (api_keys.c.scope == new.scope)
    connection.execute(update(api_keys).where(_valid(new.now), same, later).values(expires_at=until))


def find(connection: Connection, digest: str, now: datetime) -> KeyMatch | None:
    query = (
        select(api_keys, machines.c.enabled, machines.c.deleted_at, *sql_users.COLUMNS)
        .outerjoin(machines, machines.c.id == api_keys.c.machine_id)
        .outerjoin(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.digest == digest, _valid(now), machines.c.deleted_at.is_(None))
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    enabled = True if row.machine_id is None else bool(row.enabled)
    user = None if row.user_id is None else sql_users.as_user(row, sql_users.OF)
    return KeyMatch(_as_key(row), enabled=enabled, fresh=row.first_used_at is None, user=user)


def used(connection: Connection, key_id: int, now: datetime) -> None:
    """The first use of a key that replaces others ends those."""
    row = _row(connection, key_id)
    if row is None or row.first_used_at is not None:
        return
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(first_used_at=now, last_used_at=now))
    if loaded(row.defaults).get(_REPLACES):
        older = update(api_keys).where(
            api_keys.c.machine_id == row.machine_id, api_keys.c.scope == row.scope, api_keys.c.id < key_id
        )
        connection.execute(older.where(api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
    bump(connection, "keys_version")


_used_at = bindparam("used_at", type_=api_keys.c.last_used_at.type)
_USED_AGAIN = (
    update(api_keys)
    .where(
        api_keys.c.id == bindparam("key_id"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < _used_at),
    )
    .values(last_used_at=_used_at)
)


def used_again(connection: Connection, used_at: Mapping[int, datetime]) -> None:
    """By rising id: of two processes that write at once neither waits for the other in a circle."""
    rows = [{"key_id": key_id, "used_at": at} for key_id, at in sorted(used_at.items()) if is_id(key_id)]
    if rows:
        connection.execute(_USED_AGAIN, rows)


def listed(connection: Connection, of_machines: bool, user: int | None, after: int, limit: int | None) -> list[Key]:
    query = select(api_keys).order_by(api_keys.c.id)
    if after:
        query = query.where(api_keys.c.id > after if is_id(after) else false())
    if limit is not None:
        query = query.limit(most(limit))
    if not of_machines:
        query = query.where(api_keys.c.machine_id.is_(None))
    if user is not None:
        query = query.where(api_keys.c.user_id == user if is_id(user) else false())
    return [_as_key(row) for row in connection.execute(query)]


def revoke(connection: Connection, key_id: int, now: datetime) -> Key:
    _read(connection, key_id)
    revoked_at = func.coalesce(api_keys.c.revoked_at, now, type_=api_keys.c.revoked_at.type)
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=revoked_at))
    bump(connection, "keys_version")
    return _read(connection, key_id)


def shown(connection: Connection, box: SecretBox, of: Sequence[int] | None) -> list[ShownKey]:
    valid = select(api_keys.c.id, api_keys.c.scope, api_keys.c.machine_id, api_keys.c.shown_cipher).where(
        api_keys.c.shown_cipher.is_not(None), api_keys.c.revoked_at.is_(None)
    )
    rows: list[Any] = []
    if of is None:
        rows += connection.execute(valid.where(api_keys.c.machine_id.is_(None))).fetchall()
    else:
        for some in chunks(filter(is_id, of)):
            rows += connection.execute(valid.where(api_keys.c.machine_id.in_(several())), {"several": some}).fetchall()
    return [ShownKey(row.id, row.scope, row.machine_id, box.unseal(row.shown_cipher)[_TEXT]) for row in sorted(rows)]


def revoke_addresses(connection: Connection, machine_id: int, now: datetime, keep: Collection[int]) -> None:
    if not is_id(machine_id):
        return
    of = (api_keys.c.machine_id == machine_id) & api_keys.c.scope.in_(("ping", "push"))
    others = update(api_keys).where(of, api_keys.c.revoked_at.is_(None))
    others = others.where(api_keys.c.id.not_in(list(filter(is_id, keep))))
    connection.execute(others.values(revoked_at=now))
    bump(connection, "keys_version")


def out_of_service(connection: Connection) -> OutOfService:
    """Whoever is disabled is paused, so this reads the few rows that an index has."""
    query = (
        select(machines.c.id, machines.c.slug, machines.c.enabled, machines.c.resume_by_hand)
        .join(liveness, liveness.c.machine_id == machines.c.id)
        .where(text("liveness.status <> 'online'"), liveness.c.status == "paused", machines.c.deleted_at.is_(None))
    )
    disabled: set[MachineRef] = set()
    until_ping: set[MachineRef] = set()
    for row in connection.execute(query):
        if not row.enabled:
            disabled |= {row.id, row.slug}
        elif not row.resume_by_hand:
            until_ping |= {row.id, row.slug}
    return OutOfService(frozenset(disabled), frozenset(until_ping))


def version(connection: Connection) -> int:
    return int(meta_value(connection, "keys_version") or 0)


def _valid(now: datetime) -> Any:
    unexpired = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    return api_keys.c.revoked_at.is_(None) & unexpired


def _row(connection: Connection, key_id: int) -> Any:
    return connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first() if is_id(key_id) else None


def _read(connection: Connection, key_id: int) -> Key:
    row = _row(connection, key_id)
    if row is None:
        raise NotFound(say("no key {key_id}", key_id=key_id))
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
        defaults={name: value for name, value in loaded(row.defaults).items() if name != _REPLACES},
        user_id=row.user_id,
        may=(row.may or READ) if row.scope == "api" else None,
        last_used_at=row.last_used_at,
    )
