"""How long the work of a killed node waits: two processes on one PostgreSQL, the one that holds the lane of a webhook
is killed with `kill -9`, and the other one sends on.

python -m benchmarks.bench_failover [--short] [--json FILE]
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.common import Figure, arguments, machine, report
from lastseen.notifiers import dispatcher
from tests.chaos.machines import OverHttp
from tests.chaos.world import Node, World
from tests.support import eventually, pace

ROUNDS = 3
SHORT_LEASE = 3.0
PATIENCE = 120.0
HOLDER = "SELECT owner FROM leases JOIN channels ON leases.name = 'channel:' || channels.uid WHERE channels.name = %s"


async def main() -> None:
    short = arguments().short
    lease = SHORT_LEASE if short else dispatcher.LEASE.total_seconds()
    print(machine())
    waited: list[float] = []
    for number in range(1 if short else ROUNDS):
        with tempfile.TemporaryDirectory(prefix="lastseen-failover-") as folder:
            waited.append(await failover(Path(folder), number, lease))
    name = f"a lane of a killed node, until another one sends on it (lease {lease:g} s)"
    report([Figure(name, "s", waited, [lease] * len(waited), "one lease", f"{lease + 1:g} s")])


async def failover(folder: Path, seed: int, lease: float) -> float:
    """Seconds from the kill until the next message on the lane, for which something is due at once."""
    world = World(folder, seed, machines=6, devices=0)
    receiver = world.receivers[0]
    async with world.running({"LANE_LEASE": f"{lease:g}"}):
        await beat_all(world, world.nodes)
        await eventually(lambda: receiver.deliveries, timeout=PATIENCE, every=0.001)
        holder = holder_of(world, receiver.name)
        holder.kill()
        killed, seen = time.monotonic(), len(receiver.deliveries)
        await beat_all(world, [node for node in world.nodes if node is not holder])
        await eventually(lambda: len(receiver.deliveries) > seen, timeout=PATIENCE, every=0.005)
        return time.monotonic() - killed


def holder_of(world: World, channel: str) -> Node:
    with psycopg.connect(world.database.direct) as connection:
        row = connection.execute(HOLDER, (channel,)).fetchone()
    assert row is not None
    return next(node for node in world.nodes if row[0] in node.server.log.read_text())


async def beat_all(world: World, nodes: list[Node]) -> None:
    """Each machine is heard once."""
    way = OverHttp(lambda: [node.url for node in nodes], world.keys, world.rng)
    await way.open()
    try:
        for number in world.keys:
            while await way.say(number, "alive") is None:
                await pace(0.1)
    finally:
        await way.close()


if __name__ == "__main__":
    asyncio.run(main())
