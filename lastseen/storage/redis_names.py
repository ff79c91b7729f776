"""What keys in Redis begin with, and which machine a slug is: remembered for a while, so that what stands there by id
is found in one round trip."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from lastseen.errors import StoreUnavailable
from lastseen.model import Machine, MachineRef
from lastseen.protocols import Notes, Store

CAPACITY = 100_000
"""Slugs that are remembered."""


NOTE = "redis"
"""Under this name the store keeps what its keys begin with, so that two databases on one server are kept apart."""


class Nobody(NamedTuple):
    """No machine was called so: `/machines/12` means the slug 12 before the id."""

    asked_at: datetime


class Names:
    """Slugs of machines, each found again in the value that is read: a slug that means another machine now does no
    harm. Two generations: bounded, without looking for whom to forget."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._half = max(1, capacity // 2)
        self._recent: dict[str, int | Nobody] = {}
        self._older: dict[str, int | Nobody] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def find(self, slug: str) -> int | None:
        """The id of its machine, if it is remembered."""
        found = self._get(slug)
        return found if isinstance(found, int) else None

    def nobody(self, slug: str) -> datetime | None:
        """When the store was asked that said that no machine is called so; None: it is not known."""
        found = self._get(slug)
        return found.asked_at if isinstance(found, Nobody) else None

    def learn(self, machine: Machine) -> None:
        self._keep(machine.slug, machine.id)

    def learn_nobody(self, ref: MachineRef, asked_at: datetime) -> None:
        """Of what may be an id as well; other names that nobody has are not looked for twice."""
        if isinstance(ref, str) and ref.isdigit():
            self._keep(ref, Nobody(asked_at))

    def forget(self, slug: str) -> None:
        self._recent.pop(slug, None)
        self._older.pop(slug, None)

    def _get(self, slug: str) -> int | Nobody | None:
        found = self._recent.get(slug)
        if found is None:
            found = self._older.pop(slug, None)
            if found is not None:
                self._keep(slug, found)
        return found

    def _keep(self, slug: str, found: int | Nobody) -> None:
        if len(self._recent) >= self._half:
            self._recent, self._older = {}, self._recent
        self._recent[slug] = found


async def name_of(store: Store) -> str:
    """What is this database's own. One that keeps no notes has none from one run to the next."""
    if isinstance(store, Notes):
        with suppress(StoreUnavailable):
            kept = await store.note(NOTE)
            if not kept:
                await store.keep_note(NOTE, uuid.uuid4().hex[:12])
                kept = await store.note(NOTE)
            if kept:
                return kept
    return uuid.uuid4().hex[:12]
