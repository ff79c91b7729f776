"""Deleting what is old, beside everything else: a few rows, a pause, the next few. The rules: `docs/retention.md`."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from lastseen.clock import Clock
from lastseen.errors import LastseenError
from lastseen.log import get_logger
from lastseen.model import Lease
from lastseen.model.retention import Keep
from lastseen.protocols import Leases, Retention, Store

FIRST, EVERY = 300.0, 3600.0
"""Seconds from the start to the first round, and from one round to the next."""

STEP = 500
"""Rows of one step, about."""

SHARE, PAUSE = 0.1, 0.05
"""The part of the time that steps may take, and the shortest pause between two, in seconds."""

LEASE = "retention"
HOLD = timedelta(minutes=2)

_log = get_logger()


class Pruner:
    """Of one process. Of several on one store the one that has the lease does it.

    `flapping`: the span whose changes are counted; events are kept for so long at least.
    """

    def __init__(self, store: Store, clock: Clock, node: str, keep: Keep, flapping: timedelta = timedelta(0)) -> None:
        self._store = store if isinstance(store, Retention) else None
        self._leases = store if isinstance(store, Leases) else None
        self._clock, self._node = clock, node
        self.keep = keep if keep.events is None else replace(keep, events=max(keep.events, flapping))

    async def run(self) -> None:
        """Until it is cancelled. What fails is tried again with the next round."""
        await asyncio.sleep(FIRST if self._store is not None else math.inf)
        while True:
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001  (a store is a plugin; what is old can wait)
                _log.error("retention_failed", error=str(error) if isinstance(error, LastseenError) else repr(error))
            await asyncio.sleep(EVERY)

    async def round(self) -> Counter[str]:
        """Look at all that is old, once. What went, by table; nothing where another process does it."""
        gone, began = Counter[str](), self._clock.monotonic()
        lease = await self._lease()
        if self._store is None or (self._leases is not None and lease is None):
            return gone
        try:
            await self._steps(self._store, gone, lease)
        finally:
            if self._leases is not None and lease is not None:
                await self._leases.release(lease, self._clock.now())
        if gone:
            _log.info("old_rows_deleted", seconds=round(self._clock.monotonic() - began, 1), rows=dict(gone))
        return gone

    async def _steps(self, store: Retention, gone: Counter[str], lease: Lease | None) -> None:
        after: str | None = None
        while True:
            begun = self._clock.monotonic()
            pruned = await store.prune(self.keep, self._clock.now(), after, STEP)
            gone.update(pruned.gone)
            after = pruned.after
            if after is None or not await self._still_ours(lease):
                return
            await asyncio.sleep(max(PAUSE, (self._clock.monotonic() - begun) * (1 / SHARE - 1)))

    async def _lease(self) -> Lease | None:
        if self._leases is None:
            return None
        return await self._leases.lease(LEASE, self._node, HOLD, self._clock.now())

    async def _still_ours(self, lease: Lease | None) -> bool:
        """Whoever was stopped for long leaves the rest to the one that has taken over."""
        if self._leases is None or lease is None:
            return True
        return await self._leases.renew(lease, HOLD, self._clock.now()) is not None
