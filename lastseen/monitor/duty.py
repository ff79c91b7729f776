"""What one process does for all that share a store: whoever holds the lease. It moves on when that process dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import anyio

from lastseen.clock import Clock
from lastseen.errors import StoreUnavailable
from lastseen.model import Lease
from lastseen.protocols import Leases, Store

LOOK_AGAIN = 5.0
"""Seconds until it is looked again whether another process still has it, and whether the store is back."""

RENEWALS = 3
"""In one span."""


class Hold:
    """Ours for now. `good`: nobody else can have taken it meanwhile, however long this process was stopped."""

    def __init__(self, clock: Clock, lease: Lease | None) -> None:
        self._clock, self.lease = clock, lease

    @property
    def good(self) -> bool:
        return self.lease is None or self._clock.now() < self.lease.until


@asynccontextmanager
async def held(store: Store, clock: Clock, name: str, owner: str, span: timedelta) -> AsyncIterator[Hold | None]:
    """The lease of this name, as long as it is ours: what is done under it is cancelled when it is lost. None: another
    process has it. Where the store has no leases there is one process, and it is ours. Raises StoreUnavailable."""
    if not isinstance(store, Leases):
        yield Hold(clock, None)
        return
    lease = await store.lease(name, owner, span, clock.now())
    if lease is None:
        yield None
        return
    hold = Hold(clock, lease)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_keep, store, clock, hold, span, group.cancel_scope)
            yield hold
            group.cancel_scope.cancel()
    except BaseExceptionGroup as several:  # what the body raised, as it raised it
        raise several.exceptions[0] from None
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(LOOK_AGAIN), suppress(StoreUnavailable):
            await store.release(hold.lease or lease, clock.now())


async def _keep(store: Leases, clock: Clock, hold: Hold, span: timedelta, scope: anyio.CancelScope) -> None:
    while hold.lease is not None:
        await clock.sleep(span.total_seconds() / RENEWALS)
        try:
            renewed = await store.renew(hold.lease, span, clock.now())
        except StoreUnavailable:
            renewed = hold.lease if hold.good else None
        if renewed is None:
            scope.cancel()
            return
        hold.lease = renewed
