"""A store with a copy beside it, as a node has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lastseen.app import App
from lastseen.clock import SystemClock, rfc3339
from lastseen.model import Beat, Standing, Watch, replace
from lastseen.storage import open_store
from lastseen.storage.beside import beside
from lastseen.storage.redis import RedisCopy
from lastseen.storage.redis_link import Link
from lastseen.testing.script import keep, move
from tests.server.conftest import Served, a_server
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


def _shown(standing: Standing | None) -> Standing | None:
    if standing is None:
        return None
    return replace(standing, liveness=replace(standing.liveness, check_at=None, back_at=None, heard=0))


@asynccontextmanager
async def a_node(server: Valkey, url: str, **more: Any) -> AsyncIterator[Node]:
    """`url`: of the store. `more` is given to the copy."""
    clock = SystemClock()
    copy = RedisCopy(Link(server.url, clock), clock, **more)
    store: Any = beside(open_store(url), copy)
    await store.open()
    try:
        yield Node(store, copy, server, clock)
    finally:
        await store.close()


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/lastseen.db"


@dataclass
class Serving:
    """A server with its copy, and a machine `pump`, by its id."""

    served: Served
    pump: int
    key_of_pump: str
    key_of_api: str

    @property
    def app(self) -> App:
        return self.served.app

    @property
    def copy(self) -> RedisCopy:
        copy: RedisCopy = self.app.store.copy  # type: ignore[attr-defined]
        return copy

    def key(self, name: object) -> str:
        return f"{self.copy.writer.prefix}{name}"

    async def lives(self) -> None:
        """A heartbeat, and it is in the database."""
        assert (await self.served.beat(self.key_of_pump)).status_code == 204

    async def status(self) -> dict[str, Any]:
        answer = await self.served.get(f"/api/v1/devices/{self.pump}/status", self.key_of_api)
        assert answer.status_code == 200
        return dict(answer.json())

    async def says(self, status: str) -> None:
        """The route, and with it the database as another process reads it."""
        known = (await self.served.other.liveness([self.pump]))[self.pump].liveness
        said = await self.status()
        assert (said["status"], said["last_seen"]) == (known.status.value, rfc3339(known.last_seen))
        assert said["status"] == status

    async def notes(self) -> list[str]:
        return list((await self.served.get("/readyz")).json().get("notes", []))

    async def copied(self) -> bool:
        """The copy alone answers, and as the database."""
        found = await self.copy.read([self.pump], self.app.monitor.clock.now())
        known = (await self.served.other.liveness([self.pump]))[self.pump]
        return self.pump in found and _shown(found[self.pump]) == _shown(known)


@asynccontextmanager
async def serving(folder: Path, server: Valkey, **given: Any) -> AsyncIterator[Serving]:
    """`pump` is online, and so it stands in Redis, if that can be reached."""
    async with a_server(folder, **{"redis_url": server.url, **given}) as served:
        key = await served.machine("pump")
        pump = (await served.app.monitor.status("pump")).id
        node = Serving(served, pump, key, await served.key("api"))
        await node.lives()
        await eventually(lambda: _online(served))
        if not given:
            await eventually(node.copied)
        yield node


async def _online(served: Served) -> bool:
    return (await served.app.monitor.status("pump")).is_online
