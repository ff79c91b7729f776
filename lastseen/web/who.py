"""Who asks: a program with a key, a person with a session, or whom a trusted proxy vouches for.

`who_of` is what routes depend on. Each way in is looked at alone, the most explicit first, and never given up for the
next: a key that is not valid is refused although a session came along.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import unquote

from starlette.requests import Request

from lastseen.errors import Conflict, InvalidInput
from lastseen.ingest.asgi import Refused
from lastseen.ingest.gate import MakeLimiter, by_itself, key_of
from lastseen.manage.deeds import Doing, do
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model.people import User, check_name
from lastseen.problems import Problem
from lastseen.protocols import People
from lastseen.web.auth import FindKey, Holder, holder_of
from lastseen.web.csrf import must_be_ours
from lastseen.web.front import Front
from lastseen.web.sessions import LoggedIn
from lastseen.web.throttle import Throttle
from lastseen.words import say

NOBODY: Final = Problem(
    401,
    say(
        "this needs somebody who is logged in, or a key: send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`"
    ),
    headers={"WWW-Authenticate": "Bearer"},
)
NO_API_KEY: Final = Problem(
    403, say("this is done with an lsa_ key, or by somebody who is logged in: `lastseen keys add api`")
)


PAGE_OF: Final = "Lastseen-Page-Of"
"""The header that pages' scripts send with a form: whose page it stands on, percent-encoded."""


class NotLoggedIn(Refused):
    """No key, and no session that lasts: pages send to the log-in. No guess at a key, so not counted as one."""

    def __init__(self) -> None:
        super().__init__(NOBODY)


@dataclass(frozen=True, slots=True)
class Vouching:
    """`header`: of a trusted proxy, the name of whom it has logged in. `role`: of people it names who are new here,
    None: they are not let in."""

    header: str
    role: str | None = None


class Entrance:
    """All ways in of one server, at `app.state.entrance`."""

    def __init__(
        self,
        office: Office,
        find_key: FindKey,
        front: Front | None = None,
        vouching: Vouching | None = None,
        limiter: MakeLimiter | None = None,
    ) -> None:
        self.office, self.front, self.clock = office, front or Front(), office.monitor.clock
        self.sessions = LoggedIn(office.store, self.clock, self.front)
        self.throttle = Throttle(limiter or by_itself, self.clock.monotonic)
        self._find_key, self._vouching = find_key, vouching

    async def holder(self, request: Request) -> Holder | None:
        """Of the key that the request brings, None: it brings none. Raises Refused where it is not valid."""
        if not key_of(dict(request.scope["headers"])):
            return None
        return await holder_of(request, self._find_key, self.clock)

    async def person(self, request: Request) -> Who | None:
        """Whom a trusted proxy names, else whose session it is; None: nobody's. Raises Refused (403): the proxy names
        somebody who is unknown here, or another site's page made the request."""
        user = await self._vouched_for(request)
        through = "header" if user is not None else "session"
        if user is None:
            found = await self.sessions.find(request)
            if found is None:
                return None
            user = found[1]
        must_be_ours(request.scope, self.front)
        if through == "header":
            await self.sessions.came(user)
        address = self.front.address(request.scope)
        return Who(user.name, user.role, user.id, through=through, address=address)

    async def _vouched_for(self, request: Request) -> User | None:
        if self._vouching is None or not self.front.trusts(request.scope):
            return None
        wanted = self._vouching.header.lower().encode()
        said = [value for name, value in request.scope["headers"] if name == wanted]
        name = _one_name(said)
        return None if name is None else await self._known(name, self._vouching.role, self.front.address(request.scope))

    async def _known(self, name: str, role: str | None, address: str) -> User:
        store = self.office.store
        unknown = Refused(Problem(403, say("the proxy has logged you in, but there is nobody of this name here")))
        if not isinstance(store, People):
            raise unknown
        try:
            check_name(name)
            found = await store.user(name)
            if found is None and role is not None:
                return await self._new(name, role, address)
        except InvalidInput:
            raise unknown from None
        if found is None or not _same(found[0].name, name):
            raise unknown
        return found[0]

    async def _new(self, name: str, role: str, address: str) -> User:
        store = self.office.store

        def vouched(user: User) -> Who:
            return Who(user.name, role, user.id, through="header", address=address)

        try:
            now = self.clock.now()
            doing = Doing[User](vouched, "users.add", lambda user: f"user {user.name}", {"role": role}, now)
            added: User = await do(store, doing, store.add_user(name, role, None, now))
            return added
        except Conflict:  # made meanwhile
            found = await store.user(name)
            if found is None or not _same(found[0].name, name):
                raise
            return cast(User, found[0])


def _same(known: str, named: str) -> bool:
    """Whether it is this user whom a proxy names: but for the case. Of two that look alike otherwise, as in letters of
    another width, it may know both, and let anybody be the other."""
    alike = unicodedata.normalize("NFC", known).lower() == unicodedata.normalize("NFC", named).lower()
    return alike and known.isascii() == named.isascii()


def _one_name(said: list[bytes]) -> str | None:
    """Of the header's lines; None: the proxy names nobody. Two lines: one of them is not the proxy's. Raises
    Refused."""
    if len(said) > 1:
        raise Refused(Problem(403, say("the header that says who is logged in came more than once")))
    try:
        name = said[0].decode().strip() if said else ""
    except UnicodeDecodeError:
        raise Refused(Problem(403, say("the header that says who is logged in is not UTF-8"))) from None
    return name or None


def entrance_of(request: Request) -> Entrance:
    entrance: Entrance = request.app.state.entrance
    return entrance


async def who_of(request: Request) -> Who:
    """Who asks, for a route to depend on. Raises Refused: 401 without a valid key or session; 403 for a key of another
    scope, and for what another site's page sent."""
    who = await who_or_machine(request)
    if not isinstance(who, Who):
        raise Refused(NO_API_KEY)
    request.state.who = who
    return who


async def office_of(request: Request) -> Office:
    """The office for who asks, for a route to depend on. Raises Refused as `who_of`."""
    return entrance_of(request).office.of(await who_of(request))


async def who_or_machine(request: Request) -> Who | Holder:
    """As `who_of`; a machine's own key is good here as well."""
    entrance = entrance_of(request)
    holder = await entrance.holder(request)
    if holder is not None:
        if holder.scope == "machine":
            return holder
        if holder.scope != "api":
            raise Refused(NO_API_KEY)
        return who_holds(holder, entrance.front.address(request.scope))
    person = await entrance.person(request)
    if person is None:
        raise NotLoggedIn
    page_of = request.headers.get(PAGE_OF)
    if page_of is not None and unquote(page_of) != person.known_as:
        text = say("you are logged in as {name} now, and this was not done: load the page anew", name=person.known_as)
        raise Refused(Problem(409, text))
    return person


def who_holds(holder: Holder, address: str) -> Who:
    """An API key as somebody: its user as they are now, or an operator."""
    rights: Any = getattr(holder, "api", None)
    writes, user = (False, None) if rights is None else (rights.may == "write", rights.user)
    until: datetime | None = getattr(holder, "expires_at", None)
    if user is None:
        return Who(f"key {getattr(holder, 'key_id', '')}", "admin", None, writes, "key", address, until)
    return Who(user.name, user.role, user.id, writes, "key", address, until)
