"""A store that hung for a while and then went on, or this process, which was stopped or had no processor. Others heard
machines meanwhile, and are only now writing that down, or were as slow: whoever decides first would find these silent.
So nothing is decided past the moment at which it began, until the others had as long again to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from lastseen.clock import Clock
from lastseen.monitor.blindness import Look

HUNG = 1.0
"""Seconds that one piece of work may take before it counts as hanging, and that may lie between two looks."""

LONGEST = 60.0
"""Seconds that the others have at most: after a night in which the computer slept they need no second night."""


class Hangs:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: datetime | None = None
        self._over = self._until = float("-inf")  # of the monotonic clock

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Around one piece of work of the store, which may hang and succeed. What fails is another matter: it is blind
        time."""
        at, began = self._clock.now(), self._clock.monotonic()
        yield
        over = self._clock.monotonic()
        self._note(at, began, over)

    def stood_still(self, look: Look) -> None:
        """Whether this process did, until that look."""
        over = self._clock.monotonic()
        self._note(look.now - timedelta(seconds=look.after), over - look.after, over)

    def _note(self, at: datetime, began: float, over: float) -> None:
        if over - began <= HUNG or self._clock.virtual:
            return
        beside = self._since is not None and began < self._over
        self._since = min(self._since, at) if beside and self._since is not None else at
        self._over, self._until = over, max(self._until, over + min(over - began, LONGEST))

    def limit(self, now: datetime) -> datetime:
        """For which moment it may be decided."""
        return now if self._since is None or not self.left else min(now, self._since)

    @property
    def left(self) -> timedelta:
        """How much longer the others have; zero: nothing is held up."""
        return timedelta(seconds=max(0.0, self._until - self._clock.monotonic()))
