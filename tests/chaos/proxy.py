"""A line to a server that can be cut, stalled and slowed, as networks are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support import pace


class Proxy:
    """Whoever connects to `port` speaks to the server at `target`, as long as nothing is wrong."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self._down = False
        self._delay = 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.cut()
            self._flows.set()
            server.close()

    def cut(self) -> None:
        """Every connection is reset, and none is made."""
        self._down = True
        for writer in list(self._open):
            writer.transport.abort()

    def stall(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._flows.clear()

    def slow(self, seconds: float) -> None:
        """Every piece takes so long."""
        self._delay = seconds

    def heal(self) -> None:
        self._down, self._delay = False, 0.0
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._flows.wait()
            if self._down:
                writer.transport.abort()
                return
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._open.discard(writer)
        self._open |= {writer, there[1]}
        try:
            await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))
        finally:
            self._open -= {writer, there[1]}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self._delay:
                    await pace(self._delay)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
