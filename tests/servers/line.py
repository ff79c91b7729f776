"""A line to PostgreSQL that can be cut at a COMMIT: before it goes, or when it is done and before that is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

COMMIT = b"COMMIT\0"
"""As a simple query ends (PostgreSQL 15, 55.7 Message Formats: Query)."""


class Cut(Enum):
    BEFORE = "before the COMMIT goes"
    AFTER = "before its answer comes"


class Line:
    """Everything goes through it as it is, until it is told to cut, once."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port, self.port = host, port, 0
        self.cut: Cut | None = None
        self.commits_left = 0
        self.cuts = 0

    def cut_at_commit(self, cut: Cut, commits: int = 1) -> None:
        """At that many commits from now."""
        self.cut, self.commits_left = cut, commits

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Line]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection(self._host, self._port)
        answered: asyncio.Event | None = None

        async def back() -> None:
            with suppress(ConnectionError):
                while data := await to_server[0].read(65536):
                    if answered is not None:
                        answered.set()  # done, and nobody is told
                        return
                    writer.write(data)
                    await writer.drain()
            writer.close()  # whoever waits for an answer learns that none comes

        answering = asyncio.create_task(back())
        try:
            while data := await reader.read(65536):
                if self._is_the_one(data):
                    if self.cut is Cut.AFTER:
                        answered = asyncio.Event()
                        to_server[1].write(data)
                        await answered.wait()
                    self.cut, self.cuts = None, self.cuts + 1
                    return
                to_server[1].write(data)
                await to_server[1].drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            to_server[1].close()
            await asyncio.wait([answering])

    def _is_the_one(self, data: bytes) -> bool:
        if self.cut is None or not data.endswith(COMMIT):
            return False
        self.commits_left -= 1
        return self.commits_left == 0


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, str]]:
    """The line, and the address by which the database is reached through it."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    async with Line(parts.hostname, parts.port).open() as line:
        there = parts.netloc.rpartition("@")[0]
        yield line, parts._replace(netloc=f"{there}@127.0.0.1:{line.port}").geturl()
