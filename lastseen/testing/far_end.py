"""A real local HTTP far end that does as it is told, in a thread of its own: what blocks the tests' event loop does not
block it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import TracebackType
from typing import Self

from lastseen.testing.http_server import Answer, Received, http_server

__all__ = ["Answer", "FarEnd", "Received"]

_START = 10.0  # seconds


class FarEnd:
    """`with FarEnd() as server:` serves at `server.url`, and remembers `server.requests`.

    Answers given by `script` are used up in turn, then `otherwise` is the answer to everything.
    """

    def __init__(self, otherwise: Answer | None = None) -> None:
        self.url = ""
        self.requests: list[Received] = []
        self.otherwise = otherwise or Answer()
        self._script: deque[Answer] = deque()
        self._echo: int | None = None
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="far end", daemon=True)

    def script(self, *answers: Answer) -> None:
        """The next answers, in turn."""
        self._script.extend(answers)

    def echo(self, status: int) -> None:
        """From now on answer with this status, and quote all of the request in the body."""
        self._echo = status

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START):
            raise RuntimeError("the far end did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with http_server(self._answer) as self.url:
            self._ready.set()
            await self._stop.wait()

    async def _answer(self, request: Received) -> Answer:
        self.requests.append(request)
        if self._echo is not None:
            return Answer(self._echo, f"cannot do this with {request.said}".encode(), {"content-type": "text/plain"})
        return self._script.popleft() if self._script else self.otherwise
