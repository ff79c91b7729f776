"""Keys that were refused, counted in memory and written down now and then.

A request that is refused costs an addition to a dict here, and nothing in the store. What was counted since the last
writing is lost when the process is killed. Somebody who tries very many keys is counted without telling them apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from lastseen.clock import Clock
from lastseen.ingest.writing import kept_up
from lastseen.log import get_logger
from lastseen.model.story import RefusedCount
from lastseen.protocols import Refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

WRITE_EVERY = 5.0
"""Seconds between two writings, when there is something to write."""

MOST = 2000
"""Keys that are told apart between two writings."""

_log = get_logger()


class _Count(msgspec.Struct):
    count: int
    first_at: datetime
    last_at: datetime
    disabled: bool
    address: str = ""


class RefusedKeys:
    """What this process refused and has not written down yet."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str | None, datetime], _Count] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, digest: str | None, now: datetime, disabled: bool = False) -> None:
        """One more request. `digest`: of its key; None: it does not look like one of ours."""
        place = (digest, now.replace(minute=0, second=0, microsecond=0))
        if place not in self._counts and len(self._counts) >= MOST:
            place = (None, place[1])
        known = self._counts.get(place)
        if known is None:
            self._counts[place] = _Count(1, now, now, disabled)
        else:
            known.count += 1
            known.last_at, known.disabled = max(known.last_at, now), disabled

    def came_from(self, digest: str | None, now: datetime, address: str) -> None:
        """Where what was counted just now came from."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        known = self._counts.get((digest, hour)) or self._counts.get((None, hour))
        if known is not None:
            known.address = address

    def counted(self) -> Sequence[RefusedCount]:
        return [
            RefusedCount(digest, hour, one.count, one.first_at, one.last_at, one.disabled, one.address)
            for (digest, hour), one in self._counts.items()
        ]

    async def write(self, store: Refusals, now: datetime) -> None:
        """What was counted until now is in the store when this returns. Raises StoreUnavailable: then nothing is lost,
        and it is written with the next."""
        counted, taken = self.counted(), self._counts
        if not counted:
            return
        self._counts = {}
        try:
            await store.keep_refusals(counted, now)
        except BaseException:
            self._give_back(taken)
            raise

    def _give_back(self, taken: dict[tuple[str | None, datetime], _Count]) -> None:
        meanwhile, self._counts = self._counts, taken
        for place, one in meanwhile.items():
            known = self._counts.get(place)
            if known is not None:
                known.count, known.last_at = known.count + one.count, max(known.last_at, one.last_at)
            elif len(self._counts) < MOST:
                self._counts[place] = one

    @asynccontextmanager
    async def written(self, store: Any, clock: Clock) -> AsyncIterator[None]:
        """They are written down for as long, and once more at the end."""
        if not isinstance(store, Refusals):
            yield
            return
        async with kept_up(lambda: self.write(store, clock.now()), WRITE_EVERY, _tell):
            yield


def _tell(error: Exception) -> None:
    _log.error("refusals_not_written", error=repr(error))
