"""How long after its deadline a silence is committed and at the notifier, with default settings; against a bare
asyncio timer that sleeps until the same deadline."""

from __future__ import annotations

import asyncio
import statistics
from datetime import timedelta

import anyio

from benchmarks.common import Figure, arguments, machine, report, workspace
from lastseen.model import Message
from lastseen.monitor.heartbeat import HeartbeatMonitor

THRESHOLD = timedelta(seconds=3)


async def measure(path: str, count: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds: committed, told, and the bare timer's; `count` machines whose deadlines scatter over 20 s."""
    committed, told, bare = [], [], []
    monitor: HeartbeatMonitor

    def hear(message: Message) -> None:
        if message.event.type == "machine.offline" and message.event.last_seen:
            due = message.event.last_seen + THRESHOLD
            committed.append((message.event.at - due).total_seconds() * 1000)
            told.append((monitor.clock.now() - due).total_seconds() * 1000)

    async def timer(seconds: float) -> None:
        due = monitor.clock.monotonic() + seconds
        await asyncio.sleep(seconds)
        bare.append((monitor.clock.monotonic() - due) * 1000)

    monitor = HeartbeatMonitor(path, notify=hear, offline_after=THRESHOLD)
    async with monitor, anyio.create_task_group() as group:
        for number in range(count):
            await monitor.heartbeat(f"m{number}")
            group.start_soon(timer, THRESHOLD.total_seconds())
            await anyio.sleep(min(20.0 / count, 0.05))
        with anyio.fail_after(60):
            while len(told) < count:
                await anyio.sleep(0.05)
    return committed, told, bare


def main() -> None:
    count = 20 if arguments().short else 500
    with workspace() as folder:
        committed, told, bare = anyio.run(measure, f"sqlite:///{folder / 'lastseen.db'}", count)
    print(f"{machine()}; {count} silences scattered over time, threshold {THRESHOLD.total_seconds():g} s")
    for name, values in (("committed", committed), ("told", told), ("bare timer", bare)):
        p99 = statistics.quantiles(values, n=100)[98]
        print(f"{name}: p50 {statistics.median(values):.1f} ms, p99 {p99:.1f} ms, worst {max(values):.1f} ms")
    report(
        [
            Figure("detection delay, decided", "ms", committed, bare, "bare asyncio timer", "p50 <= 100, p99 <= 500"),
            Figure("detection delay, at the notifier", "ms", told, bare, "bare asyncio timer"),
        ]
    )


if __name__ == "__main__":
    main()
