"""What a store may do for those who come from another monitoring program."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model.arrival import Arrived, Arriving
from lastseen.protocols.store import Decide


@runtime_checkable
class Arrivals(Protocol):
    """What is brought from another program: a machine with its keys and its past, a channel, a silence, a key."""

    async def arrived(self, what: Arriving) -> Arrived:
        """Whether it was brought before; nothing is written. Raises Conflict where something else is in its place: its
        slug, its name or one of its keys is taken."""

    async def bring(self, what: Arriving, decide: Decide, now: datetime) -> Arrived:
        """Write down all of it in one transaction, and that it was brought; one that was brought before is left as it
        is. `decide` decides on a machine as it stood where it comes from. Raises Conflict as `arrived` does,
        InvalidInput, SecretsLocked."""
