"""When the monitor looks: whatever moves a deadline is followed by a look, and nothing else causes one."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import anyio
import pytest

from lastseen.clock import SystemClock
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Slow(MemoryStore):
    """Says what it has read only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.may_answer = anyio.Event(), anyio.Event()

    async def next_check(self) -> datetime | None:
        found = await super().next_check()
        self.read.set()
        await self.may_answer.wait()
        return found


def is_time(monitor: HeartbeatMonitor) -> bool:
    """Whether it was woken since this was last asked."""
    schedule: Any = monitor._loops._schedule
    woken, schedule._event = schedule._event.is_set(), anyio.Event()
    return bool(woken)


async def test_an_order_is_looked_at_after_a_look_that_had_asked_before_it() -> None:
    store = Slow()
    monitor = HeartbeatMonitor(store, clock=SystemClock(), offline_after="5s")
    async with monitor.opened():
        await monitor.watch("web")
        is_time(monitor)
        look = asyncio.create_task(monitor.sweep())
        await store.read.wait()
        await monitor.pause("web")
        store.may_answer.set()
        await look
        assert is_time(monitor)


async def test_a_look_that_found_nothing_and_a_question_without_news_cause_no_other() -> None:
    monitor = HeartbeatMonitor(MemoryStore(), clock=SystemClock(), offline_after="5s")
    async with monitor.opened():
        await monitor.watch("web")
        assert is_time(monitor)
        await monitor.sweep()
        await monitor._loops.committed([])
        assert not is_time(monitor)
