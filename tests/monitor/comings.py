"""Machines that come and go, and what says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lastseen.model import Beat, Said
from lastseen.monitor.sources import Port
from tests.monitor.cases import Scene, scene


@asynccontextmanager
async def watched(folder: Path, chat: Any, *machines: str, **options: Any) -> AsyncIterator[Scene]:
    """Each is offline after a minute; a round of `flap` is an outage and a return: two changes in 160 seconds."""
    async with scene("sqlite", folder, told=chat, offline_after="1m", **options) as s:
        await s.beat(*(machines or ("ap",)))
        yield s


async def flap(s: Scene, rounds: int, *machines: str) -> None:
    for _ in range(rounds):
        await s.clock.advance("2m")
        await s.beat(*(machines or ("ap",)))
        await s.clock.advance("40s")


async def stays_up(s: Scene, minutes: int, *machines: str) -> None:
    for _ in range(2 * minutes):
        await s.beat(*(machines or ("ap",)))
        await s.clock.advance("30s")


async def say(port: Port, name: str, said: Said = Said.ALIVE, add: Any = None, **more: Any) -> bool:
    """Something comes by this name; False: no machine is known by it."""
    machine = await port.machine(name, add)
    if machine is None:
        port.unknown(name)
        return False
    await port.submit(Beat(machine, port.clock.now(), said, port.id, **more))
    return True
