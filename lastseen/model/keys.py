"""Keys that machines and programs authenticate with, and what follows from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from lastseen.model.people import User
from lastseen.model.words import MachineRef

MAY: Final = ("read", "write")
READ, WRITE = MAY


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: never the key itself. `hint` are its first characters.

    `defaults` of a fleet or ping key: `may_create` (bool), and what machines are made with (`kind`, `group`, `tags`).
    `may` of an API key: `read` or `write`. `user_id`: whose it is; None: an operator's.
    """

    id: int
    scope: str
    hint: str
    machine_id: int | None = None
    label: str = ""
    created_at: datetime | None = None
    first_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    user_id: int | None = None
    may: str | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """What a key's digest stands for. `enabled`: of its machine; True for keys without one. `fresh`: never used.
    `user`: whose it is, as they are now."""

    key: Key
    enabled: bool = True
    fresh: bool = False
    user: User | None = None


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key with its text, which is a secret: not in a repr."""

    id: int
    scope: str
    machine_id: int | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutOfService:
    """Machines, each by its id and by its slug: those whose reports are refused, and those that wait for a ping."""

    disabled: frozenset[MachineRef] = frozenset()
    until_ping: frozenset[MachineRef] = frozenset()
