"""What a store may keep of people: users, who is logged in, one-time links, and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model.directory import Place
from lastseen.model.people import Deed, Session, Tell, User, Witnessed


@runtime_checkable
class People(Protocol):
    """Users by name, which is the same whatever its case. Passwords come hashed; what a hash is, is not known here. The
    last admin cannot go, nor become anything else: Conflict. What a key may follows its user at once: `keys_version`
    grows with each change of a role and each user that goes."""

    async def users(self) -> Sequence[User]:
        """All, by name."""

    async def user(self, who: int | str) -> tuple[User, str | None] | None:
        """By id, or by name whatever its case, with the hash of the password."""

    async def add_user(self, name: str, role: str, password: str | None, now: datetime) -> User:
        """Raises Conflict where the name is taken, InvalidInput naming `name` or `role`."""

    async def change_user(
        self, user: int, *, role: str | None = None, password: str | None = None, but: int | None = None
    ) -> User:
        """What is None stays. A new role counts at once, in sessions too. With a new password the user's links are
        worthless, and their sessions end, `but` this one. Raises NotFound, Conflict, InvalidInput naming `role`."""

    async def remove_user(self, user: int, now: datetime) -> User:
        """With sessions, links and keys. What was theirs is shared from then on; their channels are switched off, since
        a shared one hears of all machines. Raises NotFound, Conflict."""


@runtime_checkable
class Sessions(Protocol):
    """Who is logged in, and one-time links, both by the SHA-256 of a token that is not stored."""

    async def begin_session(
        self, user: int, digest: str, now: datetime, until: datetime, address: str, agent: str
    ) -> Session:
        """Sets the user's `last_in_at`. Sessions that are over go. Raises NotFound."""

    async def session(self, digest: str, now: datetime) -> tuple[Session, User] | None:
        """The session with this digest that is not over, and whose it is now."""

    async def session_used(self, session: int, now: datetime, until: datetime) -> None:
        """It was used, and lasts until then."""

    async def user_came(self, user: int, now: datetime) -> None:
        """Sets `last_in_at` of whom somebody else has logged in. Nobody of this id: nothing happens."""

    async def sessions(
        self, user: int | None, now: datetime, after: Place | None = None, limit: int | None = None
    ) -> Sequence[tuple[Session, User]]:
        """Those that are not over, of one user or of all, the latest used first, of two the one with the greater id.
        `after`: only what comes after this `(used_at, id)`; `limit`: so many."""

    async def end_sessions(self, *, user: int | None = None, session: int | None = None, but: int | None = None) -> int:
        """One session (of this user, if one is given), or all of a user `but` one; without either none. How many
        ended."""

    async def add_link(self, purpose: str, digest: str, user: int | None, now: datetime, until: datetime) -> None:
        """A user's others of this purpose are worthless from then on; links to set up are all valid until one is used
        or they are over. Raises Conflict for `setup` where there is an admin, NotFound where there is no such user."""

    async def link(self, purpose: str, digest: str, now: datetime) -> User | bool | None:
        """False: no such link that is valid. Else whose it is; None: nobody's yet (`setup`)."""

    async def use_link(self, purpose: str, digest: str, name: str, password: str, now: datetime) -> User:
        """In one transaction: the link is worthless, and its user (made now, an admin of this name, with `setup`) has
        this password; their sessions end. With `setup` there must be no admin yet, and nobody of this name: Conflict.
        Raises NotFound where the link is not valid, InvalidInput naming `name`."""


@runtime_checkable
class Deeds(Protocol):
    """The audit log. Kept as events are."""

    async def keep_deeds(self, deeds: Sequence[Deed]) -> None:
        """Write these down; their ids are given here."""

    async def deeds(
        self, limit: int = 100, before: int | None = None, subject: str | None = None, by: str | None = None
    ) -> Sequence[Deed]:
        """The newest first. `before`: with smaller ids. `subject`: about this alone, `by`: by this name
        alone, as they were written."""


@runtime_checkable
class Witness(Protocol):
    """Deeds in the transaction of what they tell of."""

    def witness(self, tell: Tell) -> AbstractContextManager[Witnessed]:
        """Within, the first verb of this task that changes something writes what `tell` makes of its result too: both
        are durable, or neither, and once, however often the transaction is begun. Tasks that are started meanwhile
        write their own alone. Verbs of heartbeats, of sending and of keeping house need not see to it."""
