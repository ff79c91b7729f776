"""Reading from Redis in few round trips: whoever asks while an answer is on its way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lastseen.storage.redis_link import Away, Link

WITHIN = 0.25
"""Seconds that an answer may take; the database is asked then."""

LARGEST = 2_000
"""Keys that are asked for at once."""

Waiting = list[tuple[Sequence[str], "asyncio.Future[Sequence[bytes | None]]"]]


class Reader:
    """One MGET at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: Waiting = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What stands there; None where nothing does, or no text. Raises Away."""
        future: asyncio.Future[Sequence[bytes | None]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next())
        finally:
            self._task = None
            _fail(self._waiting)
            self._waiting = []

    def _next(self) -> Waiting:
        count, keys = 0, 0
        while count < len(self._waiting) and (not count or keys + len(self._waiting[count][0]) <= LARGEST):
            keys += len(self._waiting[count][0])
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _answer(self, batch: Waiting) -> None:
        keys = [key for wanted, _ in batch for key in wanted]
        try:
            found: Any = await self._link.ask(lambda client: client.mget(keys), WITHIN)
        except Away:
            _fail(batch)
            return
        begin = 0
        for wanted, future in batch:
            end = begin + len(wanted)
            if not future.done():
                future.set_result(found[begin:end])
            begin = end


def _fail(batch: Waiting) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(Away())
