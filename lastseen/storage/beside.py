"""A store with a copy beside it. The store stays what decides and what is believed; the copy hears of every commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lastseen import counters, protocols
from lastseen.model import Beat, Event, Kind, MachineRef, Order, Recorded, Standing, Watch
from lastseen.model.people import User
from lastseen.protocols import Decide, Glances, Service, Store
from lastseen.storage.redis import RedisCopy


def beside(store: Store, copy: RedisCopy) -> Store:
    """The same store with every protocol that it has, and `Glances`."""
    names = {name for kind in _kinds() if isinstance(store, kind) for name in vars(kind) if not name.startswith("_")}
    forwards = {name: _forward(name) for name in names if name not in vars(Beside)}
    with_copy: Store = type("Beside", (Beside,), forwards)(store, copy)
    return with_copy


def alone(store: Store) -> Store:
    """The store without what is beside it."""
    return store.store if isinstance(store, Beside) else store


def _kinds() -> list[type[Any]]:
    every = (getattr(protocols, name) for name in protocols.__all__)
    return [kind for kind in every if getattr(kind, "_is_runtime_protocol", False) and kind is not Glances]


def _forward(name: str) -> property:
    return property(lambda self: getattr(self.store, name))


class Beside:
    """What it does not do itself, `store` does. `isinstance` sees what is on the class: `beside` makes one for each
    store."""

    def __init__(self, store: Any, copy: RedisCopy) -> None:
        self.store, self.copy = store, copy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def open(self) -> None:
        if isinstance(self.store, Service):
            await self.store.open()
        await self.copy.open(self.store)

    async def close(self) -> None:
        try:
            await self.copy.close()
        finally:
            if isinstance(self.store, Service):
                await self.store.close()

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        recorded: Recorded = await self.store.record(beats, now)
        self.copy.heard(beats, recorded.unknown)
        return recorded

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        events: Sequence[Event] = await self.store.settle(decide, now, limit, back=back)
        self.copy.committed(events)
        return events

    async def order(self, machine: MachineRef, order: Order, decide: Decide, now: datetime) -> Sequence[Event]:
        events: Sequence[Event] = ()
        try:
            events = await self.store.order(machine, order, decide, now)
        finally:  # what failed may have been committed all the same
            self.copy.ordered(machine, isinstance(order, Watch))
            self.copy.committed(events)
        return events

    async def set_kind(self, kind: Kind, now: datetime) -> Kind:
        try:
            changed: Kind = await self.store.set_kind(kind, now)
        finally:
            self.copy.distrust()
        return changed

    async def remove_user(self, user: int, now: datetime) -> User:
        """What was theirs is everybody's, and the copy says otherwise."""
        try:
            removed: User = await self.store.remove_user(user, now)
        finally:
            self.copy.distrust()
        return removed

    async def glance(self, machines: Sequence[MachineRef], now: datetime) -> Mapping[MachineRef, Standing]:
        found = await self.copy.read(machines, now)
        rest = [ref for ref in machines if ref not in found]
        known: Mapping[MachineRef, Standing] = {}
        if rest:
            known = await self.store.liveness(rest)
            self.copy.learn(rest, known, now)
        copied = {ref: standing for ref, standing in found.items() if standing is not None}
        counters.STATUS_READS.inc("copy", by=len(copied))
        counters.STATUS_READS.inc("store", by=len(known))
        return copied | dict(known)
