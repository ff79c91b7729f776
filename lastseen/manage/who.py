"""Who asks for something to be done, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lastseen.errors import Forbidden
from lastseen.words import say


@dataclass(frozen=True, slots=True)
class Who:
    """`user_id` None: nobody's session or key, but somebody who has the database itself (`OPERATOR`) or a key that was
    made there. `writes` False: a key that may only read. `through` and `address` are for the audit log. `until`: when
    the key ends by which they ask, None for none that does."""

    name: str
    role: str
    user_id: int | None = None
    writes: bool = True
    through: str = "command line"
    address: str = ""
    until: datetime | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def is_person(self) -> bool:
        """Somebody who is logged in."""
        return self.through in ("session", "header")

    @property
    def known_as(self) -> str:
        """Whom pages show things for."""
        return f"{self.name} ({self.role})"

    @property
    def edits_something(self) -> bool:
        return self.writes and self.role != "viewer"

    def sees(self, owner: int | None) -> bool:
        """What belongs to this user, None: shared."""
        return self.is_admin or owner is None or (self.user_id is not None and owner == self.user_id)

    @property
    def seen_by(self) -> int | None:
        """The same, as lists are asked for: None: everything; else a user's things and what is shared (0: nobody's)."""
        return None if self.is_admin else self.user_id or 0

    def edits(self, owner: int | None) -> bool:
        return self.edits_something and self.sees(owner)

    def must_write(self) -> None:
        """Whatever is theirs. Raises Forbidden."""
        if not self.writes:
            raise Forbidden(say("this key may only read: `lastseen keys add api --may write` makes one that may write"))

    def must_edit(self, owner: int | None = None) -> None:
        """Raises Forbidden."""
        self.must_write()
        if not self.edits(owner):
            raise Forbidden(say("viewers change nothing: a member or an admin can"))

    def must_be_admin(self) -> None:
        """To change what belongs to everybody. Raises Forbidden."""
        if not self.is_admin:
            raise Forbidden(say("only an admin can do this"))
        self.must_write()

    def must_let_in(self) -> None:
        """To say who comes in, and as what: for admins, but by no key that ends. Whom it lets in would stay, and could
        make a key without an end. Raises Forbidden."""
        self.must_be_admin()
        if self.until is not None:
            raise Forbidden(
                say("this key ends, and whom it lets in would stay: a key without an end can, or who is logged in")
            )


OPERATOR = Who("command line", "admin")
"""Whoever has the database can do everything."""
