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
from lastseen.storage.redis_writer import FLOOR, NAMED, Writer

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
        self._names = Names()
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
        found: dict[MachineRef, Standing | None] = {}
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
        for ref in machines:
            if ref not in places and isinstance(ref, str) and self._nobody(ref, now):
                found[ref] = None
        return found

    def _nobody(self, slug: str, now: datetime) -> bool:
        asked_at = self._names.nobody(slug)
        if asked_at is None or self.writer.pending(slug):
            return False
        return self._timely(slug, asked_at, now) and asked_at >= self.writer.marks.get(NAMED, asked_at)

    def _place(self, ref: MachineRef) -> int | None:
        """The id that it stands under; None: it is not known, or a change is on its way."""
        place = self._names.find(ref) if isinstance(ref, str) else ref
        return None if place is None or self.writer.pending(ref) or self.writer.pending(place) else place

    async def _known(self, machines: Sequence[int], now: datetime) -> dict[int, Standing]:
        if not machines:
            return {}
        prefix = self.writer.prefix
        asked = [FLOOR, NAMED, *machines]
        floor, named, *found = await self._reader.get([f"{prefix}{name}" for name in asked])
        self._heed(FLOOR, floor, now)
        self._heed(NAMED, named, now)
        known = {}
        for machine, value in zip(machines, found, strict=True):
            one = known_of(value, machine)
            if one is not None and self._fresh(one, now):
                later = self.writer.heard_at(machine)
                known[machine] = one.standing if later is None else heard_at(one.standing, later)
        return known

    def _heed(self, name: str, mark: bytes | None, now: datetime) -> None:
        """Some node says that what was known is not to be believed."""
        if mark is None or not mark.isdigit() or len(mark) > 17:
            return
        with suppress(OverflowError):
            since, marks = when(mark), self.writer.marks
            if since <= now + SLACK:
                marks[name] = max(since, marks.get(name, since))

    def _fresh(self, one: Known, now: datetime) -> bool:
        """Read from the store a moment ago, and nothing is to be decided about it since."""
        machine, check_at = one.standing.machine, one.standing.liveness.check_at
        if self.writer.pending(machine.slug) or (check_at is not None and check_at <= now):
            return False
        return self._timely(machine.id, one.asked_at, now)

    def _timely(self, ref: MachineRef, asked_at: datetime, now: datetime) -> bool:
        """Whether an answer of the store is believed still. It is asked again before that ends."""
        if not now - FRESH <= asked_at <= now + SLACK or asked_at < self.writer.marks.get(FLOOR, asked_at):
            return False
        if asked_at < now - REFRESH:
            self.writer.want(ref)
        return True

    def learn(self, asked: Iterable[MachineRef], known: Mapping[MachineRef, Standing], now: datetime) -> None:
        """What the store answered, which was asked at `now`."""
        for ref in asked:
            standing = known.get(ref)
            if standing is not None:
                self._names.learn(standing.machine)
                self.writer.fill(Known(standing, now))
            else:
                self._names.learn_nobody(ref, now)

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

    def ordered(self, machine: MachineRef, declared: bool) -> None:
        """Somebody gave an order about it, whatever became of it. `declared`: it may be a new one."""
        place = self._names.find(machine) if isinstance(machine, str) else machine
        if isinstance(machine, str):
            self._names.forget(machine)
            if declared and machine.isdigit():
                self.writer.distrust(NAMED)  # other nodes may know that nobody is called so
        self.writer.changed(machine)
        if place is not None:
            self.writer.changed(place)

    def distrust(self) -> None:
        """Many machines were changed at once."""
        self.writer.distrust()
