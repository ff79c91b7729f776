"""Keys that programs authenticate with: for the API, for fleets, and for pings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput, NotFound
from lastseen.ingest.auth import new_key
from lastseen.manage import kinds, owners, people
from lastseen.manage.machines import LARGEST_ID
from lastseen.manage.office import Office
from lastseen.model.keys import Key
from lastseen.model.people import User
from lastseen.monitor.changes import checked


async def add(
    office: Office,
    scope: str,
    label: str = "",
    lasting: timedelta | None = None,
    defaults: Mapping[str, Any] | None = None,
    *,
    may: str | None = None,
    user: str | None = None,
) -> dict[str, Any]:
    """`{id, scope, label, key}`, with its text this once. `defaults`: of a fleet or ping key, as `Key.defaults`. `may`,
    of an API key: `read` (as without) or `write`. `user`: whose an API key is; without, who asks, and an operator's if
    that is no user. Raises InvalidInput, NotFound, Forbidden."""
    whose = await _whose(office, scope, user)
    said = {name: value for name, value in (defaults or {}).items() if value}
    made = {**said, **checked({name: value for name, value in said.items() if name != "may_create"})}
    await kinds.check(office, made.get("kind"))
    key, now = new_key(scope), office.monitor.clock.now()
    added = await office.store.add_key(
        scope,
        key.digest,
        key.hint,
        now,
        label=label,
        expires_at=None if lasting is None else now + lasting,
        defaults=made,
        shown=key.text if scope == "ping" else None,
        user_id=None if whose is None else whose.id,
        may=may,
    )
    named = {"label": label, "may": added.may, "user": None if whose is None else whose.name}
    await office.note(f"keys.add-{scope}", f"key {added.id}", {name: value for name, value in named.items() if value})
    return {"id": added.id, "scope": added.scope, "label": added.label, "key": key.text}


async def _whose(office: Office, scope: str, user: str | None) -> User | None:
    """Who makes a key gives away no more than what they may: it is theirs, or they are an admin. A viewer's key reads
    as they do, whatever it may."""
    who = office.who
    if scope != "api":
        who.must_be_admin()
        if user is not None:
            raise InvalidInput("only an API key is somebody's", "user")
        return None
    who.must_write()
    if user is not None:
        return await people.find(office, user)
    return None if who.user_id is None else await people.find(office, who.name)


async def listed(office: Office, *, show: bool = False, machines: bool = True) -> list[dict[str, Any]]:
    """By their first characters: an admin all, others the API keys that are theirs. `show`: with the text of ping keys,
    the only ones that are stored: for admins, by no key that only reads. `machines`: also those of machines."""
    keys = await _seen(office, machines)
    show = show and office.who.is_admin and office.who.writes
    texts = {key.id: key.text for key in await office.store.shown_keys()} if show else {}
    whose = await office.store.liveness(sorted({key.machine_id for key in keys if key.machine_id is not None}))
    users = await owners.names(office)
    return [
        {
            **describe(key),
            "machine": whose[key.machine_id].machine.slug if key.machine_id in whose else None,
            "user": None if key.user_id is None else users.get(key.user_id),
            **({"key": texts.get(key.id)} if show else {}),
        }
        for key in keys
    ]


async def revoke(office: Office, key: int) -> dict[str, Any]:
    """It is worthless at once. Raises NotFound, Forbidden."""
    unknown = NotFound(f"no key {key}: see `lastseen keys list`")
    if not 0 < key <= LARGEST_ID:
        raise unknown
    if not office.who.is_admin and key not in [one.id for one in await _seen(office)]:
        raise unknown
    office.who.must_write()
    revoked: Key = await office.store.revoke_key(key, office.monitor.clock.now())
    await office.note("keys.revoke", f"key {key}", {"label": revoked.label} if revoked.label else None)
    return describe(revoked)


async def _seen(office: Office, machines: bool = True) -> list[Key]:
    if office.who.is_admin:
        return list(await office.store.keys(machines=machines))
    return [] if office.who.user_id is None else list(await office.store.keys(user=office.who.user_id))


def describe(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "scope": key.scope,
        "label": key.label,
        "hint": key.hint,
        "machine_id": key.machine_id,
        "may": key.may,
        "created_at": rfc3339(key.created_at),
        "first_used_at": rfc3339(key.first_used_at),
        "last_used_at": rfc3339(key.last_used_at),
        "expires_at": rfc3339(key.expires_at),
        "revoked_at": rfc3339(key.revoked_at),
        "defaults": dict(key.defaults),
    }
