"""PostgreSQL for a run: what was committed outlives `kill -9`, and nodes reach it through lines that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.proxy import Proxy
from tests.servers.postgres import PostgresServer

DURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=on")
"""A commit is in the kernel when it is acknowledged: only a power cut could take it back."""


class Database:
    """`url`: as nodes reach it. `direct`: as the test does, which nothing is done to."""

    def __init__(self) -> None:
        self.server = PostgresServer(*DURABLE)
        self.line = Proxy(self.server.port)

    @property
    def direct(self) -> str:
        return self.server.url()

    @property
    def url(self) -> str:
        return f"postgresql://lastseen@127.0.0.1:{self.line.port}/postgres?target_session_attrs=read-write"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Database]:
        try:
            await asyncio.to_thread(self.server.start)
            async with self.line.running():
                yield self
        finally:
            await asyncio.to_thread(self.server.remove)
