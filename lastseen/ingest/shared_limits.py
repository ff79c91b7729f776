"""Rates that several nodes count together.

Asking somebody else at every request would cost more than the request. So each node counts for itself, as ever, and
tells what its callers took in parts of a sixteenth of the rate; what it hears is how full their buckets are by
everybody's count. Between all of them a caller may so come a sixteenth more often for each node. Where nobody answers,
each node goes on with its own count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar

from lastseen.ingest.limits import CAPACITY, Limiter, Rate
from lastseen.log import get_logger

K = TypeVar("K", bound=Hashable)

PART = 16
"""What is told at once is this part of the rate; a caller below it on a node is told of by that node to nobody."""

EVERY = 0.25
"""Seconds between two tellings."""

_log = get_logger()

Spend = Callable[[str, float, float, Mapping[str, int]], Awaitable[Mapping[str, float]]]
"""Under which name, seconds for each, seconds of a full bucket, how many by caller: the seconds until each bucket is
full. Never raises; leaves out what it does not know."""


class SharedLimiter(Limiter[K]):
    """Counts callers against a rate with other nodes. `name`: the same on all of them."""

    def __init__(self, name: str, rate: Rate | None, monotonic: Callable[[], float], capacity: int = CAPACITY) -> None:
        super().__init__(rate, monotonic, capacity)
        self.name, self._rate, self._capacity = name, rate or Rate(1, 0.0), capacity
        self._part = max(1, self._rate.times // PART)
        self._taken: dict[K, int] = {}
        self._to_tell: dict[K, int] = {}
        self._until = monotonic() + self._rate.seconds

    def take(self, who: K) -> float:
        wait = super().take(who)
        if not wait and self._each:
            taken = self._taken.get(who, 0) + 1
            if taken >= self._part:
                self._to_tell[who] = self._to_tell.get(who, 0) + taken
                taken = 0
            self._taken[who] = taken
        return wait

    async def exchange(self, spend: Spend) -> None:
        """Tell what was taken, and hear how full the buckets are."""
        if self._now() >= self._until or len(self._taken) > self._capacity:
            self._taken, self._until = {}, self._now() + self._rate.seconds
        told, self._to_tell = self._to_tell, {}
        if not told:
            return
        names = {_name(who): who for who in told}
        levels = await spend(self.name, self._each, self._rate.seconds, {_name(who): n for who, n in told.items()})
        now = self._now()
        for name, level in levels.items():
            who = names[name]
            self._full_at[who] = max(self._full_at.get(who, 0.0), now + level)


def _name(who: Any) -> str:
    return ":".join(map(str, who)) if isinstance(who, tuple) else str(who)


class Together:
    """The limiters of one node, and what they tell the others through."""

    def __init__(self, spend: Spend) -> None:
        self._spend = spend
        self._limiters: list[SharedLimiter[Any]] = []

    def limiter(
        self, name: str, rate: Rate | None, monotonic: Callable[[], float], capacity: int = CAPACITY
    ) -> Limiter[Any]:
        self._limiters.append(SharedLimiter(name, rate, monotonic, capacity))
        return self._limiters[-1]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                for limiter in self._limiters:
                    await limiter.exchange(self._spend)
            except Exception as error:  # noqa: BLE001  (each node's own count holds meanwhile)
                _log.error("redis_copy_failed", error=type(error).__name__)
            await asyncio.sleep(EVERY)
