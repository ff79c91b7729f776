"""Whoever reports in is answered in time: a database that hangs answers nobody, and what waits for it would wait as
long. Who waits too long is told 503, and when to try again (RFC 9110, section 15.6.4).

It is not acknowledged. What waits to be written already is stored if the database goes on; the rest is not, and so
nobody could have been heard for certain meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from asyncio import current_task
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from lastseen.log import get_logger
from lastseen.problems import STORE_RETRY, Problem
from lastseen.words import say

PATIENCE = 8.0
"""Seconds that the database may keep a request waiting for one answer: fewer than those after which most clients go."""

LOOK_EVERY = 0.5

SPACING = 60.0
"""Seconds from one line in the log to the next."""

LATE = Problem(
    503,
    say("the database does not answer: try again later. What was sent may be stored all the same"),
    headers={"Retry-After": str(STORE_RETRY)},
)

_log = get_logger()
_Task = asyncio.Task[Any]
T = TypeVar("T")


class Patience:
    """With the requests that wait; `missed` is called when it is over for some, with
    the seconds that one of them has waited for at most. It looks at all of them now and then: a
    timer for each would cost more than most of what is done for a heartbeat. How long somebody waits is counted in such
    looks: a process that stood still was kept waiting by itself."""

    def __init__(self, missed: Callable[[float], None]) -> None:
        self._missed = missed
        self._since: dict[_Task, int] = {}  # who waits longest is first
        self._looks = 0
        self._late: set[_Task] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._log_after = -math.inf

    def begin(self) -> _Task:
        """Whoever asks waits from now on."""
        task: _Task = current_task()  # type: ignore[assignment]  # it is one that asks
        self._since[task] = self._looks
        if self._looking is None:
            self._look_later()
        return task

    def end(self, task: _Task) -> None:
        self._since.pop(task, None)

    def answered(self) -> None:
        """The database has: whoever asks it for more waits from now on."""
        self.end(current_task())  # type: ignore[arg-type]
        self.begin()

    def waited(self) -> float:
        """Seconds that somebody has waited for by now, at most; 0: nobody for longer than from look to look."""
        looks = self._looks - next(iter(self._since.values()), self._looks)
        return (looks + 1) * LOOK_EVERY if looks else 0.0

    def is_over(self, task: _Task) -> bool:
        """Whether that is why this was cancelled, and nothing else is."""
        if task not in self._late:
            return False
        self._late.discard(task)
        return task.uncancel() == 0

    async def resting(self, body: Awaitable[T]) -> T:
        """`body`, while which nobody waits for the database: how long it may take is limited by who reads it."""
        self.end(current_task())  # type: ignore[arg-type]
        try:
            return await body
        finally:
            self.begin()

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looking = None
        self._looks += 1
        begun, waiting, waited = self._looks - PATIENCE / LOOK_EVERY, len(self._since), self.waited()
        late = list(itertools.takewhile(lambda task: self._since[task] < begun, self._since))
        for task in late:
            del self._since[task]
            self._late.add(task)
            task.cancel()
        if late:
            self._missed(waited)
            self._say(waiting)
        if self._since:
            self._look_later()

    def _say(self, waiting: int) -> None:
        """One line, however many: they shall not fill the log."""
        now = asyncio.get_running_loop().time()
        if now >= self._log_after:
            self._log_after = now + SPACING
            _log.warning("answers_too_late", waiting=waiting)
