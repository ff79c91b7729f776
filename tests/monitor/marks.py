"""A listener over marks in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lastseen.clock import SystemClock
from lastseen.errors import StoreUnavailable
from lastseen.model import BlindPeriod
from lastseen.monitor.blindness import Listener
from tests.monitor.cases import Hands


class Marks:
    """The protocol Sources, in memory, and nothing else of a store."""

    def __init__(self) -> None:
        self.newest: datetime | None = None
        self.blind: list[BlindPeriod] = []
        self.broken = False

    async def listen(
        self, source: str, node: str, now: datetime, *, of: str | None = None
    ) -> tuple[int, datetime | None]:
        return 0, self.newest

    async def mark(self, source: int, node: str, now: datetime, blind: Sequence[BlindPeriod] = ()) -> None:
        if self.broken:
            raise StoreUnavailable("disk full")
        self.newest = now
        self.blind += blind

    async def leave(self, source: int, node: str, now: datetime) -> None: ...

    async def newest_mark(self) -> datetime | None:
        return self.newest


async def listening(marks: Marks, hands: Hands) -> Listener:
    listener = Listener(marks, SystemClock(lambda: hands.wall, lambda: hands.mono), "n")  # type: ignore[arg-type]
    await listener.start()
    return listener
