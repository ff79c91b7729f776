"""Every machine is written again now and then, whether it is heard or not: its keys stay, and what is wrong with them
is put right. Of several nodes one does it."""

from __future__ import annotations

import asyncio

from lastseen.clock import Clock
from lastseen.errors import StoreUnavailable
from lastseen.log import get_logger
from lastseen.protocols import Catalog
from lastseen.storage.redis_link import Away, Link
from lastseen.storage.redis_values import Known
from lastseen.storage.redis_writer import CHUNK, WITHIN, Writer

ROUND = 1500
"""Seconds from one round to the next: within an hour everything is written again, also when a node dies in a round."""

LOOK = 5.0
"""Seconds between two looks whether a round is due. An emptied server has no word of one, and gets a new one."""

SHARE = 4
"""Times as long as a page took it is waited for the next: a fifth of the time, at most, is spent on it."""

_log = get_logger()


class Walk:
    """Of one node."""

    def __init__(self, link: Link, clock: Clock, writer: Writer, store: Catalog) -> None:
        self._link, self._clock, self._writer, self._store = link, clock, writer, store
        self._again = False
        self._returns = link.returns

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if await self._mine():
                    await self._round()
            except (Away, StoreUnavailable):
                self._again = True
            except Exception as error:  # noqa: BLE001  (it is a copy: the next look tries again)
                _log.error("redis_copy_failed", error=type(error).__name__)
                self._again = True
            await asyncio.sleep(LOOK)

    async def _mine(self) -> bool:
        """Whether a round is due, and nobody else has begun it."""
        returns, name = self._link.returns, f"{self._writer.prefix}round"
        again = self._again or returns != self._returns  # it was away: who knows what it has lost
        taken = await self._link.ask(lambda client: client.set(name, "begun", ex=ROUND, nx=not again), WITHIN)
        self._again, self._returns = False, returns
        return bool(taken)

    async def _round(self) -> None:
        after = 0
        while True:
            asked_at, began = self._clock.now(), self._clock.monotonic()
            page = await self._store.machines(after, CHUNK)
            await self._writer.put([Known(standing, asked_at) for standing in page])
            if len(page) < CHUNK:
                return
            after = page[-1].machine.id
            await asyncio.sleep(SHARE * (self._clock.monotonic() - began))
