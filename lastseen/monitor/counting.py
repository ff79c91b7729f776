"""Whose turn it is to be listened to closely, and counting what was heard of them.

One process does it at a time, for all: what a machine sends may be heard now by this one, now by that one. It counts up
to the moment until which every process has handed in what it heard; of one that has not done so for long, what it heard
is given up. Turns go round: each machine has its own, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio
import anyio.to_thread

from lastseen.clock import Clock
from lastseen.model import Standing
from lastseen.model.intervals import Counted, Heard, Turn
from lastseen.model.past import UNWATCHED, Past
from lastseen.monitor.deadline import Rules, threshold
from lastseen.monitor.intervals import counted
from lastseen.protocols import Catalog, Intervals, Leases, Notes, Pasts, Store

EVERY = timedelta(minutes=5)
"""How often what was heard is handed in and counted."""

GIVEN_UP = 3 * EVERY
"""Who has handed nothing in for so long does not do so any more."""

SETTLED = timedelta(seconds=30)
"""Blind time is written down when it is found, which may be a little after it."""

PLACES, ASKED = 2_000, 200
"""Turns at a time, and so many more that people ask for."""

SHORTEST, LONGEST, UNLIMITED = timedelta(hours=1), timedelta(days=1), timedelta(hours=6)
LIMITS = 30
"""A turn lasts as long as this many limits of the machine, but neither less nor more than these; without a limit, the
last."""

PRIVATE = timedelta(days=30)
"""How long a turn lasts at most that somebody asks for."""

KEPT = timedelta(days=42)
"""How long counts are kept."""

FORGOTTEN, AT_ONCE, PAGE, PAGES = 1_000, 100, 500, 20
CHOOSE = 3
"""Rounds from one choice of machines to the next."""

NAME, HOLD = "intervals", timedelta(minutes=2)
_CURSOR = "intervals-turn"


class Counting:
    """What one process does for all, while it has the lease."""

    def __init__(self, store: Store, clock: Clock, node: str, rules: Rules, places: int = PLACES) -> None:
        self._store: Any = store
        self._clock, self._node, self._rules, self.places = clock, node, rules, places
        self._can = all(isinstance(store, one) for one in (Intervals, Catalog, Leases, Notes, Pasts))
        self._rounds = 0

    async def round(self) -> None:
        """Count, and choose who is next."""
        now = self._clock.now()
        lease = await self._store.lease(NAME, self._node, HOLD, now) if self._can else None
        if lease is None:
            return
        try:
            await self._once(now)
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.release(lease, self._clock.now())

    async def _once(self, now: datetime) -> None:
        horizon = await self._count(now)
        await self._store.forget_tallies(now - KEPT, FORGOTTEN)
        if self._rounds % CHOOSE == 0:
            await self._choose(horizon, now)
        self._rounds += 1

    async def _count(self, now: datetime) -> datetime:
        """Until when everything is counted."""
        until, parts = await self._store.handed_in()
        silent = [node for node, moment in until.items() if moment < now - GIVEN_UP]
        for node in silent:
            await self._store.give_up(node, now)
        if silent:
            until, parts = await self._store.handed_in()
        horizon: datetime = min([*until.values(), now]) - SETTLED
        due = [turn for turn in await self._store.turns() if turn.starts_at < horizon]
        due.sort(key=_known_from)
        for start in range(0, len(due), AT_ONCE):
            await self._count_some(due[start : start + AT_ONCE], parts, horizon, now)
        await self._store.keep_counted([], horizon)
        return horizon

    async def _count_some(self, turns: Sequence[Turn], parts: Any, horizon: datetime, now: datetime) -> None:
        known = await self._store.liveness([turn.machine_id for turn in turns])
        pasts = await self._store.pasts(list(known.values()), min(map(_known_from, turns)), now)
        found = await anyio.to_thread.run_sync(_counted, turns, parts, pasts, horizon)
        await self._store.keep_counted(found)

    async def _choose(self, horizon: datetime, now: datetime) -> None:
        """Turns that are over make room for the machines behind the last that had one; where nobody waits, the same
        machine goes on, with the heartbeat that came last."""
        turns = await self._store.turns()
        over = {turn.machine_id: turn for turn in turns if turn.ends_at <= horizon}
        busy = {turn.machine_id for turn in turns if turn.machine_id not in over}
        free = self.places - sum(not turn.asked and turn.machine_id in busy for turn in turns)
        chosen = await self._next(free, busy) if free > 0 else []
        begun = [self._turn(one, over.get(one.machine.id), now) for one in chosen]
        gone = over.keys() - {turn.machine_id for turn in begun}
        if begun or gone:
            await self._store.change_turns(gone, begun)

    async def _next(self, free: int, busy: set[int]) -> list[Standing]:
        """So many that are watched and have no turn, behind the last; once around, and so many pages at most."""
        start = after = int(await self._store.note(_CURSOR) or 0)
        found: list[Standing] = []
        around = False
        for _ in range(PAGES):
            page = [one for one in await self._store.machines(after, PAGE) if not around or one.machine.id <= start]
            for one in page:
                after = one.machine.id
                if after not in busy and one.liveness.status not in UNWATCHED:
                    found.append(one)
                    if len(found) == free:
                        break
            if len(found) == free or (around and not page):
                break
            if not page:
                around, after = True, 0
        await self._store.keep_note(_CURSOR, str(after))
        return found

    def _turn(self, one: Standing, before: Turn | None, now: datetime) -> Turn:
        """A new one begins when every process knows of it."""
        machine, span = one.machine, self.span_of(one)
        if before is not None:
            return Turn(machine.id, machine.slug, before.starts_at, now + span, id=before.id)
        return Turn(machine.id, machine.slug, now + EVERY + SETTLED, now + EVERY + SETTLED + span)

    def span_of(self, one: Standing) -> timedelta:
        limit = threshold(one.machine, one.kind, self._rules).limit
        return UNLIMITED if limit is None else min(max(LIMITS * limit, SHORTEST), LONGEST)


def _counted(
    turns: Sequence[Turn], parts: Sequence[Heard], pasts: Mapping[int, Past], until: datetime
) -> list[Counted]:
    return [counted(turn, parts, pasts[turn.machine_id], until) for turn in turns if turn.machine_id in pasts]


def _known_from(turn: Turn) -> datetime:
    """From when on its past must be known."""
    return turn.last_at or turn.counted_until or turn.starts_at
