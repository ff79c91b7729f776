"""What is broken while machines live: seeded, logged, and mended again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from tests.chaos.evidence import Fault
from tests.chaos.world import LEASE, STARTED_WITHIN, Node, World
from tests.support import eventually, pace

EVERYWHERE = ("http", "mqtt")
"""A fault after which nobody is heard, however they report."""

Break = Callable[[World], Awaitable[None]]


@asynccontextmanager
async def noted(world: World, kind: str, *deaf: str, held: bool = False) -> AsyncIterator[None]:
    start = time.time()
    try:
        yield
    finally:
        world.faults.append(Fault(kind, start, time.time(), deaf, held))


async def node_killed(world: World) -> None:
    node = world.rng.choice(world.nodes)
    async with noted(world, "node killed"):
        node.kill()
        await pace(world.rng.uniform(0.1, 3))
        await _back(node)


async def nodes_all_killed(world: World) -> None:
    async with noted(world, "nodes all killed", *EVERYWHERE):
        for node in world.nodes:
            node.kill()
        await pace(world.rng.uniform(0.1, 2))
        for node in world.nodes:
            node.wanted = True
    for node in world.nodes:
        await _back(node)


async def node_stopped(world: World) -> None:
    """Past the lease of what it sends on; then it goes on as if nothing had been."""
    node = world.rng.choice(world.nodes)
    async with noted(world, "node stopped"):
        node.signal(signal.SIGSTOP)
        await pace(LEASE + world.rng.uniform(1, 3))
        node.signal(signal.SIGCONT)


async def database_cut(world: World) -> None:
    async with noted(world, "database cut", *EVERYWHERE):
        world.database.line.cut()
        await pace(world.rng.uniform(0.2, 3))
        world.database.line.heal()


async def database_stalled(world: World) -> None:
    async with noted(world, "database stalled", *EVERYWHERE, held=True):
        world.database.line.stall()
        await pace(world.rng.uniform(1, 6))
        world.database.line.heal()


async def database_slow(world: World) -> None:
    async with noted(world, "database slow"):
        world.database.line.slow(world.rng.uniform(0.01, 0.1))
        await pace(world.rng.uniform(3, 6))
        world.database.line.heal()


async def database_restarted(world: World) -> None:
    async with noted(world, "database restarted", *EVERYWHERE):
        await asyncio.to_thread(world.database.server.stop)
        await asyncio.to_thread(world.database.server.start)


async def database_killed(world: World) -> None:
    async with noted(world, "database killed", *EVERYWHERE):
        await asyncio.to_thread(world.database.server.kill)
        await pace(world.rng.uniform(0, 2))
        await asyncio.to_thread(world.database.server.start)


async def database_failed_over(world: World) -> None:
    async with noted(world, "database failed over", *EVERYWHERE):
        await asyncio.to_thread(world.database.fail_over)


async def database_disk_full(world: World) -> None:
    """What was reserved before is still written: some are heard all the same."""
    async with noted(world, "database disk full", *EVERYWHERE, held=True):
        await asyncio.to_thread(world.database.fill)
        await pace(world.rng.uniform(1, 4))
        await asyncio.to_thread(world.database.free)


async def clock_stepped(world: World) -> None:
    """Of the first node, by an hour, and back."""
    async with noted(world, "clock stepped"):
        world.clock_of_first.write_text(world.rng.choice(("+3600", "-3600")))
        await pace(world.rng.uniform(2, 5))
        world.clock_of_first.write_text("+0")


async def valkey_killed(world: World) -> None:
    async with noted(world, "valkey killed"):
        await asyncio.to_thread(world.valkey.kill)
        await pace(world.rng.uniform(0, 3))
        await asyncio.to_thread(world.valkey.start)


async def valkey_flushed(world: World) -> None:
    async with noted(world, "valkey flushed"):
        await asyncio.to_thread(world.valkey.client.flushall)


async def broker_restarted(world: World) -> None:
    async with noted(world, "broker restarted", "mqtt"):
        await asyncio.to_thread(world.broker.stop)
        await pace(world.rng.uniform(0, 3))
        await asyncio.to_thread(world.broker.start)


async def _back(node: Node) -> None:
    node.wanted = True
    await eventually(node.ready, timeout=STARTED_WITHIN, every=0.05)


async def one_after_the_other(world: World, breaks: Sequence[Break]) -> None:
    for each in breaks:
        await pace(world.rng.uniform(0.5, 2.5))
        await each(world)
