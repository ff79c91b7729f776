"""Machines, and processes that listen closely to some of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from lastseen.model import (
    Beat,
    Said,
    Status,
    Watch,
)
from lastseen.monitor.counting import EVERY, SETTLED
from lastseen.monitor.deadline import Rules
from lastseen.monitor.intervals import bucket_of
from lastseen.monitor.sampling import Sampler
from lastseen.storage import open_store
from lastseen.testing.script import by_rule, move
from tests.fresh import new_database
from tests.server.fakes import HandClock

WATCH = Watch()
ROUND = EVERY.total_seconds()
LATER = (SETTLED + EVERY).total_seconds()


class Fleet:
    """Machines that are online, one clock, and the processes that hear them."""

    def __init__(self, store: Any) -> None:
        self.store, self.clock = store, HandClock()
        self.samplers: list[Sampler] = []
        self.sent: dict[str, list[datetime]] = {}

    async def add(self, *slugs: str) -> None:
        for slug in slugs:
            await self.store.order(slug, WATCH, lambda case: move(case, Status.PROVISIONING), self.clock.now())
        await self.beat(slugs, by=None)
        await self.store.settle(by_rule(), self.clock.now())

    def listen(self, node: str, places: int = 2000) -> Sampler:
        sampler = Sampler(self.store, self.clock, node, Rules(), self.clock.now)
        sampler.counting.places = places
        self.samplers.append(sampler)
        return sampler

    async def beat(self, slugs: Iterable[str], by: Sampler | None, said: Said = Said.ALIVE) -> None:
        """Stored, and heard by this process."""
        beats = [Beat(slug, self.clock.now(), said) for slug in slugs]
        await self.store.record(beats, self.clock.now())
        for beat in beats:
            self.sent.setdefault(str(beat.machine), []).append(beat.at)
        if by is not None:
            by.hear([(beat, None) for beat in beats])

    async def rounds(self) -> None:
        for sampler in self.samplers:
            await sampler.round()

    async def pass_(self, seconds: float, step: float, dice: random.Random, slugs: Iterable[str]) -> None:
        """Machines send every `step` seconds or so, now to this process, now to that; each hands in when it is time."""
        end = self.clock.seconds + seconds
        handed = dict.fromkeys(self.samplers, self.clock.seconds)
        while self.clock.seconds < end:
            self.clock.seconds += step * dice.uniform(0.8, 1.2)
            for slug in slugs:
                await self.beat([slug], dice.choice(self.samplers))
                self.clock.seconds += dice.uniform(0, 0.1)
            for sampler in self.samplers:
                if self.clock.seconds - handed[sampler] >= ROUND:
                    handed[sampler] = self.clock.seconds
                    await sampler.round()

    async def settle(self) -> None:
        """Everything that was heard is counted."""
        self.clock.seconds += LATER
        for sampler in self.samplers:
            await sampler.hand_in()
        self.clock.seconds += LATER
        await self.rounds()
        await self.rounds()

    async def counted(self, slug: str) -> Counter[int]:
        found: Counter[int] = Counter()
        machine = (await self.store.liveness([slug]))[slug].machine
        for tally in await self.store.tallies(machine.id, datetime(2020, 1, 1, tzinfo=UTC)):
            found.update(tally.counts)
        return found

    async def expected(self, slug: str, *without: tuple[datetime, datetime]) -> Counter[int]:
        (turn,) = [one for one in await self.store.turns() if one.slug == slug]
        moments = [moment for moment in self.sent[slug] if moment > turn.starts_at]
        return Counter(
            bucket_of(end - start)
            for start, end in pairwise(moments)
            if not any(a < end and b > start for a, b in without)
        )


@asynccontextmanager
async def a_fleet(folder: Path) -> AsyncIterator[Fleet]:
    async with on(open_store(new_database(folder / "store.db"))) as fleet:
        yield fleet


@asynccontextmanager
async def on(store: Any) -> AsyncIterator[Fleet]:
    await store.open()
    try:
        yield Fleet(store)
    finally:
        await store.close()


async def started(fleet: Fleet, *nodes: str, slugs: Iterable[str] = ("pump",)) -> None:
    """These listen, and the machines have their turn."""
    await fleet.add(*slugs)
    for node in nodes:
        fleet.listen(node)
    await fleet.rounds()
    fleet.clock.seconds += ROUND
    await fleet.rounds()
    fleet.clock.seconds += SETTLED.total_seconds() + 1
