"""The recorder into SQLite: 100,000 machines, the sweep running; against the same UPDATE by bare sqlite3."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

from benchmarks.common import Figure, arguments, fsync_ms, machine, report, workspace
from benchmarks.fleet import fill, text
from lastseen.clock import SystemClock
from lastseen.model import Beat
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.storage import open_store

BODY = json.dumps({"uptime_seconds": 86400, "free_memory": 2**30, "metrics": {"cpu_pct": 12.5, "load_1": 0.3}})


async def ours(path: Path, ids: list[int], batch: int, seconds: float, body: str | None) -> float:
    return await recorded(open_store(f"sqlite:///{path}"), ids, batch, seconds, body)


async def recorded(store: Any, ids: list[int], batch: int, seconds: float, body: str | None = None) -> float:
    """Heartbeats a second that are durable in the store, while settle runs every 50 ms."""
    clock, rules = SystemClock(), Rules(offline_after=timedelta(days=1))
    await store.open()
    done = 0
    began = clock.monotonic()

    async def sweep() -> None:
        while True:
            await store.settle(lambda case: decide(case, rules), clock.now())
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        at = 0
        while clock.monotonic() - began < seconds:
            now = clock.now()
            chosen = ids[at : at + batch]
            at = (at + batch) % len(ids)
            await store.record([Beat(machine_id, now, body=body) for machine_id in chosen], now)
            done += len(chosen)
        group.cancel_scope.cancel()
    rate = done / (clock.monotonic() - began)
    await store.close()
    return rate


def bare(path: Path, ids: list[int], batch: int, seconds: float) -> float:
    """The same rows by executemany in the same kind of transactions, and nothing else: no queue, no sweep."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "wal_autocheckpoint=10000"):
        db.execute(f"PRAGMA {pragma}")
    done, at, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        now = text(SystemClock().now())
        chosen = sorted(ids[at : at + batch])
        at = (at + batch) % len(ids)
        db.execute("BEGIN IMMEDIATE")
        db.executemany("UPDATE liveness SET last_seen = ? WHERE machine_id = ?", [(now, i) for i in chosen])
        db.execute("COMMIT")
        done += len(chosen)
    rate = done / (time.perf_counter() - began)
    db.close()
    return rate


def main() -> None:
    short = arguments().short
    machines, rounds, seconds = (2000, 1, 0.5) if short else (100_000, 5, 3.0)
    with workspace() as folder:
        path = folder / "lastseen.db"
        fill(path, machines, SystemClock().now())
        ids = list(range(1, machines + 1))
        random.Random(7).shuffle(ids)
        print(f"{machine()}; fdatasync {fsync_ms(folder):.2f} ms; {machines:,} machines")
        figures = []
        for batch, body, wanted in ((1000, None, ""), (5000, None, ">= 100,000/s"), (1000, BODY, "stated")):
            mine, base = [], []
            for _ in range(rounds):
                mine.append(anyio.run(ours, path, ids, batch, seconds, body))
                base.append(bare(path, ids, batch, seconds))
            what = "with bodies" if body else "plain"
            figures.append(Figure(f"recorder, {batch} a batch, {what}", "/s", mine, base, "bare executemany", wanted))
        report(figures)


if __name__ == "__main__":
    main()
