"""What a store may answer to those who follow what happens."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lastseen.model.seen import Seen, Sequel


@runtime_checkable
class Follows(Protocol):
    """Events from one position to the next: each of them once, whenever it was committed, those of a machine in their
    order. What retention has taken meanwhile is left out."""

    async def seen_all(self) -> Seen:
        """The position of whoever has seen everything that is committed now."""

    async def sequel(self, seen: Seen, limit: int = 500, within: Seen | None = None) -> Sequel:
        """What is committed now and was not seen, up to `limit` events. `within`: nothing but what is seen at that
        newer position; what is a gap in both stays one."""
