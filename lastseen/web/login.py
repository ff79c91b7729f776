"""Logging in by a password or a one-time link, and out. What a person may do then: `lastseen.manage.who`.

The password is looked at whoever is named, so that nobody learns by the time it takes whether there is somebody of that
name. What was typed as a name is written down only where it is one: it may have been the password.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, TypeVar, cast

from starlette.requests import Request
from starlette.responses import Response

from lastseen import counters
from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.faults import Faults
from lastseen.ingest.asgi import Refused
from lastseen.ingest.auth import digest_of
from lastseen.log import get_logger
from lastseen.manage import passwords, people
from lastseen.manage.deeds import Doing, do
from lastseen.manage.who import Who
from lastseen.model.people import Session, User, check_name
from lastseen.problems import Problem
from lastseen.protocols import People, Sessions
from lastseen.web.csrf import must_not_be_foreign
from lastseen.web.who import Entrance, entrance_of
from lastseen.words import say

WRONG: Final = Problem(401, say("this name and this password do not belong together"))
NO_LINK: Final = "this link is not valid: it was used, is over, or a newer one was made"

_log = get_logger()
T = TypeVar("T")


async def log_in(request: Request, response: Response, name: str, password: str) -> tuple[Session, User]:
    """The new session's cookie goes with the answer. Raises Refused: 401, 429 after too many wrong passwords, 403 for
    what another site's page sent."""
    entrance = entrance_of(request)
    must_not_be_foreign(request.scope, entrance.front)
    found = await _named(entrance, name)
    user, stored = found or (None, None)
    if not await _right(entrance, request, name, password, stored):
        await _failed(entrance, request, user)
        raise Refused(WRONG)
    known = cast(User, user)
    session, _ = await _do(entrance, request, _begin(entrance, request, response, known), "users.log-in", known)
    again = await _store(entrance).user(known.id)
    if again is None or again[1] != stored:  # changed while it was looked at: the old one is worth nothing
        ending = _store(entrance).end_sessions(user=known.id, session=session.id)
        await _do(entrance, request, ending, "users.log-out", known)
        raise Refused(WRONG)
    counters.LOGINS.inc("ok")
    return session, known


async def log_out(request: Request, response: Response) -> None:
    """This browser, if it was logged in. Raises Refused (403) for what another site's page sent."""
    entrance = entrance_of(request)
    await entrance.person(request)  # which looks at who made the request
    found = await entrance.sessions.find(request)
    ending = entrance.sessions.end(request, response)
    if found is None:
        await ending  # the cookie goes
    else:
        await _do(entrance, request, ending, "users.log-out", found[1])


async def end_sessions(request: Request, response: Response, who: Who, session: int | None = None) -> None:
    """One of one's own, or all of them, this browser's as well. Raises NotFound for one that is over, or somebody
    else's."""
    entrance = entrance_of(request)
    await people.log_out(entrance.office.of(who), who.name, session)
    if session is None:
        await entrance.sessions.end(request, response)


async def whose_link(request: Request, purpose: str, token: str) -> User | None:
    """None: nobody's yet. Raises NotFound for a link that is not valid."""
    found = await _store(entrance_of(request)).link(purpose, digest_of(token), _now(request))
    if found is False:
        raise NotFound(NO_LINK)
    return cast("User | None", found)


async def use_link(request: Request, response: Response, purpose: str, token: str, name: str, password: str) -> User:
    """Set up the first admin, or set a password, and be logged in. Raises Refused (403), NotFound for a link that is
    not valid, Conflict where somebody was faster, InvalidInput naming `name` and `password`."""
    entrance = entrance_of(request)
    must_not_be_foreign(request.scope, entrance.front, from_nowhere=True)
    await whose_link(request, purpose, token)  # before a password is hashed for anybody who asks
    faults = Faults()
    with faults.noted():
        if purpose == "setup":
            check_name(name)
    with faults.noted():
        passwords.check_password(password)
    faults.tell()
    hashed = await passwords.hashed(password)
    using = _store(entrance).use_link(purpose, digest_of(token), name, hashed, _now(request))
    user: User = await _do(entrance, request, using, "setup" if purpose == "setup" else "users.set-password")
    await _begin(entrance, request, response, user)
    return user


async def change_password(request: Request, response: Response, who: Who, current: str, new: str) -> None:
    """One's own; all sessions end, and this browser begins another. Raises InvalidInput naming `current` or `password`,
    Refused (429) after too many wrong ones."""
    entrance = entrance_of(request)
    found = None if who.user_id is None else await _store(entrance).user(who.user_id)
    if found is None or found[1] is None:
        raise Conflict(say("you have no password: an admin can give you a link to set one"))
    user, stored = found
    if not await _right(entrance, request, user.name, current, stored):
        await _failed(entrance, request, user)
        raise InvalidInput(say("is not your password"), "current")
    hashed = await passwords.hashed(new)
    counters.LOGINS.inc("ok")
    changing = _store(entrance).change_user(user.id, password=hashed)
    await _do(entrance, request, changing, "users.set-password", user)
    await _begin(entrance, request, response, user)


async def _do(entrance: Entrance, request: Request, change: Awaitable[T], verb: str, user: User | None = None) -> T:
    """With a line of the audit log: this person did it, to themselves; None: whoever it comes to."""

    def who(came: Any) -> Who:
        one: User = user or came
        address = entrance.front.address(request.scope)
        return Who(one.name, one.role, one.id, through="session", address=address)

    doing = Doing[T](who, verb, lambda came: f"user {who(came).name}", None, _now(request))
    return await do(entrance.office.store, doing, change)


async def _named(entrance: Entrance, name: str) -> tuple[User, str | None] | None:
    try:
        check_name(name)
    except InvalidInput:
        return None
    return cast("tuple[User, str | None] | None", await _store(entrance).user(name))


async def _right(entrance: Entrance, request: Request, name: str, password: str, stored: str | None) -> bool:
    """Raises Refused (429)."""
    try:
        async with entrance.throttle.attempt(entrance.front.address(request.scope), name) as attempt:
            right = await passwords.matches(password, stored)
            if not right:
                counters.LOGINS.inc("wrong")
                attempt.wrong()
            return right
    except Refused:
        counters.LOGINS.inc("throttled")
        raise


async def _failed(entrance: Entrance, request: Request, user: User | None) -> None:
    """Whoever it was, and for whomever they passed themselves off."""
    address = entrance.front.address(request.scope)
    _log.warning("login_failed", address=address, user=None if user is None else user.name)
    somebody = Who("somebody", "viewer", through="session", address=address)
    await entrance.office.of(somebody).note("users.log-in-failed", "" if user is None else f"user {user.name}")


async def _begin(entrance: Entrance, request: Request, response: Response, user: User) -> tuple[Session, User]:
    try:
        return await entrance.sessions.begin(request, response, user), user
    except NotFound:  # removed meanwhile
        raise Refused(WRONG) from None


def _store(entrance: Entrance) -> Any:
    """One that knows people. Raises NotFound."""
    store = entrance.office.store
    if not (isinstance(store, People) and isinstance(store, Sessions)):
        raise NotFound(say("this store keeps no people: nobody can log in"))
    return store


def _now(request: Request) -> Any:
    return entrance_of(request).clock.now()
