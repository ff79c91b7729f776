"""People who use the pages and the API, and what is kept of that."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from lastseen.errors import InvalidInput
from lastseen.model.texts import refuse_unfit
from lastseen.words import say

ROLES: Final = ("admin", "member", "viewer")
"""admin: everything. member: sees what is shared and what is theirs, and edits both. viewer: sees what is shared,
without secrets, and edits nothing."""

PURPOSES: Final = ("setup", "password")
"""What a one-time link is for: to make the first admin, or to set somebody's password."""


LONGEST_NAME: Final = 200


def folded(name: str) -> str:
    """What two names have in common that are the same but for their case, or for how their letters are written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check_name(name: str) -> None:
    """Raises InvalidInput naming `name`."""
    refuse_unfit(name=name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidInput(say("must be 1 to {longest_name} characters", longest_name=LONGEST_NAME), "name")
    if name != name.strip() or not name.isprintable():
        raise InvalidInput(say("must be one line, with no space before or after it"), "name")


def check_role(role: str) -> None:
    """Raises InvalidInput naming `role`."""
    if role not in ROLES:
        raise InvalidInput(say("must be one of {roles}", roles=", ".join(ROLES)), "role")


@dataclass(frozen=True, slots=True)
class User:
    """`has_password`: may log in by one; others come by a header of a trusted proxy alone, or not at all."""

    id: int
    name: str
    role: str
    created_at: datetime
    has_password: bool = False
    last_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in. `address` and `agent` (a browser's own name) tell sessions apart for people."""

    id: int
    user_id: int
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit log: `by` did `verb` to `subject` (`machine db-01`). `through`: `session`, `key`, `header`,
    `telegram` or `command line`. `changed`: by field, without secrets."""

    at: datetime
    by: str
    verb: str
    subject: str
    user_id: int | None = None
    through: str = ""
    address: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


Tell = Callable[[Any], Sequence[Deed]]
"""Pure: the deeds of a change, from what the verb that made it came to."""


@dataclass(slots=True, eq=False)
class Witnessed:
    """Something that is being done. `deeds`: what was committed with its first change; None: nothing has changed yet,
    as far as the store knows."""

    tell: Tell
    deeds: Sequence[Deed] | None = None
