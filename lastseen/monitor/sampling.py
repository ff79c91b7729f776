"""Listening closely to some machines: when they were heard, handed in every few minutes.

What is recorded is not touched: the moments are noted in memory when a batch is stored, for as many machines at a time
as `lastseen.monitor.counting` gives a turn. A machine whose turn it is not costs a look into a dictionary.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio

from lastseen.clock import Clock
from lastseen.errors import LastseenError
from lastseen.log import get_logger
from lastseen.model import HEARTBEATS, Beat, MachineRef
from lastseen.model.intervals import Heard, Turn
from lastseen.monitor.counting import AT_ONCE, EVERY, Counting
from lastseen.monitor.deadline import Rules
from lastseen.protocols import Intervals, Store

MOST = 600
"""Heartbeats of one machine that are noted between two hand-ins; one that sends more is not counted."""

_log = get_logger()


class Sampler:
    """What this process hears of machines whose turn it is. `received`: until when everything that was received is
    stored, or could not be."""

    def __init__(self, store: Store, clock: Clock, node: str, rules: Rules, received: Callable[[], datetime]) -> None:
        self._store: Any = store if isinstance(store, Intervals) and not clock.virtual else None
        self._clock, self._node, self._received = clock, node, received
        self.counting = Counting(store, clock, node, rules)
        self._noted: dict[MachineRef, array[float]] = {}  # by id and by slug, the same array under both
        self._turns: dict[int, Turn] = {}
        self._newest = 0
        self._lost: set[int] = set()
        self._since: datetime | None = None

    def hear(self, beats: Iterable[tuple[Beat, Any]]) -> None:
        """These are stored. Called for every heartbeat there is."""
        noted = self._noted
        if not noted:
            return
        for beat, _ in beats:
            moments = noted.get(beat.machine)
            if moments is not None and beat.said in HEARTBEATS and len(moments) <= MOST:
                moments.append(beat.at.timestamp())

    async def run(self) -> None:
        """Hand in what was heard, and have it counted, until cancelled."""
        if self._store is None:
            await anyio.sleep_forever()
        while True:
            try:
                await self.round()
            except LastseenError as error:
                _log.warning("intervals_failed", error=str(error))
            except Exception as error:  # noqa: BLE001  (a store is a plugin: advice must not end the watch)
                _log.warning("intervals_failed", error=repr(error))
            await asyncio.sleep(EVERY.total_seconds())

    async def round(self) -> None:
        """Once."""
        await self.hand_in()
        await self.counting.round()

    async def hand_in(self) -> None:
        """What was heard since the last time; the first time: begin."""
        if self._since is None:
            await self._begin()
            return
        start, end = self._since, max(self._since, self._received())
        moments = await self._taken(end)
        heard = Heard(self._node, start, end, self._newest, moments, frozenset(self._lost))
        turns = await self._store.hand_in(heard)
        self._since = end
        if turns is None:  # too late: others went on without what we had
            await self._begin()
            return
        self._drop(end)
        self._follow(turns, self._clock.now())

    async def end(self) -> None:
        """Nothing more is received."""
        if self._since is not None:
            await self.hand_in()
            await self._store.end_hearing(self._node)
        self._noted, self._since = {}, None

    async def _begin(self) -> None:
        """What is heard until we know whose turn it is, is lost."""
        self._since, self._noted, self._turns, self._lost = None, {}, {}, set()
        begun = self._clock.now()
        self._follow(await self._store.begin_hearing(self._node, begun), begun)
        ready = max(begun, self._clock.now())
        self._lost.clear()
        if await self._store.hand_in(Heard(self._node, begun, ready, self._newest, lost=None)) is not None:
            self._since = ready

    async def _taken(self, end: datetime) -> dict[int, Sequence[datetime]]:
        """By machine, what was noted until then: all of it is noted already. What is too much to be kept is lost."""
        taken: dict[int, Sequence[datetime]] = {}
        until = end.timestamp()
        for number, machine in enumerate(self._turns):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # heartbeats go on meanwhile
            moments = self._noted[machine]
            if len(moments) > MOST:
                self._lost.add(machine)
            elif moments:
                some = [datetime.fromtimestamp(one, UTC) for one in moments if one <= until]
                if some:
                    taken[machine] = some
        return taken

    def _drop(self, end: datetime) -> None:
        """It is handed in. Where there was too much, what came since is not whole either."""
        until = end.timestamp()
        self._lost = {machine for machine in self._turns if len(self._noted[machine]) > MOST}
        for machine in self._turns:
            moments = self._noted[machine]
            moments[:] = array("d", (one for one in moments if one > until))

    def _follow(self, turns: Sequence[Turn], now: datetime) -> None:
        before, noted = self._turns, self._noted
        self._turns = {turn.machine_id: turn for turn in turns}
        self._newest = max((turn.id for turn in turns), default=self._newest)
        fresh: dict[MachineRef, array[float]] = {}
        for machine, turn in self._turns.items():
            fresh[machine] = fresh[turn.slug] = noted.get(machine) or array("d")
            if (machine not in before or before[machine].id != turn.id) and turn.starts_at <= now:
                self._lost.add(machine)
        self._lost &= self._turns.keys()
        self._noted = fresh
