"""Work of a tenth of a second and more, in a thread: on the loop every heartbeat would wait until it is done, and where
many look at pages for one page after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")


class Beside:
    """`at_once`: of its kind. They share one interpreter, so more of them would only be slower."""

    def __init__(self, kind: str, at_once: int) -> None:
        self._at_once, self._limiter = at_once, RunVar[CapacityLimiter](kind)

    async def __call__(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. It reads what nobody changes meanwhile."""
        try:
            limiter = self._limiter.get()
        except LookupError:
            limiter = CapacityLimiter(self._at_once)
            self._limiter.set(limiter)
        return await to_thread.run_sync(work, limiter=limiter)


counted, drawn = Beside("counted", 1), Beside("drawn", 1)
"""Figures, and what is shown of them: a year of somebody's outages keeps nobody's page from being written."""
