"""Everything in memory: for tests, for trying out, and for programs that need not remember the last time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lastseen.storage.state import State
from lastseen.storage.state_deeds import Attested
from lastseen.storage.state_directory import Listed
from lastseen.storage.state_following import Followable


def open_memory(url: str = "memory:") -> MemoryStore:
    return MemoryStore()


class MemoryStore(Attested, Listed, Followable):
    """Safe among the tasks of one event loop."""

    def __init__(self) -> None:
        self.state = State()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._lock:
            yield
