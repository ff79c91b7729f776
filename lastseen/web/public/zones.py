"""In which other zones public pages are made: few at a time, so that nobody can have them made in all there are.

Zones whose clocks went alike as far back as a page shows are one here: Vienna, Berlin and Oslo are a single page.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from lastseen.clock import Clock
from lastseen.manage.status_view import DAYS
from lastseen.monitor.uptime import day_edges

MOST: Final = 16
"""Zones beside the server's own in which pages are made at the same time."""

IDLE: Final = 60.0
"""Seconds for which nobody has asked for a zone before another one may have its place."""


class Zones:
    """`own`: the server's, None for the computer's."""

    def __init__(self, own: ZoneInfo | None, clock: Clock, most: int = MOST) -> None:
        self._own, self._clock, self._most = own, clock, most
        self._known: OrderedDict[_Likeness, tuple[ZoneInfo, float]] = OrderedDict()

    def of(self, zone: ZoneInfo | None) -> ZoneInfo | None:
        """The one in which a page is made for who reads it there; None: the server's own, which is as good, or must
        do: there are too many already."""
        now = self._clock.now()
        if zone is None or _likeness(zone, _quarter(now)) == _likeness(self._own, _quarter(now)):
            return None
        like, asked = _likeness(zone, _quarter(now)), self._clock.monotonic()
        if like not in self._known:
            self._make_room(asked)
            if len(self._known) >= self._most:
                return None
        found = self._known.pop(like, (zone, asked))[0]
        self._known[like] = found, asked
        return found

    def _make_room(self, now: float) -> None:
        if len(self._known) >= self._most:
            oldest = next(iter(self._known))
            if now - self._known[oldest][1] >= IDLE:
                del self._known[oldest]


_Likeness = tuple[timedelta | None, tuple[datetime, ...]]


def _quarter(now: datetime) -> datetime:
    return now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)


@lru_cache(maxsize=1024)
def _likeness(zone: ZoneInfo | None, now: datetime) -> _Likeness:
    """How its clocks go now, and where its days began."""
    return now.astimezone(zone).utcoffset(), day_edges(now, DAYS, zone)
