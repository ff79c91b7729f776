"""How often somebody may try to log in: ten wrong passwords in a quarter of an hour, for each address they come from
and for each name that is tried; one more every 90 seconds after that.

A try counts before its password is looked at, so that many at once are no way around it, and is given back when the
password is right.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from lastseen.errors import Busy
from lastseen.ingest.asgi import Refused
from lastseen.ingest.gate import ADDRESSES, MakeLimiter, too_often
from lastseen.ingest.limits import Rate
from lastseen.model.people import folded

WRONG: Final = Rate(10, 900.0)

NAMES: Final = 20_000
"""Names that are remembered for wrong passwords."""

MOST_AT_ONCE: Final = 40
"""Log-ins that wait for a password to be looked at; two are worked on at a time."""


class Attempt:
    """One try to log in. It is taken for right until `wrong`."""

    def __init__(self) -> None:
        self.is_wrong = False

    def wrong(self) -> None:
        self.is_wrong = True


class Throttle:
    """Counts wrong passwords, on this node or with others."""

    def __init__(self, make: MakeLimiter, monotonic: Callable[[], float]) -> None:
        self._by_address = make("login-address", WRONG, monotonic, ADDRESSES)
        self._by_name = make("login-name", WRONG, monotonic, NAMES)
        self._trying: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Log-ins whose password is being looked at, or is waiting for that."""
        return self._trying.total() // 2

    @asynccontextmanager
    async def attempt(self, address: str, name: str) -> AsyncIterator[Attempt]:
        """Raises Refused (429) when too many were wrong, Busy when too many wait."""
        callers = (self._by_address, f"address {address}"), (self._by_name, f"name {_hidden(name)}")
        wait = max(limiter.wait(who, self._trying[who]) for limiter, who in callers)
        if wait:
            raise Refused(too_often("too many wrong passwords", wait))
        if self.waiting >= MOST_AT_ONCE:
            raise Busy("too many people log in at this moment: try again")
        for _, who in callers:
            self._trying[who] += 1
        attempt = Attempt()
        try:
            yield attempt
        finally:
            for limiter, who in callers:
                self._trying[who] -= 1
                if not self._trying[who]:
                    del self._trying[who]
                if attempt.is_wrong:
                    limiter.take(who)


def _hidden(name: str) -> str:
    """A password that was typed as a name is kept nowhere."""
    return hashlib.sha256(folded(name).encode("utf-8", "surrogatepass")).hexdigest()[:32]
