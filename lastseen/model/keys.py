"""Keys that machines and programs authenticate with, and what follows from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lastseen.model.words import MachineRef


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: never the key itself. `hint` are its first characters.

    `defaults` of a fleet or ping key: `may_create` (bool), and what machines are made with (`kind`, `group`, `tags`).
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


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """What a key's digest stands for. `enabled`: of its machine; True for keys without one. `fresh`: never used."""

    key: Key
    enabled: bool = True
    fresh: bool = False


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
