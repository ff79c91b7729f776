"""Keys that programs authenticate with: for the API, for fleets, and for pings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput, NotFound
from lastseen.ingest.auth import new_key
from lastseen.manage import kinds, owners, people
from lastseen.manage.cursors import cursor_of, page_of, place_in
from lastseen.manage.machines import LARGEST_ID
from lastseen.manage.office import Office
from lastseen.model.keys import Key
from lastseen.model.people import User
from lastseen.monitor.changes import checked
from lastseen.words import say

AT_ONCE: Final = 1000
"""Keys that are read together."""


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
    """`{id, scope, label, key, expires_at}`, with its text this once. `defaults`: of a fleet or ping key, as
    `Key.defaults`. `may`, of an API key: `read` (as without) or `write`. `user`: whose an API key is; without, who
    asks, and an operator's if that is no user. None ends later than the key by which somebody makes it, whatever
    `lasting` says: `expires_at` tells. Raises InvalidInput, NotFound, Forbidden.
    """
    whose = await _whose(office, scope, user)
    given = {name: value for name, value in (defaults or {}).items() if value}
    made = {**given, **checked({name: value for name, value in given.items() if name != "may_create"})}
    await kinds.check(office, made.get("kind"))
    key, now = new_key(scope), office.monitor.clock.now()
    adding = office.store.add_key(
        scope,
        key.digest,
        key.hint,
        now,
        label=label,
        expires_at=_end(office, now, lasting),
        defaults=made,
        shown=key.text if scope == "ping" else None,
        user_id=None if whose is None else whose.id,
        may=may,
    )

    def said(added: Key) -> dict[str, Any]:
        named = {"label": label, "may": added.may, "user": None if whose is None else whose.name}
        return {name: value for name, value in named.items() if value}

    added = await office.do(adding, f"keys.add-{scope}", lambda added: f"key {added.id}", said)
    made_of = {"id": added.id, "scope": added.scope, "label": added.label, "key": key.text}
    return {**made_of, "expires_at": rfc3339(added.expires_at)}


def _end(office: Office, now: datetime, lasting: timedelta | None) -> datetime | None:
    """Or whoever has a key for a day could have one for ever."""
    until = office.who.until
    if lasting is None:
        return until
    return now + lasting if until is None else min(until, now + lasting)


async def _whose(office: Office, scope: str, user: str | None) -> User | None:
    """Who makes a key gives away no more than what they may: it is theirs, or they are an admin. A viewer's key reads
    as they do, whatever it may."""
    who = office.who
    if scope != "api":
        who.must_be_admin()
        if user is not None:
            raise InvalidInput(say("only an API key is somebody's"), "user")
        return None
    who.must_write()
    if user is not None:
        return await people.find(office, user)
    return None if who.user_id is None else await people.find(office, who.name)


async def listed(office: Office, *, show: bool = False, machines: bool = True) -> list[dict[str, Any]]:
    """By their first characters: an admin all, others the API keys that are theirs. `show`: with the text of ping keys,
    the only ones that are stored: for admins, by no key that only reads. `machines`: also those of machines."""
    show = show and office.who.is_admin and office.who.writes
    texts = {key.id: key.text for key in await office.store.shown_keys()} if show else {}
    found: list[dict[str, Any]] = []
    while some := await _seen(office, machines, after=found[-1]["id"] if found else 0, limit=AT_ONCE):
        found += await _described(office, some)
    return [{**one, "key": texts.get(one["id"])} for one in found] if show else found


async def page(office: Office, *, machines: bool = True, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """`{"items": […], "next": …}`, by id, of what `listed` lists. Raises InvalidInput."""
    place = place_in(cursor, "id", False)
    after = 0 if place is None else int(place[0])
    found = await _described(office, await _seen(office, machines, after=after, limit=limit + 1))
    return page_of(found, limit, lambda last: cursor_of("id", False, (last["id"],)))


async def _described(office: Office, keys: Sequence[Key]) -> list[dict[str, Any]]:
    """With the slugs of machines and the names of users."""
    whose = await office.store.liveness(sorted({key.machine_id for key in keys if key.machine_id is not None}))
    users = await owners.names(office)
    return [
        {
            **describe(key),
            "machine": whose[key.machine_id].machine.slug if key.machine_id in whose else None,
            "user": None if key.user_id is None else users.get(key.user_id),
        }
        for key in keys
    ]


async def revoke(office: Office, key: int) -> dict[str, Any]:
    """It is worthless at once. Raises NotFound, Forbidden."""
    unknown = NotFound(say("no key {key}: see `lastseen keys list`", key=key))
    if not 0 < key <= LARGEST_ID:
        raise unknown
    if not office.who.is_admin and key not in [one.id for one in await _seen(office, after=key - 1, limit=1)]:
        raise unknown
    office.who.must_write()
    revoking = office.store.revoke_key(key, office.monitor.clock.now())
    (revoked,) = await _described(office, [await office.do(revoking, "keys.revoke", f"key {key}", _labelled)])
    return revoked


async def _seen(office: Office, machines: bool = True, *, after: int, limit: int) -> Sequence[Key]:
    """By id."""
    if office.who.is_admin:
        some: Sequence[Key] = await office.store.keys(machines=machines, after=after, limit=limit)
        return some
    if office.who.user_id is None:
        return []
    mine: Sequence[Key] = await office.store.keys(user=office.who.user_id, after=after, limit=limit)
    return mine


def _labelled(key: Key) -> dict[str, Any]:
    return {"label": key.label} if key.label else {}


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
