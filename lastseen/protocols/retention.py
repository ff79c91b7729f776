"""What a store may promise so that it does not grow for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model.retention import Keep, Pruned


@runtime_checkable
class Retention(Protocol):
    """What is old goes, a little at a time."""

    async def prune(self, keep: Keep, now: datetime, after: str | None = None, limit: int = 500) -> Pruned:
        """One step of a round: look at up to `limit` rows behind `after` (None: from the beginning), and delete what is
        older than `keep` and that nothing needs any more: few rows, in one short transaction.

        Never goes: what an open incident or an unfinished notification needs; signals that no decision has seen; open
        runs and the 20 newest of a machine; the newest report; the newest event of a machine that is older than the
        limit; a blind period that may still be credited; an event whose uid could come again. An incident goes with all
        its events, outages and notifications, or not at all, though it may take several steps. Harmless when done twice
        at a time.
        """
