"""The status of machines from the copy in Valkey, and writing it there: beside the same read from SQLite, and beside
bare redis-py that gets and sets values as long. And what the copy costs the recorder: beside the same without it."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

from benchmarks.bench_recorder import recorded
from benchmarks.common import Figure, arguments, machine, report, workspace
from benchmarks.fleet import fill
from lastseen.clock import SystemClock
from lastseen.storage import open_store
from lastseen.storage.beside import beside
from lastseen.storage.redis import RedisCopy
from lastseen.storage.redis_link import Link
from lastseen.storage.redis_values import Known
from tests.servers.valkey import Valkey

Call = Callable[[list[int]], Awaitable[Any]]
WANTED = {"read": "<= 1 ms", "write": "<= 1 ms"}


class Bench:
    """A store with its copy, all of whose machines stand in Valkey."""

    def __init__(self, store: Any, copy: RedisCopy, clock: SystemClock, machines: int) -> None:
        self.store, self.copy, self.clock, self.ids = store, copy, clock, list(range(1, machines + 1))
        self.client: Any = copy.link._client
        self.known: dict[int, Known] = {}

    async def prepare(self) -> None:
        """Read all, and write them: what is older than a minute is not believed."""
        now = self.clock.now()
        found = await self.store.liveness(self.ids)
        self.known = {ref: Known(standing, now) for ref, standing in found.items()}
        for begin in range(0, len(self.ids), 200):
            await self.copy.writer.put([self.known[ref] for ref in self.ids[begin : begin + 200]])
        copied = await self.copy.read(self.ids, self.clock.now())
        if copied != found:
            raise SystemExit(f"{len(copied)} of {len(found)} stand in Valkey as they are in the store")

    def calls(self) -> dict[str, dict[str, Call]]:
        """What is timed: ours first, then what stands beside it."""
        prefix, client = self.copy.writer.prefix, self.client
        value = b"x" * 500

        async def bare_read(ids: list[int]) -> None:
            await (client.get(f"{prefix}{ids[0]}") if len(ids) == 1 else client.mget([f"{prefix}{n}" for n in ids]))

        async def bare_write(ids: list[int]) -> None:
            if len(ids) == 1:
                await client.set(f"bare:{ids[0]}", value, ex=60)
                return
            async with client.pipeline(transaction=False) as pipe:
                for number in ids:
                    pipe.set(f"bare:{number}", value, ex=60)
                await pipe.execute()

        async def ours(ids: list[int]) -> None:
            found = await self.store.glance(ids, self.clock.now())
            if len(found) != len(ids):
                raise SystemExit("a machine is not found")

        async def put(ids: list[int]) -> None:
            now = self.clock.now()
            await self.copy.writer.put([self.known[number]._replace(asked_at=now) for number in ids])

        return {
            "read": {"ours": ours, "the store": self.store.liveness, "bare redis-py": bare_read},
            "write": {"ours": put, "bare redis-py": bare_write},
        }


async def timed(call: Call, ids: list[int], batch: int, times: int) -> tuple[float, float]:
    """Milliseconds: the median and the 99th percentile."""
    took = []
    for _ in range(times):
        chosen = random.sample(ids, batch)
        began = time.perf_counter()
        await call(chosen)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)]


async def measure(bench: Bench, rounds: int, times: int) -> list[Figure]:
    await bench.prepare()
    figures: dict[tuple[str, int, str, str], Figure] = {}
    for _ in range(rounds):
        await bench.prepare()
        for what, ways in bench.calls().items():
            for batch in (1, 100):
                found = {name: await timed(call, bench.ids, batch, times) for name, call in ways.items()}
                for name in list(ways)[1:]:
                    for at, quantile in enumerate(("p50", "p99")):
                        wanted = WANTED[what] if batch == 1 and quantile == "p50" else ""
                        title = (
                            f"{what} {batch} from the copy, {quantile}"
                            if what == "read"
                            else f"{what} {batch}, {quantile}"
                        )
                        figure = figures.setdefault(
                            (what, batch, name, quantile), Figure(f"{title} beside {name}", "ms", [], [], name, wanted)
                        )
                        figure.ours.append(found["ours"][at])
                        figure.baseline.append(found[name][at])
    return list(figures.values())


async def run(path: Path, url: str, machines: int, rounds: int, times: int) -> list[Figure]:
    clock = SystemClock()
    copy = RedisCopy(Link(url, clock), clock, lasting=False)
    store: Any = beside(open_store(f"sqlite:///{path}"), copy)
    await store.open()
    try:
        return await measure(Bench(store, copy, clock, machines), rounds, times)
    finally:
        await store.close()


def recording(path: Path, url: str, machines: int, rounds: int, seconds: float) -> Figure:
    """Heartbeats a second with the copy beside the store and without it, in turn."""
    figure = Figure("recorder, 1000 a batch, with the copy", "/s", [], [], "the store alone", "stated")
    ids = random.Random(7).sample(range(1, machines + 1), machines)
    for _ in range(rounds):
        clock, alone = SystemClock(), open_store(f"sqlite:///{path}")
        with_copy: Any = beside(open_store(f"sqlite:///{path}"), RedisCopy(Link(url, clock), clock))
        figure.ours.append(anyio.run(recorded, with_copy, ids, 1000, seconds))
        figure.baseline.append(anyio.run(recorded, alone, ids, 1000, seconds))
    return figure


def main() -> None:
    short = arguments().short
    machines, rounds, times = (300, 2, 20) if short else (10_000, 5, 1_000)
    with workspace() as folder:
        server = Valkey(folder)
        server.start()
        try:
            fill(folder / "lastseen.db", machines, SystemClock().now(), timedelta(days=30))
            version = server.client.info("server")["valkey_version"]
            print(f"{machine()}, Valkey {version}; {machines:,} machines in SQLite")
            database = folder / "lastseen.db"
            figures = anyio.run(run, database, server.url, machines, rounds, times)
            figures.append(recording(database, server.url, machines, rounds, 0.5 if short else 3.0))
            report(figures)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
