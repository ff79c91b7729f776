"""Who may come in: keys and how often they are used, and addresses from which wrong ones come."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lastseen.clock import Clock
from lastseen.errors import StoreUnavailable
from lastseen.ingest.address import Network, client_address
from lastseen.ingest.asgi import Headers, Refused
from lastseen.ingest.auth import Grant, KeyCache
from lastseen.ingest.limits import CAPACITY, Limiter, Rate
from lastseen.ingest.tally import count_failed
from lastseen.problems import DISABLED, NO_KEY, WRONG_KEY, Problem

ADDRESSES = 20_000
"""Addresses that are remembered for sending wrong keys."""

_WRONG_SCOPE = {
    "api": "an lsa_ key is for the API",
    "fleet": "an lsf_ key reports for many machines at /api/v1/heartbeats",
    "machine": "an lsm_ key reports for its own machine at /api/v1/heartbeat",
    "ping": "this is a ping address or a ping key, for /ping/",
    "push": "this is a push token, for /api/push/",
}
_WANTED = {
    "machine": "heartbeats are sent with the machine's own key, which begins with lsm_",
    "fleet": "here a fleet key is wanted, which begins with lsf_: `lastseen keys add fleet`",
}


MakeLimiter = Callable[[str, Rate | None, Callable[[], float], int], Limiter[Any]]
"""Of a name, a rate, a clock in seconds, and how many callers it remembers."""


def by_itself(name: str, rate: Rate | None, monotonic: Callable[[], float], capacity: int) -> Limiter[Any]:
    """Of this process alone."""
    return Limiter(rate, monotonic, capacity)


class Gate:
    """Every way in over HTTP asks it. A valid key is never refused for the address it comes from."""

    def __init__(
        self,
        keys: KeyCache,
        clock: Clock,
        rate: Rate | None = None,
        proxies: Sequence[Network] = (),
        limiter: MakeLimiter | None = None,
    ) -> None:
        self.keys, self._clock, self._proxies = keys, clock, proxies
        limiter = limiter or by_itself
        self.by_key = limiter("key", rate, clock.monotonic, CAPACITY)
        self.by_address = limiter("address", rate, clock.monotonic, ADDRESSES)

    async def find(self, scope: Mapping[str, Any], key: bytes) -> Grant:
        """The grant of a valid key; else Refused: 401, or 429 for an address that sends many wrong ones."""
        if not key:
            raise self.wrong(scope, NO_KEY)
        now = self._clock.now()
        try:
            grant = await self.keys.find(key, now)
        except StoreUnavailable:
            count_failed()
            raise
        if grant is None:
            self.keys.came_from(key, now, client_address(scope, self._proxies))
            raise self.wrong(scope, WRONG_KEY)
        return grant

    async def admit(self, scope: Mapping[str, Any], headers: Headers, wanted: str) -> Grant:
        """The grant of the key in the headers, if it is of the wanted scope, enabled, and not used too often."""
        key = key_of(headers)
        grant = self.keys.get(key, self._clock.now()) or await self.find(scope, key)
        if grant.scope != wanted or not grant.enabled:
            raise Refused(refusal(grant, wanted))
        self.count(grant.key_id)
        return grant

    def count(self, who: Any) -> None:
        """One more request of this key. Raises Refused (429)."""
        wait = self.by_key.take(who)
        if wait:
            raise Refused(too_often("this key is used too often", wait))

    def wrong(self, scope: Mapping[str, Any], otherwise: Problem) -> Refused:
        """The answer to a request that does not authenticate."""
        return Refused(self.at_wrong_key(scope, otherwise))

    def at_wrong_key(self, scope: Mapping[str, Any], otherwise: Problem) -> Problem:
        """It is told this, or 429 if many came from its address."""
        wait = self.by_address.take(client_address(scope, self._proxies))
        return too_often("too many wrong keys come from this address", wait) if wait else otherwise


def key_of(headers: Headers) -> bytes:
    """The key of a request; b"" where there is none."""
    said = headers.get(b"authorization", b"")
    key = said[7:] if said[:7].lower() == b"bearer " else headers.get(b"x-api-key", b"")
    return key.strip()


def refusal(grant: Grant, wanted: str) -> Problem:
    """Why this valid key does not do here."""
    if grant.scope != wanted:
        return Problem(403, f"{_WRONG_SCOPE.get(grant.scope, 'this key is for something else')}: {_WANTED[wanted]}")
    return DISABLED


def too_often(what: str, wait: float) -> Problem:
    return Problem(429, f"{what}: try again later", headers={"Retry-After": str(math.ceil(wait))})
