"""Users of the pages and the API: who there is, what they may, the links by which they get in, and their sessions."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, Final

from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError, Forbidden, NotFound
from lastseen.ingest.auth import digest_of
from lastseen.manage.cursors import cursor_of, page_of, part_of, place_in
from lastseen.manage.machines import id_in
from lastseen.manage.office import Office
from lastseen.manage.passwords import hashed
from lastseen.model.people import Session, User, folded
from lastseen.protocols import People, Sessions
from lastseen.words import say

LINK_LASTS: Final = timedelta(hours=24)

PATHS: Final = {"setup": "/setup", "password": "/reset"}
"""The page that a link leads to, by what it is for."""


async def listed(office: Office) -> list[dict[str, Any]]:
    """All, by name, as `describe` says. Raises Forbidden."""
    _must_see(office)
    return [describe(user) for user in await _store(office).users()]


async def page(office: Office, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """`{"items": […], "next": …}` of the same. Raises Forbidden, InvalidInput."""
    _must_see(office)
    users = await _store(office).users()
    shown, following = part_of(users, lambda one: (folded(one.name), one.id), limit, cursor, "name")
    return {"items": [describe(user) for user in shown], "next": following}


async def show(office: Office, ref: str | int) -> dict[str, Any]:
    """One, by name or id: an admin anybody, others themselves. Raises NotFound."""
    return describe(await find(office, ref))


async def find(office: Office, ref: str | int) -> User:
    """By id; a text is a name, or an id where nobody is called that. Others than admins find themselves alone. Raises
    NotFound."""
    found = await _store(office).user(ref)
    number = id_in(ref) if isinstance(ref, str) else None
    if found is None and number is not None:
        found = await _store(office).user(number)
    if found is None or not (office.who.is_admin or found[0].id == office.who.user_id):
        raise NotFound(say("no user {ref!r}", ref=ref))
    return found[0]


async def add(office: Office, name: str, role: str, password: str | None = None) -> dict[str, Any]:
    """Without a password they need a link (`reset_link`), or come through a proxy that says who they are. Raises
    Forbidden, also for a key that ends, Conflict, InvalidInput."""
    office.who.must_let_in()
    stored = None if password is None else await hashed(password)
    adding = _store(office).add_user(name, role, stored, office.monitor.clock.now())
    return describe(await office.do(adding, "users.add", lambda user: f"user {user.name}", {"role": role}))


async def change(office: Office, ref: str | int, role: str) -> dict[str, Any]:
    """What they may counts at once: in sessions, and for their keys. Raises Forbidden, also for a key that ends,
    NotFound, Conflict (the last admin), InvalidInput."""
    office.who.must_let_in()
    user = await find(office, ref)
    said = {"role": {"from": user.role, "to": role}}
    return describe(await office.do(_store(office).change_user(user.id, role=role), "users.set", _named(user), said))


async def remove(office: Office, ref: str | int) -> dict[str, Any]:
    """They are out at once, and their keys are worthless; what was theirs is shared, their channels switched off.
    Raises Forbidden, NotFound, Conflict (the last admin)."""
    office.who.must_be_admin()
    user = await find(office, ref)
    await office.do(_store(office).remove_user(user.id, office.monitor.clock.now()), "users.remove", _named(user))
    return {"id": user.id, "name": user.name, "removed": True}


# --- links ------------------------------------------------------------------------------------------------------------


async def needs_setup(office: Office) -> bool:
    """Nobody is an admin: the pages are nobody's yet."""
    return isinstance(office.store, People) and not any(user.role == "admin" for user in await office.store.users())


async def setup_link(office: Office) -> dict[str, Any]:
    """`{url, expires_at}`: whoever opens it makes the first admin, once. Raises Forbidden, Conflict where there is
    one."""
    office.who.must_let_in()
    return await office.do(_link(office, "setup", None), "setup-link", "")


async def reset_link(office: Office, ref: str | int) -> dict[str, Any]:
    """`{name, url, expires_at}`: whoever opens it sets this user's password, once. Older ones are worthless; the
    password stays until then. Raises Forbidden, also for a key that ends, NotFound."""
    office.who.must_let_in()
    user = await find(office, ref)
    made = await office.do(_link(office, "password", user.id), "users.reset-password", _named(user))
    return {"name": user.name, **made}


async def _link(office: Office, purpose: str, user: int | None) -> dict[str, Any]:
    token, now = secrets.token_urlsafe(32), office.monitor.clock.now()
    until = now + LINK_LASTS
    await _sessions(office).add_link(purpose, digest_of(token), user, now, until)
    return {"url": f"{office.base_url() or ''}{PATHS[purpose]}?token={token}", "expires_at": rfc3339(until)}


# --- sessions ---------------------------------------------------------------------------------------------------------


async def sessions(office: Office, ref: str | None = None) -> list[dict[str, Any]]:
    """Who is logged in, the latest used first: one user's, or everybody's, which admins see alone. Raises Forbidden,
    NotFound."""
    found = await _sessions(office).sessions(await _whose(office, ref), office.monitor.clock.now())
    return [_logged_in(*one) for one in found]


async def sessions_page(
    office: Office, ref: str | None = None, *, limit: int = 100, cursor: str | None = None
) -> dict[str, Any]:
    """`{"items": […], "next": …}` of the same. Raises Forbidden, NotFound, InvalidInput."""
    user, after = await _whose(office, ref), place_in(cursor, "used_at", True)
    found = await _sessions(office).sessions(user, office.monitor.clock.now(), after, limit + 1)
    following = page_of(found, limit, lambda last: cursor_of("used_at", True, (last[0].used_at, last[0].id)))
    return {**following, "items": [_logged_in(*one) for one in following["items"]]}


async def _whose(office: Office, ref: str | None) -> int | None:
    """None: everybody's."""
    if ref is None:
        _must_see(office)
        return None
    return (await find(office, ref)).id


def _logged_in(session: Session, user: User) -> dict[str, Any]:
    return {**described(session), "user": user.name}


async def log_out(office: Office, ref: str | int, session: int | None = None) -> dict[str, Any]:
    """End one session of a user, or all. `{name, ended}`. Raises Forbidden, NotFound."""
    user = await find(office, ref)
    office.who.must_write()
    if user.id != office.who.user_id:
        office.who.must_be_admin()
    ended = await office.do(
        _sessions(office).end_sessions(user=user.id, session=session),
        "users.log-out",
        lambda ended: _named(user) if ended or session is None else None,
        lambda ended: {"sessions": ended},
    )
    if session is not None and not ended:
        raise NotFound(say("{name} has no session {session}: it is over", name=user.name, session=session))
    return {"name": user.name, "ended": ended}


def _named(user: User) -> str:
    return f"user {user.name}"


def describe(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "has_password": user.has_password,
        "created_at": rfc3339(user.created_at),
        "last_in_at": rfc3339(user.last_in_at),
    }


def described(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": rfc3339(session.created_at),
        "used_at": rfc3339(session.used_at),
        "expires_at": rfc3339(session.expires_at),
        "address": session.address,
        "agent": session.agent,
    }


def _must_see(office: Office) -> None:
    if not office.who.is_admin:
        raise Forbidden(say("only an admin sees who there is"))


def _store(office: Office) -> People:
    store = office.store
    if not isinstance(store, People):
        raise ConfigurationError(say("this store knows no users"))
    return store


def _sessions(office: Office) -> Sessions:
    store = office.store
    if not isinstance(store, Sessions):
        raise ConfigurationError(say("this store keeps no sessions"))
    return store
