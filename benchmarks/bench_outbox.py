"""1,000 machines silent at once, told to a local webhook receiver by a real monitor; against the same requests by a
bare client without a store. Once more with a receiver that fails for its first 3 s."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx

from benchmarks.common import Figure, arguments, machine, report, workspace
from benchmarks.fleet import fill, text
from benchmarks.receiver import Receiver
from lastseen.clock import SystemClock
from lastseen.log_output import configure_logs
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers.signing import new_secret
from lastseen.notifiers.tools import local_tools
from lastseen.notifiers.webhook import Webhook
from lastseen.plugins import make_notifier

IN_FLIGHT = 32


async def ours(path: Path, count: int, fail_for: float) -> tuple[float, int]:
    """Seconds from the look that finds them silent until the last has arrived; and requests beyond one each."""
    async with Receiver(fail_for) as receiver:
        config: dict[str, Any] = {"url": receiver.url}
        tools = local_tools()
        webhook = make_notifier("webhook", config, {"secret": new_secret()}, tools)
        monitor = HeartbeatMonitor(f"sqlite:///{path}", notify={"hook": webhook}, offline_after="1d")
        began = time.perf_counter()
        async with monitor:
            with anyio.fail_after(120):
                while len(receiver.arrived) < count:
                    await anyio.sleep(0.005)
            took = max(receiver.arrived.values()) - began, receiver.requests - count
        await tools.http.aclose()
        return took


async def bare(count: int) -> float:
    """The same number of posts by one httpx client, as many in flight: no store, no signature, no order."""
    async with Receiver() as receiver, httpx.AsyncClient() as client:
        body = b"x" * 600
        limit = anyio.CapacityLimiter(IN_FLIGHT)
        began = time.perf_counter()

        async def post(number: int) -> None:
            async with limit:
                await client.post(receiver.url, content=body, headers={"webhook-id": str(number)})

        async with anyio.create_task_group() as group:
            for number in range(count):
                group.start_soon(post, number)
        return time.perf_counter() - began


def silent_fleet(path: Path, count: int) -> None:
    fill(path, count, SystemClock().now() - timedelta(days=2), timedelta(days=1))


def main() -> None:
    configure_logs(level="ERROR")
    short = arguments().short
    count, rounds = (50, 1) if short else (1000, 5)
    print(f"{machine()}; {count} machines; {text(SystemClock().now())}")
    quick, failing, base, extra = [], [], [], 0
    with workspace() as folder:
        for number in range(rounds):
            for results, fail_for in ((quick, 0.0), (failing, 0.5 if short else 3.0)):
                path = folder / f"{number}-{fail_for}.db"
                silent_fleet(path, count)
                took, more = anyio.run(ours, path, count, fail_for)
                results.append(took)
                extra += more if not fail_for else 0
            base.append(anyio.run(bare, count))
    print(f"repeats: {extra}; lost: 0 (each round waits for all)")
    report(
        [
            Figure(f"{count} silent at once, all delivered", "s", quick, base, "bare httpx client", "<= 3 s"),
            Figure("… the receiver failing for its first 3 s", "s", failing, base, "bare httpx client", "none lost"),
        ]
    )


if __name__ == "__main__":
    assert Webhook
    main()
