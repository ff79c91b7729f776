"""A sweep over 1,000,000 machines: nothing due, and 1,000 newly silent; against listing all, as others do."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import anyio

from benchmarks.common import Figure, arguments, machine, report, workspace
from benchmarks.fleet import fill, text
from lastseen.clock import SystemClock
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.storage import open_store

SILENT = 1000


def list_all(path: Path) -> float:
    """Milliseconds to read every machine's last_seen and compare it, the way a loop over all machines does."""
    db = sqlite3.connect(path)
    limit, began = text(SystemClock().now() - timedelta(days=1)), time.perf_counter()
    rows = db.execute(
        "SELECT m.id, m.name, l.status, l.last_seen FROM machines m JOIN liveness l ON l.machine_id = m.id"
    )
    sum(1 for row in rows.fetchall() if row[3] < limit)
    took = (time.perf_counter() - began) * 1000
    db.close()
    return took


def make_silent(path: Path, number: int) -> None:
    """1,000 machines whose threshold is just over."""
    past = SystemClock().now() - timedelta(days=2)
    first = number * SILENT + 1
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE liveness SET last_seen = ?, watch_from = ?, check_at = ? WHERE machine_id BETWEEN ? AND ?",
            (text(past), text(past), text(past + timedelta(days=1)), first, first + SILENT - 1),
        )
    db.close()


async def measure(path: Path, rounds: int) -> tuple[list[float], list[float], list[float]]:
    clock, rules = SystemClock(), Rules(offline_after=timedelta(days=1))
    store = open_store(f"sqlite:///{path}")
    await store.open()  # type: ignore[attr-defined]
    await store.code_channel("ops", "channel:ops", clock.now())  # type: ignore[attr-defined]
    idle, silent, everything = [], [], []
    for number in range(rounds):
        for _ in range(5):
            began = clock.monotonic()
            await store.settle(lambda case: decide(case, rules), clock.now())
            idle.append((clock.monotonic() - began) * 1000)
        await anyio.to_thread.run_sync(make_silent, path, number)
        began, found = clock.monotonic(), 0
        while found < SILENT:
            events = await store.settle(lambda case: decide(case, rules), clock.now())
            assert events, f"only {found} of {SILENT} were found silent"
            found += len(events)
        silent.append((clock.monotonic() - began) * 1000)
        everything.append(await anyio.to_thread.run_sync(list_all, path))
    await store.close()  # type: ignore[attr-defined]
    return idle, silent, everything


def main() -> None:
    short = arguments().short
    machines, rounds = (5000, 2) if short else (1_000_000, 7)
    with workspace() as folder:
        path = folder / "lastseen.db"
        fill(path, machines, SystemClock().now(), timedelta(days=30))
        print(f"{machine()}; {machines:,} machines, {path.stat().st_size / machines:.0f} bytes each on disk")
        idle, silent, everything = anyio.run(measure, path, rounds)
        report(
            [
                Figure("sweep, nothing due", "ms", idle, everything, "listing all", "<= 1 ms"),
                Figure(
                    f"sweep, {SILENT} newly silent, committed", "ms", silent, everything, "listing all", "<= 150 ms"
                ),
            ]
        )


if __name__ == "__main__":
    main()
