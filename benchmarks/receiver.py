"""A local webhook receiver that is as quick as it can be: it counts, and remembers when each id came."""

from __future__ import annotations

import asyncio
import time


class Receiver:
    """HTTP/1.1 with keep-alive over asyncio streams. `fail_for`: seconds from the first request on in which it answers
    503."""

    def __init__(self, fail_for: float = 0.0) -> None:
        self.arrived: dict[str, float] = {}
        self.requests = 0
        self._fail_for, self._first = fail_for, None
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                await reader.readexactly(int(fields.get(b"content-length", b"0")))
                writer.write(self._answer(fields.get(b"webhook-id", b"").decode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def _answer(self, uid: str) -> bytes:
        now = time.perf_counter()
        self.requests += 1
        self._first = self._first or now
        if now - self._first < self._fail_for:
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        self.arrived.setdefault(uid, now)
        return b"HTTP/1.1 204 No Content\r\n\r\n"
