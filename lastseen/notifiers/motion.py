"""Does the outbox move? What the dispatcher does is noted here; whether that is enough is found out when asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lastseen.clock import Clock
from lastseen.notifiers.roster import TIMEOUT, Roster, Speaker

if TYPE_CHECKING:
    from lastseen.protocols import Store

STANDS = 15.0
"""Seconds after which a lane that has something to send, and does nothing about it, stands still."""


class Motion:
    """When each lane last did something: asked the store what may be sent, began to send, or wrote down how that ended.

    A far end that is slow, fails or limits us does not stop a lane: it asks, it sends, or it waits for the end of a
    cool-down. A plugin that does not come back when its time is over does, and so does a dispatcher that is stuck.
    """

    def __init__(self, store: Store, roster: Roster, clock: Clock) -> None:
        self._store, self._roster, self._clock = store, roster, clock
        self._passed = clock.monotonic()
        self._moved: dict[str, float] = {}
        self._flights: dict[int, tuple[str, float]] = {}  # the lane, and when the send must have ended
        self._numbers = itertools.count()

    def passed(self) -> None:
        """The dispatcher has seen what waits."""
        self._passed = now = self._clock.monotonic()
        self._moved = {lane: self._moved.get(lane, now) for lane in self._roster.lanes()}

    def moved(self, lane: str) -> None:
        """It did what there was to do now."""
        self._moved[lane] = self._clock.monotonic()

    def begin(self, lane: str, speaker: Speaker) -> int:
        """A send, which has the speaker's time. Its number, for `end`."""
        number = next(self._numbers)
        self.moved(lane)
        try:
            self._flights[number] = (lane, self._moved[lane] + speaker.timeout)
        except (TypeError, ValueError):  # a plugin's nonsense: the send itself tells of it
            self._flights[number] = (lane, self._moved[lane])
        return number

    def end(self, number: int) -> None:
        """It has ended, in whatever way."""
        lane, _ = self._flights.pop(number)
        self.moved(lane)

    async def still_since(self) -> datetime | None:
        """Since when something that should have been sent waits for us and not for a far end; None: nothing does.
        Raises what the store raises."""
        clock, now, lanes = self._clock.monotonic(), self._clock.now(), self._roster.lanes()
        waits = []
        if clock - self._passed > STANDS + TIMEOUT and not self._clock.virtual:  # TIMEOUT: a plugin starts, perhaps
            waits.append(clock - self._passed)
        waits += [clock - until for _, until in self._flights.values() if clock - until > STANDS]
        if await self._late([speaker for speakers in lanes.values() for speaker in speakers], now):
            flying = {lane for lane, until in self._flights.values() if clock - until <= STANDS}
            for lane in lanes.keys() - flying:
                still = clock - self._moved.get(lane, clock)
                late = await self._late(lanes[lane], now) if still > STANDS else 0.0
                waits += [min(still, late)] if late else []
        return now - timedelta(seconds=max(waits)) if waits else None

    async def _late(self, speakers: Sequence[Speaker], now: datetime) -> float:
        """For how many seconds something of these should have been sent; 0: for none, or for a few."""
        due = await self._store.next_due([speaker.channel.uid for speaker in speakers]) if speakers else None
        late = 0.0 if due is None else (now - due).total_seconds()
        return late if late > STANDS else 0.0
