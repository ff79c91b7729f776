"""A recorder over a store that records when it is let."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Recorded
from lastseen.monitor.recorder import Recorder
from lastseen.testing import FakeClock


class Gate:
    """A store that records when it is let, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[Beat]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.poison: str | None = None
        self.poisoned: Exception = ValueError("a row that cannot be written")
        self.down = False

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        await self.open.wait()
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("down")
        if any(beat.machine == self.poison for beat in beats):
            raise self.poisoned
        self.batches.append(list(beats))
        return Recorded(frozenset({"nobody"}) if any(b.machine == "nobody" for b in beats) else frozenset())


@asynccontextmanager
async def recording(gate: Gate, capacity: int = 100) -> AsyncIterator[tuple[Recorder, FakeClock, list[str]]]:
    failures: list[str] = []
    clock = FakeClock()
    recorder = Recorder(gate, clock, lambda: None, lambda: failures.append("failed"), capacity)  # type: ignore[arg-type]
    recorder.open()
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(120):  # a recorder that ends, or forgets somebody, leaves a future that is never done
        yield recorder, clock, failures
        gate.open.set()
        recorder.close()
        await task
