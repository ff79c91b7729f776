"""SqlStore knows people: users, who of them is logged in, and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

from lastseen.model.directory import Place
from lastseen.model.people import Deed, Session, Tell, User, Witnessed
from lastseen.storage import sql_deeds, sql_sessions, sql_users, witness

if TYPE_CHECKING:
    from lastseen.storage.sql_reading import Database


class SqlPeople:
    """A part of SqlStore, on its database."""

    database: Database

    # -- People

    async def users(self) -> Sequence[User]:
        return await self.database.read(sql_users.listed)

    async def user(self, who: int | str) -> tuple[User, str | None] | None:
        return await self.database.read(lambda c: sql_users.find(c, who))

    async def add_user(self, name: str, role: str, password: str | None, now: datetime) -> User:
        return await self.database.write(lambda c: sql_users.add(c, name, role, password, now))

    async def change_user(
        self, user: int, *, role: str | None = None, password: str | None = None, but: int | None = None
    ) -> User:
        return await self.database.write(lambda c: sql_users.change(c, user, role, password, but))

    async def remove_user(self, user: int, now: datetime) -> User:
        return await self.database.write(lambda c: sql_users.remove(c, user, now))

    # -- Sessions

    async def begin_session(
        self, user: int, digest: str, now: datetime, until: datetime, address: str, agent: str
    ) -> Session:
        return await self.database.write(lambda c: sql_sessions.begin(c, user, digest, now, until, address, agent))

    async def session(self, digest: str, now: datetime) -> tuple[Session, User] | None:
        return await self.database.read(lambda c: sql_sessions.find(c, digest, now))

    async def session_used(self, session: int, now: datetime, until: datetime) -> None:
        await self.database.write_beside(lambda c: sql_sessions.used(c, session, now, until))

    async def user_came(self, user: int, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_sessions.came(c, user, now))

    async def sessions(
        self, user: int | None, now: datetime, after: Place | None = None, limit: int | None = None
    ) -> Sequence[tuple[Session, User]]:
        return await self.database.read(lambda c: sql_sessions.listed(c, user, now, after, limit))

    async def end_sessions(self, *, user: int | None = None, session: int | None = None, but: int | None = None) -> int:
        return await self.database.write(lambda c: sql_sessions.end(c, user, session, but))

    async def add_link(self, purpose: str, digest: str, user: int | None, now: datetime, until: datetime) -> None:
        await self.database.write(lambda c: sql_sessions.add_link(c, purpose, digest, user, now, until))

    async def link(self, purpose: str, digest: str, now: datetime) -> User | bool | None:
        return await self.database.read(lambda c: sql_sessions.link(c, purpose, digest, now))

    async def use_link(self, purpose: str, digest: str, name: str, password: str, now: datetime) -> User:
        return await self.database.write(lambda c: sql_sessions.use_link(c, purpose, digest, name, password, now))

    # -- Deeds, Witness

    def witness(self, tell: Tell) -> AbstractContextManager[Witnessed]:
        return witness.witness(tell)

    async def keep_deeds(self, deeds: Sequence[Deed]) -> None:
        await self.database.write_beside(lambda c: sql_deeds.keep(c, deeds))

    async def deeds(
        self, limit: int = 100, before: int | None = None, subject: str | None = None, by: str | None = None
    ) -> Sequence[Deed]:
        return await self.database.read(lambda c: sql_deeds.listed(c, limit, before, subject, by))
