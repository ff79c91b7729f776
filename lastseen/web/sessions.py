"""Browsers that are logged in: a random token in a cookie, and its SHA-256 in the store.

Nothing about the person is in the cookie, so there is nothing to sign: a changed one is simply unknown. Behind TLS it
is called `__Host-lastseen`, which browsers take from this very host alone and over TLS alone; what came under the other
name is not looked at then, since anybody between here and the browser could have set it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lastseen.clock import Clock
from lastseen.errors import LastseenError, NotFound
from lastseen.ingest.auth import digest_of
from lastseen.log import get_logger
from lastseen.model.people import Session, User
from lastseen.protocols import Sessions
from lastseen.web.front import Front
from lastseen.words import say

COOKIE: Final = "lastseen"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"

IDLE: Final = timedelta(days=30)
"""A session that is not used for so long is over."""

LASTS: Final = timedelta(days=90)
"""And one that is used, after so long."""

WRITTEN: Final = timedelta(minutes=1)
"""That a session was used is written down so often at most."""

COMES: Final = timedelta(hours=1)
"""And that somebody came whom a proxy has logged in."""

AGAIN: Final = timedelta(minutes=1)
"""What could not be written is tried again so long after, at the earliest."""

WRITING: Final = 0.5
"""Seconds that a page waits for that: where the one writer is held up, it is written when its turn comes."""

REMEMBERED: Final = 10_000
"""Sessions, and people, of whom it is known when that was."""

AGENT: Final = 200
"""So much of a browser's own name is kept."""

_log = get_logger()
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class LoggedIn:
    """The sessions of one server. A store that keeps none has none."""

    def __init__(self, store: Any, clock: Clock, front: Front) -> None:
        self._clock, self._front = clock, front
        self._used, self._came = _Seldom(WRITTEN), _Seldom(COMES)
        self._store: Sessions | None = store if isinstance(store, Sessions) else None

    async def find(self, request: Request) -> tuple[Session, User] | None:
        """Whose the request's cookie is, as long as the session lasts. Raises StoreUnavailable."""
        token = self._token(request)
        if token is None or self._store is None:
            return None
        now = self._clock.now()
        found = await self._store.session(digest_of(token), now)
        if found is not None and abs(now - found[0].used_at) >= WRITTEN:  # later than now: the clock was put back
            store, session = self._store, found[0]
            until = _until(session.created_at, now)
            await self._used.write(session.id, now, lambda: store.session_used(session.id, now, until))
        return found

    async def came(self, user: User) -> None:
        """Whom a proxy has logged in: no session begins that would say when they were here."""
        store, now = self._store, self._clock.now()
        if store is not None and (user.last_in_at is None or abs(now - user.last_in_at) >= COMES):
            await self._came.write(user.id, now, lambda: store.user_came(user.id, now))

    async def begin(self, request: Request, response: Response, user: User) -> Session:
        """A new session of this user, whose cookie goes with the answer; the one that this browser had is over: what it
        brings is never taken for the new one. Raises NotFound."""
        if self._store is None:
            raise NotFound(say("this store keeps no sessions: nobody can log in"))
        token, now = secrets.token_urlsafe(32), self._clock.now()
        address, agent = self._front.address(request.scope), request.headers.get("user-agent", "")
        begun = await self._store.begin_session(
            user.id, digest_of(token), now, _until(now, now), address, _printable(agent)[:AGENT]
        )
        await self._end(request)
        self._set(request, response, token, LASTS)
        return begun

    async def end(self, request: Request, response: Response) -> User | None:
        """Log this browser out. Whose session it was, None: it was not logged in."""
        user = await self._end(request)
        if self.cookie(request) in request.cookies:
            self._set(request, response, "", timedelta())
        return user

    async def _end(self, request: Request) -> User | None:
        found = await self.find(request)
        if found is None or self._store is None:
            return None
        session, user = found
        await self._store.end_sessions(user=user.id, session=session.id)
        return user

    def cookie(self, request: Request) -> str:
        """The name of the cookie that counts for this request."""
        return SECURE_COOKIE if self._front.secure(request.scope) else COOKIE

    def _token(self, request: Request) -> str | None:
        token = request.cookies.get(self.cookie(request), "")
        return token if _TOKEN.fullmatch(token) else None

    def _set(self, request: Request, response: Response, token: str, lasting: timedelta) -> None:
        secure = self._front.secure(request.scope)
        age = int(lasting.total_seconds())
        response.set_cookie(self.cookie(request), token, age, path="/", secure=secure, httponly=True, samesite="lax")


class _Seldom:
    """Writes of something so often at most, however many requests a page sends at once. A write that fails counts for
    `AGAIN` alone."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._begun: dict[int, tuple[datetime, timedelta]] = {}  # when, and for how long that will do
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, what: int, now: datetime, how: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """In time, or when its turn comes."""
        before = self._begun.get(what)
        if before is not None and abs(now - before[0]) < before[1]:
            return
        if len(self._begun) >= REMEMBERED:
            self._begun.clear()
        begun = self._begun[what] = now, self._every
        writing = asyncio.create_task(self._try(what, begun, how))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.wait([writing], timeout=WRITING)

    async def _try(
        self, what: int, begun: tuple[datetime, timedelta], how: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        try:
            await how()
        except Exception as error:  # noqa: BLE001  (where nothing can be written one may still look; a store is a plugin)
            if not isinstance(error, LastseenError):
                _log.error("visit_not_written", error=repr(error))
            if self._begun.get(what) is begun:  # a later one may have begun while this one was held up
                self._begun[what] = begun[0], min(self._every, AGAIN)


def _until(created_at: datetime, now: datetime) -> datetime:
    return min(now + IDLE, created_at + LASTS)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
