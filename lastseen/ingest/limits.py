"""How often somebody may come: so many times in a span, with a burst of as many.

A token bucket needs one number a caller: when its bucket will be full again. It is looked up and moved on for every
heartbeat, so it is a dictionary and some arithmetic (0.3 µs), and not a library: `limits` takes 4 µs in memory, a tenth
of all that a heartbeat costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput

K = TypeVar("K", bound=Hashable)

CAPACITY = 100_000
"""Callers that are remembered. More at once than that, and the oldest begin with a full bucket again."""

_WORDS = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d", "s": "1s", "m": "1m", "h": "1h", "d": "1d"}
_RATE = re.compile(r"(\d{1,9})\s*(?:/|per)\s*([0-9.]*\s*[a-z]+)", re.I)


class Rate(NamedTuple):
    """So many in so many seconds."""

    times: int
    seconds: float


def parse_rate(text: str) -> Rate | None:
    """`120/minute`, `5/second`, `10/30s`; None: `off`. Raises InvalidInput."""
    text = text.strip().lower()
    if text == "off":
        return None
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise InvalidInput("must be a rate such as 120/minute or 5/second, or off")
    span = found[2].strip()
    span = _WORDS.get(span) or _WORDS.get(span.removesuffix("s")) or span
    return Rate(int(found[1]), parse_duration(span, "").total_seconds())


class Limiter(Generic[K]):
    """Counts callers against a rate. None: nobody is limited."""

    def __init__(self, rate: Rate | None, monotonic: Callable[[], float], capacity: int = CAPACITY) -> None:
        self._now = monotonic
        self._each = 0.0 if rate is None else rate.seconds / rate.times
        self._slack = 0.0 if rate is None else rate.seconds - self._each
        self._half = max(1, capacity // 2)
        self._full_at: dict[K, float] = {}
        self._older: dict[K, float] = {}  # two generations: bounded, without looking for whom to forget

    def __len__(self) -> int:
        return len(self._full_at) + len(self._older)

    def take(self, who: K) -> float:
        """0.0: come in. Else the seconds until there is room again; asking again meanwhile costs nothing."""
        if not self._each:
            return 0.0
        now = self._now()
        full_at = self._full_at.get(who)
        if full_at is None:
            full_at = self._first(who)
        if full_at <= now:
            full_at = now
        elif full_at - now > self._slack:
            return full_at - now - self._slack
        self._full_at[who] = full_at + self._each
        return 0.0

    def wait(self, who: K, ahead: int = 0) -> float:
        """What `take` would say after so many more; nothing is taken."""
        now = self._now()
        full_at = max(now, self._full_at.get(who, self._older.get(who, 0.0))) + ahead * self._each
        return max(0.0, full_at - now - self._slack)

    def _first(self, who: K) -> float:
        full_at = self._older.pop(who, 0.0)
        if len(self._full_at) >= self._half:
            self._full_at, self._older = {}, self._full_at
        return full_at
