"""One node that records heartbeats into PostgreSQL, in a process of its own, and says what that cost it.

python -m benchmarks.postgres_node URL FIRST STEP MACHINES BATCH: it records the machines FIRST, FIRST + STEP, … in an
order of its own. It says "ready" when a first batch is stored, reads on its input for how many seconds, and answers
with JSON (`Cost`); again and again, until the input ends.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

import anyio
import anyio.to_thread

from lastseen.clock import SystemClock
from lastseen.model import Beat
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.protocols import Store
from lastseen.storage import open_store

IN_FLIGHT = 2
"""Batches on their way at once, as the recorder has them."""

LOOK_EVERY = 0.5
"""Seconds between two sweeps, as often as a node looks at its clocks."""

RULES = Rules(offline_after=timedelta(days=1))


@dataclass
class Cost:
    """Heartbeats that were stored, and the seconds of the clock and of the processor that it took."""

    done: int
    wall: float
    cpu: float


async def record(store: Store, ids: list[int], batch: int, seconds: float, look_every: float = LOOK_EVERY) -> Cost:
    """Batch after batch of these machines, while the sweep runs."""
    clock = SystemClock()
    done, starts = 0, itertools.cycle(range(0, len(ids), batch))
    began, used = time.perf_counter(), time.process_time()

    async def sweep() -> None:
        while True:
            await store.settle(lambda case: decide(case, RULES), clock.now())
            await anyio.sleep(look_every)

    async def send() -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            at, now = next(starts), clock.now()
            chosen = ids[at : at + batch]
            await store.record([Beat(machine_id, now) for machine_id in chosen], now)
            done += len(chosen)

    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        async with anyio.create_task_group() as senders:
            for _ in range(IN_FLIGHT):
                senders.start_soon(send)
        group.cancel_scope.cancel()
    return Cost(done, time.perf_counter() - began, time.process_time() - used)


async def serve(url: str, first: int, step: int, machines: int, batch: int) -> None:
    ids = list(range(first, machines + 1, step))
    random.Random(first).shuffle(ids)
    store = open_store(url, migrate="check")
    await store.open()  # type: ignore[attr-defined]
    await record(store, ids, batch, 0.2)
    print("ready", flush=True)
    while seconds := await anyio.to_thread.run_sync(sys.stdin.readline):
        print(json.dumps(asdict(await record(store, ids, batch, float(seconds)))), flush=True)
    await store.close()  # type: ignore[attr-defined]


class Node:
    """Such a process, as its parent sees it."""

    def __init__(self, url: str, first: int, step: int, machines: int, batch: int) -> None:
        command = [sys.executable, "-m", "benchmarks.postgres_node", url, *map(str, (first, step, machines, batch))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._line() != "ready\n":
            raise SystemExit("a node did not start")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def go(self, seconds: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def cost(self) -> Cost:
        return Cost(**json.loads(self._line()))

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], *map(int, sys.argv[2:]))
