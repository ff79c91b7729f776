"""A copy of what the status routes read, and readable keys for other programs, in Redis or Valkey.

It is never the truth: heartbeats and decisions know the store alone, and whatever is not here, is not fresh, cannot be
read or is on its way is read from the store. docs/redis.md has the keys, and how long what may be wrong.

`RedisCopy` is the copy; `beside` puts it beside a store. How it is written: `redis_writer`; what stands there:
`redis_values`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from lastseen.clock import Clock
from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Event, MachineRef, Said, Standing
from lastseen.protocols import Catalog, Store
from lastseen.storage.redis_link import Away, Link
from lastseen.storage.redis_names import Names, name_of
from lastseen.storage.redis_reader import Reader
from lastseen.storage.redis_values import SLACK, Known, heard_at, known_of, when
from lastseen.storage.redis_walk import Walk
from lastseen.storage.redis_writer import Writer

FRESH = timedelta(seconds=60)
"""What was read from the store longer ago is not believed."""

REFRESH = timedelta(seconds=20)
"""What is read here, and was read from the store longer ago, is read again meanwhile: what is often asked for stays."""

LAST_WORDS = 1.0
"""Seconds that what is noted may take to be written when everything ends."""

_PLAIN = frozenset({Said.ALIVE, Said.OK})


class RedisCopy:
    """On one server. `published`: write `device:…`; `read`: answer `read`. `lasting`: it
    goes on until it is closed; False: it is opened for a moment, and writes when it is closed. Making it connects to
    nothing."""

    def __init__(
        self, link: Link, clock: Clock, *, published: bool = True, read: bool = True, lasting: bool = True
    ) -> None:
        self.link = link
        self._clock, self._whole, self._lasting = clock, read, lasting
        self._names = Names(clock.monotonic)
        self._reader = Reader(self.link)
        self.writer = Writer(self.link, clock, self._names, published, read)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def trouble(self) -> str:
        """Why the server is away, for people; "": it is there."""
        return self.link.trouble

    async def open(self, store: Store) -> None:
        """Begin to copy this store, which is open. Opening twice is harmless."""
        if self.writer.store is not None:
            return
        self.writer.prefix = f"lastseen:{await name_of(store)}:"
        self.writer.store = store
        if self._lasting:
            walk = Walk(self.link, self._clock, self.writer, store) if isinstance(store, Catalog) else None
            self._tasks = [asyncio.create_task(self.writer.run(), name="lastseen-redis")]
            if walk is not None:
                self._tasks.append(asyncio.create_task(walk.run(), name="lastseen-redis-walk"))

    async def close(self) -> None:
        """Write what is noted, if that takes a moment only. Closing twice is harmless."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.writer.store is not None and not self.writer.idle:
            with suppress(Away, StoreUnavailable, TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self.writer.flush()
        self.writer.store = None
        await self.link.close()

    # -- reading

    async def read(self, machines: Sequence[MachineRef], now: datetime) -> dict[MachineRef, Standing | None]:
        """What is known of these; None: that there is no such machine. The store is asked for those left out."""
        absent = [ref for ref in machines if isinstance(ref, str) and self._names.nobody(ref)]
        found: dict[MachineRef, Standing | None] = dict.fromkeys(absent)
        if not self._whole or self.writer.store is None:
            return found
        places = {ref: place for ref in machines if (place := self._place(ref)) is not None}
        try:
            known = await self._known(list(dict.fromkeys(places.values())), now)
        except Away:
            return found
        for ref, machine in places.items():
            standing = known.get(machine)
            if standing is not None and ref in (machine, standing.machine.slug):
                found[ref] = standing
        return found

    def _place(self, ref: MachineRef) -> int | None:
        """The id that it stands under; None: it is not known, or a change is on its way."""
        place = self._names.find(ref) if isinstance(ref, str) else ref
        return None if place is None or self.writer.pending(ref) or self.writer.pending(place) else place

    async def _known(self, machines: Sequence[int], now: datetime) -> dict[int, Standing]:
        if not machines:
            return {}
        prefix = self.writer.prefix
        floor, *found = await self._reader.get([f"{prefix}floor", *(f"{prefix}{machine}" for machine in machines)])
        self._heed(floor, now)
        known = {}
        for machine, value in zip(machines, found, strict=True):
            one = known_of(value, machine)
            if one is not None and self._fresh(one, now):
                later = self.writer.heard_at(machine)
                known[machine] = one.standing if later is None else heard_at(one.standing, later)
        return known

    def _heed(self, floor: bytes | None, now: datetime) -> None:
        """Some node has lost what was to be written."""
        if floor is None or not floor.isdigit() or len(floor) > 17:
            return
        with suppress(OverflowError):
            since = when(floor)
            if since <= now + SLACK and (self.writer.floor is None or since > self.writer.floor):
                self.writer.floor = since

    def _fresh(self, one: Known, now: datetime) -> bool:
        """Read from the store a moment ago, and nothing is to be decided about it since."""
        machine, live = one.standing.machine, one.standing.liveness
        if not now - FRESH <= one.asked_at <= now + SLACK or self.writer.pending(machine.slug):
            return False
        if self.writer.floor is not None and one.asked_at < self.writer.floor:
            return False
        if one.asked_at < now - REFRESH:
            self.writer.want(machine.id)
        return live.check_at is None or live.check_at > now

    def learn(self, asked: Iterable[MachineRef], known: Mapping[MachineRef, Standing], now: datetime) -> None:
        """What the store answered, which was asked at `now`."""
        for ref in asked:
            standing = known.get(ref)
            if standing is not None:
                self._names.learn(standing.machine)
                self.writer.fill(Known(standing, now))
            elif isinstance(ref, str) and ref.isdigit():
                self._names.learn_nobody(ref)

    # -- writing

    def heard(self, beats: Iterable[Beat], unknown: frozenset[MachineRef]) -> None:
        """These were committed, but for the unknown ones."""
        writer, find = self.writer, self._names.find
        for beat in beats:
            ref = beat.machine
            if ref in unknown:
                continue
            machine = ref if type(ref) is int else find(ref)  # type: ignore[arg-type]
            if machine is None or beat.said not in _PLAIN or beat.next_in is not None:
                writer.changed(ref if machine is None else machine)
            else:
                writer.heard(machine, beat.at)

    def committed(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.machine_id is not None:
                self.writer.changed(event.machine_id)

    def ordered(self, machine: MachineRef) -> None:
        """Somebody gave an order about it, whatever became of it."""
        place = self._names.find(machine) if isinstance(machine, str) else machine
        if isinstance(machine, str):
            self._names.forget(machine)
        self.writer.changed(machine)
        if place is not None:
            self.writer.changed(place)

    def distrust(self) -> None:
        """Many machines were changed at once."""
        self.writer.distrust()
