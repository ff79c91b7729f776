"""Once a minute: what nobody would send comes to an end, what a failing channel owes goes to its fallback, and its
trouble is told to those who can be reached."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta

from lastseen.clock import Clock
from lastseen.errors import LastseenError
from lastseen.log import get_logger
from lastseen.model import Channel, Event, Notification, Trouble
from lastseen.notifiers.blockers import keep
from lastseen.notifiers.retry import failing, tell_others
from lastseen.protocols import Announces, Store, Troubles, Upkeep

EVERY = 60.0
"""Seconds between two looks."""

TOLD_AFTER = timedelta(minutes=15)
"""How long a channel fails until the others are told."""

_log = get_logger()


class Caretaker:
    """Of one store. A virtual clock is not stopped for it: it looks when something else happens."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looked = clock.monotonic()

    async def look(self) -> bool:
        """True: there is something new to send."""
        now = self._clock.monotonic()
        if now - self._looked < EVERY:
            return False
        self._looked = now
        try:
            await self._tidy()
            await keep(self._store, self._clock)
            return await self._fall_back()
        except Exception as error:  # noqa: BLE001  (a minute later it is tried again; sending goes on)
            _log.error("dispatcher_failed", error=str(error) if isinstance(error, LastseenError) else repr(error))
            return False

    async def _tidy(self) -> None:
        if isinstance(self._store, Upkeep):
            count = await self._store.tidy(self._clock.now())
            if count:
                _log.warning("outbox_tidied", count=count)

    async def _fall_back(self) -> bool:
        if not isinstance(self._store, Troubles):
            return False
        now = self._clock.now()
        new = [await self._tell(trouble, now) for trouble in await self._store.troubled(now, TOLD_AFTER)]
        given = await self._store.fall_back(now)
        if given:
            _log.warning("alerts_given_to_fallback", count=given)
        return any(new) or bool(given)

    async def _tell(self, trouble: Trouble, now: datetime) -> bool:
        """Once for each spell of trouble: the event's uid comes of its beginning."""
        if not isinstance(self._store, Announces):
            return False
        event = failing(trouble.channel, trouble.since, trouble.said, trouble.waiting, now)
        return await self._store.announce(event, functools.partial(_rows, event, trouble.channel))


def _rows(event: Event, failing: Channel, channels: Sequence[Channel], _: frozenset[str]) -> Sequence[Notification]:
    return tuple(tell_others(event, failing.others(channels)))
