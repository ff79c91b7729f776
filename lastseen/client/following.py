"""What a server tells for as long as somebody listens, and on from where it was cut off."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
import msgspec
from httpx_sse import EventSource, ServerSentEvent, SSEError

from lastseen.client.remote import Remote
from lastseen.errors import Busy, StoreUnavailable, Unreachable

PAUSE = 2.0
"""Seconds before it is asked again, where the server does not say how many."""

SHORTEST, LONGEST = 0.5, 10.0
RESET = "the server tells another past: its database was restored, and what came in between is not told"


class Following:
    """Each value that is sent, once. Entered when the server has said from where on. Where it is away later, `warn` of
    the server is told, and it goes on when it is back; raises what the server refuses then, as to a key that was
    revoked."""

    def __init__(self, server: Remote, *path: str) -> None:
        self._server, self._path = server, path
        self._position, self._pause = "", PAUSE
        self._told: deque[Any] = deque()
        self._response: httpx.Response | None = None
        self._sent: AsyncGenerator[ServerSentEvent, None] | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        try:
            while not self._position:
                await self._read()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._told:
            try:
                await self._read()
            except Unreachable as error:
                await self._again(error)
        return self._told.popleft()

    async def _read(self) -> None:
        """What is sent next. Raises Unreachable."""
        try:
            sent = None if self._sent is None else await anext(self._sent, None)
        except SSEError:
            raise Unreachable(f"{self._server.url}: what answers there is no lastseen server") from None
        except (httpx.HTTPError, OSError) as error:
            raise Unreachable(f"{self._server.url} is away: {type(error).__name__}") from error
        if sent is None:
            raise Unreachable(f"{self._server.url} is away: it has ended what it was telling")
        self._take(sent)

    def _take(self, sent: ServerSentEvent) -> None:
        self._position = sent.id or self._position
        if sent.retry is not None:
            self._pause = min(max(sent.retry / 1000, SHORTEST), LONGEST)
        if sent.event == "reset":
            self._server.warn(RESET)
        elif sent.data:
            try:
                self._told.append(msgspec.json.decode(sent.data))
            except (msgspec.DecodeError, RecursionError):
                raise Unreachable(f"{self._server.url}: what answers there is no lastseen server") from None

    async def _again(self, error: Unreachable) -> None:
        """When it is back."""
        self._server.warn(f"{error}; going on when it is back")
        while True:
            await self._close()
            await anyio.sleep(self._pause)
            try:
                await self._open()
                break
            except (Unreachable, StoreUnavailable, Busy):
                continue
        self._server.warn(f"{self._server.url} is back")

    async def _open(self) -> None:
        self._response = await self._server.opened(*self._path, position=self._position)
        self._sent = EventSource(self._response).aiter_sse()

    async def _close(self) -> None:
        sent, response = self._sent, self._response
        self._sent = self._response = None
        with anyio.CancelScope(shield=True):
            if sent is not None:
                await sent.aclose()
            if response is not None:
                await response.aclose()
