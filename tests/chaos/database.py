"""PostgreSQL for a run: what was committed outlives `kill -9`, and nodes reach it through lines that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.chaos.proxy import Proxy
from tests.disk import fill, small_disk
from tests.servers.postgres import PostgresServer
from tests.support import until

DURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_wal_size=64MB", "min_wal_size=32MB")
"""A commit is in the kernel when it is acknowledged: only a power cut could take it back."""

DISK = "300m"


class Database:
    """`url`: as nodes reach it. `direct`: as the test does, which nothing is done to. With a standby nothing is
    committed before both have it. With a disk of its own, that can be filled."""

    def __init__(self, disk: bool = False, standby: bool = False) -> None:
        self.server = PostgresServer(*DURABLE)
        self._disk: Path | None = None
        if disk:
            self._disk = self.server.home / "disk"
            self.server.folder = self._disk / "data"
        self.standby = PostgresServer(*DURABLE) if standby else None
        self.line = Proxy(self.server.port)
        self._other = Proxy(self.standby.port) if self.standby else None

    @property
    def direct(self) -> str:
        return self.server.url()

    @property
    def url(self) -> str:
        lines = [self.line] if self._other is None else [self.line, self._other]
        hosts = ",".join(f"127.0.0.1:{line.port}" for line in lines)
        return f"postgresql://lastseen@{hosts}/postgres?target_session_attrs=read-write"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Database]:
        async with AsyncExitStack() as stack:
            if self._disk is not None:
                stack.enter_context(small_disk(self._disk, DISK))
                self._disk.chmod(0o777)
            for server in (self.server, self.standby):
                if server is not None:
                    stack.callback(server.remove)
            await asyncio.to_thread(self._start)
            for line in (self.line, self._other):
                if line is not None:
                    await stack.enter_async_context(line.running())
            yield self

    def _start(self) -> None:
        self.server.start()
        if self.standby is not None:
            there = ("-h", "127.0.0.1", "-p", self.server.port, "-U", "lastseen")
            self.server.program("pg_basebackup", "-D", self.standby.folder, *there, "-R", "-X", "stream", "-c", "fast")
            self.standby.start()
            self.server.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.server.execute("SELECT pg_reload_conf()")
            until(self._follows, "the standby follows")

    def _follows(self) -> bool:
        return bool(self.server.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))

    def fail_over(self) -> None:
        """The primary dies at once, and the standby takes its place."""
        assert self.standby is not None
        self.server.kill()
        self.standby.execute("SELECT pg_promote(true, 60)")
        self.server, self.standby = self.standby, self.server
        assert self._other is not None
        self.line, self._other = self._other, self.line  # what is broken from now on is what nodes speak over
        assert self.line.target == self.server.port

    def fill(self) -> None:
        assert self._disk is not None
        fill(self._disk / "filler")

    def free(self) -> None:
        """There is room again, and the server, if it died of that, is started."""
        assert self._disk is not None
        (self._disk / "filler").unlink()
        if not self.server.runs:
            self.server.start()
        until(self.server.answers, "the server answers", timeout=60)
