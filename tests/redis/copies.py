"""A store with a copy beside it, as a node has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastseen.clock import SystemClock
from lastseen.model import Beat, Standing, Watch, replace
from lastseen.storage import open_store
from lastseen.storage.beside import beside
from lastseen.storage.redis import RedisCopy
from lastseen.testing.script import keep, move
from tests.servers.valkey import Valkey
from tests.support import eventually


@dataclass
class Node:
    """`store` has the copy beside it; `truth` is the store alone. Decisions are by hand: `becomes`."""

    store: Any
    copy: RedisCopy
    server: Valkey
    clock: SystemClock

    @property
    def truth(self) -> Any:
        return self.store.store

    async def machine(self, slug: str) -> int:
        await self.store.order(slug, Watch(), keep, self.clock.now())
        return int((await self.truth.liveness([slug]))[slug].machine.id)

    async def heard(self, *machines: int | str) -> None:
        now = self.clock.now()
        await self.store.record([Beat(machine, now) for machine in machines], now)

    async def becomes(self, machine: int, status: Any) -> None:
        """By the store's own order, as a decision would."""
        await self.store.order(machine, Watch(), lambda case: move(case, status), self.clock.now())

    async def glance(self, *machines: int | str) -> dict[int | str, Standing]:
        return dict(await self.store.glance(machines, self.clock.now()))

    async def copied(self, *machines: int | str) -> dict[int | str, Standing | None]:
        """What the copy alone answers."""
        return await self.copy.read(machines, self.clock.now())

    async def written(self) -> None:
        await eventually(lambda: self.copy.writer.idle)

    def key(self, name: object) -> str:
        return f"{self.copy.writer.prefix}{name}"

    async def same(self, machine: int) -> None:
        """The copy answers, and what the store says; but for when it is to be looked at, which nobody is shown."""
        copied, true = (await self.copied(machine))[machine], (await self.truth.liveness([machine]))[machine]
        assert copied is not None
        assert _shown(copied) == _shown(true)


def _shown(standing: Standing) -> Standing:
    return replace(standing, liveness=replace(standing.liveness, check_at=None, back_at=None, heard=0))


@asynccontextmanager
async def a_node(server: Valkey, url: str, **more: Any) -> AsyncIterator[Node]:
    """`url`: of the store. `more` is given to the copy."""
    clock = SystemClock()
    copy = RedisCopy(server.url, clock, **more)
    store: Any = beside(open_store(url), copy)
    await store.open()
    try:
        yield Node(store, copy, server, clock)
    finally:
        await store.close()


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/lastseen.db"
