"""A full outbox of webhooks to real receivers, and sending it as `serve` does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio

from benchmarks.fleet import fill
from lastseen import counters
from lastseen.clock import SystemClock
from lastseen.compose import Notifiers
from lastseen.garbage import collect_seldom, leave_what_is_there
from lastseen.listening import allow_connections
from lastseen.model import Beat
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.notifiers.dispatcher import Dispatcher
from lastseen.notifiers.roster import Roster
from lastseen.serving import SWITCH, _loop_factory
from lastseen.settings import Settings
from lastseen.storage import open_store

T = TypeVar("T")
DAY = timedelta(days=1)


def as_serve_does(work: Callable[..., Awaitable[T]], *given: Any) -> T:
    """Run it on the loop, and with the settings of the interpreter, that `lastseen serve` has."""
    allow_connections()
    sys.setswitchinterval(SWITCH)

    async def main() -> T:
        collect_seldom()
        leave_what_is_there()
        return await work(*given)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


async def fill_outbox(path: Path, urls: Sequence[str], secret: str, machines: int) -> int:
    """Machines that fell silent and came back: two webhooks for each at every address. How many there are."""
    clock, rules = SystemClock(), Rules(offline_after=DAY)
    store: Any = open_store(f"sqlite:///{path}")
    await store.open()
    for number, url in enumerate(urls):
        name, now = f"hook-{number}", clock.now()
        await store.add_channel("webhook", name, {"url": url}, {"secret": secret}, f"channel:{name}", now)
    for back in (False, True):
        if back:
            now = clock.now()
            await store.record([Beat(f"m{number}", now) for number in range(machines)], now)
        found = 0
        while events := await store.settle(lambda case: decide(case, rules), clock.now(), 100):
            found += len(events)
        assert found == machines, f"{found} events of {machines} machines"
    await store.close()
    return len(urls) * machines * 2


def silent_fleet(path: Path, machines: int) -> None:
    fill(path, machines, SystemClock().now() - 2 * DAY, DAY)


async def send_all(path: Path, count: int) -> float:
    """Seconds from setting the dispatcher to work until so many webhooks are written down as delivered."""
    before = delivered()

    async def done() -> bool:
        return delivered() - before >= count

    return await send_until(path, done)


async def send_until(path: Path, done: Callable[[], Awaitable[bool]]) -> float:
    """Seconds from setting the dispatcher to work until that is so; what is in the air then is dropped."""
    clock = SystemClock()
    store: Any = open_store(f"sqlite:///{path}")
    await store.open()
    async with Notifiers(Settings(data_dir=path.parent), clock) as notifiers:
        roster = Roster(store, {}, notifiers, clock.monotonic)
        await roster.start(clock.now())
        dispatcher = Dispatcher(store, roster, clock, "bench")
        began = clock.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(dispatcher.run)
            with anyio.fail_after(300):
                while not await done():
                    await anyio.sleep(0.005)
            took = clock.monotonic() - began
            group.cancel_scope.cancel()
        await roster.stop()
    await store.close()
    return took


def delivered() -> float:
    return counters.DELIVERIES.values().get(("webhook", "delivered"), 0)
