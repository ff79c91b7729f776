"""What was made is shown again for some seconds: a flood of requests is one read of the database now and then."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from lastseen.clock import Clock
from lastseen.errors import StoreUnavailable

T = TypeVar("T")

STALE = 300.0
"""Seconds for which what was made is still shown when nothing can be read."""

PATIENCE = 5.0
"""Seconds that making may take where something old can be shown instead."""

MOST = 256
"""Answers that are kept; the one that was asked for longest ago goes first."""


class Kept(Generic[T]):
    """One value that is made anew when it is asked for and older than `fresh` seconds: by one who asks, while the
    others wait for it."""

    def __init__(self, make: Callable[[], Awaitable[T]], clock: Clock, fresh: float) -> None:
        self._make, self._clock, self._fresh = make, clock, fresh
        self._made: tuple[float, T] | None = None
        self._failed = float("-inf")
        self._making = asyncio.Lock()

    async def get(self) -> T:
        """Raises StoreUnavailable where it cannot be made, and was not for long."""
        found = self._good()
        if found is None:
            async with self._making:
                found = self._good() or await self._anew()
        return found[1]

    def _good(self) -> tuple[float, T] | None:
        """What need not be made: it is new enough, or could not be made anew a moment ago."""
        return self._young(STALE if self._clock.monotonic() - self._failed < self._fresh else self._fresh)

    def _young(self, age: float) -> tuple[float, T] | None:
        made = self._made
        return made if made is not None and self._clock.monotonic() - made[0] < age else None

    async def _anew(self) -> tuple[float, T]:
        old = self._young(STALE)
        try:
            with anyio.fail_after(None if old is None else PATIENCE):
                value = await self._make()
        except (StoreUnavailable, TimeoutError):
            if old is None:
                raise
            self._failed = self._clock.monotonic()
            return old
        self._made = self._clock.monotonic(), value
        return self._made


class Shelf(Generic[T]):
    """Kept values by name, a bounded number of them. What a name stands for may change: then it is made anew."""

    def __init__(self, clock: Clock, fresh: float, most: int = MOST) -> None:
        self._clock, self._fresh, self._most = clock, fresh, most
        self._kept: OrderedDict[str, tuple[object, Kept[T]]] = OrderedDict()

    async def get(self, name: str, of: object, make: Callable[[], Awaitable[T]]) -> T:
        """`of`: what it is made from."""
        known = self._kept.get(name)
        if known is None or known[0] != of:
            known = self._kept[name] = of, Kept(make, self._clock, self._fresh)
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return await known[1].get()


@dataclass(frozen=True, slots=True)
class Body:
    """An answer, as it is and packed."""

    plain: bytes
    packed: bytes
    etag: str

    @classmethod
    def of(cls, text: str) -> Body:
        plain = text.encode()
        return cls(plain, gzip.compress(plain, 6, mtime=0), f'W/"{hashlib.sha256(plain).hexdigest()[:24]}"')
