"""Many machines silent at once: are they gone, or is our own line cut?

Asked only when it matters (a storm is about to be told), before anything is locked, and believed for a while. Two
witnesses say that it is cut: an address that does not answer, and what we sent meanwhile, if none of it got anywhere
beyond this network. Every source that hears is blind then, until the same witness says otherwise, for an hour at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio

from lastseen.clock import Clock
from lastseen.log import get_logger
from lastseen.model import Case, Status
from lastseen.monitor.blindness import Listener
from lastseen.notifiers.reach import Reach
from lastseen.protocols import Announces, Decide, Foresight, Store

AT_LEAST = 5
"""So many machines must be about to be found silent …"""

SHARE = 5
"""… and one in so many of those that are watched on one source …"""

WITHIN = timedelta(seconds=10)
"""… within so long."""

PATIENCE = 3.0
"""Seconds that the answer may take."""

BELIEVED = timedelta(seconds=30)
"""So long an answer stands."""

AGAIN = timedelta(seconds=15)
"""Between two questions while it is cut."""

LONGEST = timedelta(hours=1)
LOOKED_AT = 2000

Probe = Callable[[], Awaitable[bool]]
"""Is the world there? True, False, or an exception, which means no."""

_log = get_logger()


class Uplink:
    """Guards one monitor's decisions."""

    def __init__(
        self, store: Store, clock: Clock, listener: Listener, decide: Decide, reach: Reach, probe: Probe | None
    ) -> None:
        self._store = store if isinstance(store, Foresight) and isinstance(store, Announces) else None
        self._clock, self._listener, self._decide = clock, listener, decide
        self._reach, self._probe = reach, probe
        self._by_sends = False  # what says that the line is cut
        self._asked_at: datetime | None = None
        self._given_up_at: datetime | None = None
        self._look_at: datetime | None = None

    def next_at(self) -> datetime | None:
        """When to ask again whether the line is there; None while it is."""
        return self._look_at if self._listener.cut_at is not None else None

    async def guard(self, now: datetime) -> None:
        """Return when it is known whether the silences that are about to be found are to be believed."""
        if self._store is None or (self._probe is None and not self._by_sends and not self._reach.failing):
            return
        cut_at = self._listener.cut_at
        if cut_at is not None:
            await self._while_cut(cut_at, now)
        elif self._given_up_at is None or now - self._given_up_at >= LONGEST:
            last_heard = await self._storm(now)
            if last_heard is not None and await self._is_cut(last_heard, now):
                _log.warning("uplink_lost", since=last_heard.isoformat(), by="sends" if self._by_sends else "check")
                self._listener.cut(last_heard)
                self._look_at = now + AGAIN
                await self._listener.keep()

    async def _while_cut(self, cut_at: datetime, now: datetime) -> None:
        self._look_at = now + AGAIN
        over = now - cut_at >= LONGEST
        if over or (self._reach.answered(cut_at) if self._by_sends else await self._reachable(now)):
            self._given_up_at, self._by_sends = now if over else None, False
            _log.warning("uplink_restored", given_up=over)
            self._listener.mend()
            await self._listener.keep()

    async def _is_cut(self, last_heard: datetime, now: datetime) -> bool:
        self._by_sends = self._reach.cut(last_heard)
        return self._by_sends or not await self._reachable(now)

    async def _reachable(self, now: datetime) -> bool:
        if self._probe is None or (
            self._asked_at is not None and self._listener.cut_at is None and now - self._asked_at < BELIEVED
        ):
            return True
        reachable = False
        try:
            with anyio.move_on_after(PATIENCE):
                reachable = await self._probe()
        except Exception as error:  # noqa: BLE001  (whatever keeps the answer away, it is away)
            _log.info("uplink_unreachable", error=type(error).__name__)
        self._asked_at = now if reachable else None
        return reachable

    async def _storm(self, now: datetime) -> datetime | None:
        """When the newest of many suspects was last heard; None: too few of them to doubt ourselves."""
        assert self._store is not None  # noqa: S101  (guard saw to it)
        due = [case for case in await self._store.due_cases(now, LOOKED_AT) if self._silent(case)]
        if not due:
            return None
        soon = [case for case in await self._store.due_cases(now + WITHIN, LOOKED_AT) if self._silent(case)]
        if len(soon) < AT_LEAST:
            return None
        by_source = Counter(bit for case in soon for bit in range(63) if _heard(case) >> bit & 1)
        for bit, count in by_source.items():
            if count >= AT_LEAST and count * SHARE >= (await self._store.muster(bit)).held:
                return min(max(case.standing.liveness.silent_since for case in soon if _heard(case) >> bit & 1), now)
        return None

    def _silent(self, case: Case) -> bool:
        """It will be found silent if nothing is heard."""
        was = case.standing.liveness.status
        return was is not Status.OFFLINE and self._decide(case).liveness.status is Status.OFFLINE


def _heard(case: Case) -> int:
    return case.standing.liveness.heard | case.standing.liveness.heard_before
