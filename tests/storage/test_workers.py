"""The threads of a store: as many as there is work for at once, and no more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from lastseen.errors import StoreUnavailable
from lastseen.storage.workers import Workers
from tests.support import eventually

T = TypeVar("T")


class Nothing:
    """A session that is connected to nothing."""

    def run(self, work: Callable[[Connection], T]) -> T:
        return work(None)  # type: ignore[arg-type]

    def close(self) -> None: ...


class Held:
    """Work that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Semaphore(0), threading.Event()
        self.threads: list[str] = []

    def __call__(self, _: Connection) -> str:
        self.threads.append(threading.current_thread().name)
        self.begun.release()
        assert self.go.wait(60)
        return "done"

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=60)


@asynccontextmanager
async def three(**given: Any) -> AsyncIterator[Workers]:
    workers = Workers("test", 3, Nothing, **given)
    try:
        yield workers
    finally:
        await workers.close()


async def test_what_comes_one_after_the_other_is_done_by_one() -> None:
    async with three() as workers:
        assert workers._threads == []
        names = {await workers.run(lambda _: threading.current_thread().name) for _ in range(50)}
        assert names == {"lastseen-test-0"}
        assert len(workers._threads) == 1


async def test_what_comes_at_once_is_done_by_as_many_as_there_may_be() -> None:
    held = Held()
    async with three() as workers:
        asked = [asyncio.create_task(workers.run(held)) for _ in range(5)]
        for _ in range(3):
            await held.has_begun()
        assert len(set(held.threads)) == len(workers._threads) == 3
        held.go.set()
        assert await asyncio.gather(*asked) == ["done"] * 5


@pytest.mark.parametrize("together", [1, 8])
async def test_a_thread_whose_caller_has_gone_is_busy_all_the_same(together: int) -> None:
    held = Held()
    async with three(together=together) as workers:
        asked = asyncio.create_task(workers.run(held))
        await held.has_begun()
        asked.cancel()
        await asyncio.wait([asked])
        assert await asyncio.wait_for(workers.run(lambda _: "another"), 60) == "another"
        held.go.set()


async def test_what_nobody_waits_for_any_more_is_not_done_and_not_counted() -> None:
    held, done = Held(), []
    async with three() as workers:
        busy = [asyncio.create_task(workers.run(held)) for _ in range(3)]
        for _ in busy:
            await held.has_begun()
        left = [asyncio.create_task(workers.run(lambda _: done.append(1))) for _ in range(4)]
        await asyncio.sleep(0)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        held.go.set()
        await asyncio.gather(*busy)
        await eventually(lambda: workers._under_way == 0)
        assert done == []


async def test_where_the_system_gives_no_thread_it_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with three() as workers:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(StoreUnavailable, match="no thread for the database"):
                await workers.run(lambda _: "never")
        assert await workers.run(lambda _: "now") == "now"
