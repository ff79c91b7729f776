"""What the scenario tests of the monitor share: a monitor on a clock that is told the time, on each kind of store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lastseen.clock import SystemClock
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage.sql import SqlStore
from lastseen.testing import FakeClock, RecordingNotifier
from tests.fresh import new_database
from tests.servers.postgres import shared

STORES = ("memory", "sqlite")
EVERY_STORE = (*STORES, "postgres")


class Scene:
    """A monitor, its clock, and what was told."""

    def __init__(self, monitor: HeartbeatMonitor, clock: FakeClock, told: RecordingNotifier) -> None:
        self.monitor, self.clock, self.told = monitor, clock, told

    async def beat(self, *machines: str, report: Any = None) -> None:
        for machine in machines:
            await self.monitor.heartbeat(machine, report)

    async def keep_beating(self, machines: Iterable[str], minutes: int) -> None:
        """A heartbeat a minute from each."""
        names = list(machines)
        for _ in range(minutes):
            await self.clock.advance("1m")
            await self.beat(*names)

    async def first_told(self, after: str, within: str = "2s") -> list[str]:
        """What is told in the moment after so long, in which nothing is."""
        await self.clock.advance(after)
        assert self.types == []
        await self.clock.advance(within)
        return self.types

    @property
    def sql(self) -> SqlStore:
        store = self.monitor.store
        assert isinstance(store, SqlStore)
        return store

    @property
    def types(self) -> list[str]:
        return [f"{e.type} {e.machine}" for m in self.told.messages for e in m.events]


class Hands:
    """The two clocks of a computer, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.mono = 1_767_225_600.0, 100.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.mono)


def url_of(store: str, folder: Path) -> str:
    match store:
        case "memory":
            return "memory:"
        case "postgres":
            return shared().migrated()
    return new_database(folder / "lastseen.db")


@asynccontextmanager
async def scene(store: str, folder: Path, **options: Any) -> AsyncIterator[Scene]:
    """A running monitor with a threshold of 3 minutes."""
    clock = options.pop("clock", None) or FakeClock()
    told = options.pop("told", None) or RecordingNotifier()
    options.setdefault("offline_after", "3m")
    options.setdefault("notify", {"ops": told})
    async with HeartbeatMonitor(url_of(store, folder), clock=clock, **options) as monitor:
        yield Scene(monitor, clock, told)
