"""A connection to a server, written by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.server.conftest import HEARTBEAT, Served
from tests.support import eventually


class Line:
    """Its two ends: what is said, and what is answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body; status 0: the connection was closed."""
        try:
            async with asyncio.timeout(60):
                return await self._answer()
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, {}, b""

    async def _answer(self) -> tuple[int, dict[str, str], bytes]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def is_cut_while_it_says(self, byte: bytes) -> None:
        async def gone() -> bool:
            await self.say(byte)
            return self.reader.at_eof() or self.reader.exception() is not None

        await eventually(gone)

    async def rest(self) -> bytes:
        try:
            return await asyncio.wait_for(self.reader.read(), 60)
        except ConnectionError:
            return b""


@contextlib.asynccontextmanager
async def line(served: Served) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


def head(key: str, *more: str, path: str = HEARTBEAT, method: str = "POST", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", f"X-API-Key: {key}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
