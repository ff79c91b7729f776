"""What happens, told at once to everybody who follows it: the store is read once, however many that are.

Whoever has read up to where that is gets what comes next from memory. Whoever is behind (because they resume, or were
too slow) reads from the store what they have not seen, until they are there. So what waits for one is bounded, nobody
misses anything, and everybody knows at each event how to go on after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio

from lastseen import counters
from lastseen.errors import Busy, StoreUnavailable
from lastseen.log import get_logger
from lastseen.model.seen import Seen, Sequel, positions
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Follows

F = TypeVar("F")

PAGE = 500
"""Events that are read at once."""

MOST_WAITING = 2000
"""Events that wait in memory for one who follows. Whoever does not take them reads them from the store later."""

MOST_FOLLOWING, MOST_OF_ONE = 2000, 1000
"""At once, and for one person or key: nobody can keep all others out."""

BEHIND = 4
"""Of those who are behind, how many read from the store at once."""

POLL = 0.5
"""Seconds between two looks when nobody said that there is news: on one file others write too, and do not say so."""

SPACED, SPACED_EACH = 0.05, 0.001
"""Seconds from one look to the next at least, and for each who follows: telling everybody takes time, which is not to
be all the time there is."""

AFTER_TROUBLE = 1.0
PLACED_WITHIN = 1.0
"""Seconds that whoever comes waits at most to know from where on they follow."""

NOT_HERE = "nothing can be followed here now: it starts or stops"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Tiding(Generic[F]):
    """One event for everybody: what decides who gets it, and in `frame` what they get. `seen`: the position after it.
    `owner`: whose machine or channel it is of, None: everybody may know."""

    id: int
    type: str
    machine_id: int | None
    machine: str | None
    owner: int | None
    frame: F


@dataclass(frozen=True, slots=True)
class Batch(Generic[F]):
    """Shared by all who get it. `seen`: the position after all of it."""

    tidings: Sequence[Tiding[F]]
    seen: Seen


Frame = Callable[[str, dict[str, Any], dict[str, Any] | None], F]
"""Makes what everybody gets of an event: the position after it as text, the event as it is printed, and the status of
its machine as it is printed; None: it has none (any more)."""


class Follower(Generic[F]):
    """Somebody who follows; used by one task. `reset`: their position was one of another past, as after a restore, and
    they have begun anew. `by`: who it is."""

    def __init__(self, live: Live[F], seen: Seen | None, by: str) -> None:
        self.seen, self.by, self.reset = seen, by, False
        self.begun = self.up_to_date = False
        self._live = live
        self._queue: deque[Batch[F]] = deque()
        self._waiting = 0
        self._woken = asyncio.Event()

    async def next(self) -> Sequence[Tiding[F]] | None:
        """What comes next, perhaps nothing yet; None: it is over. May be cancelled, and called again."""
        if not self._queue and not self._live.closed:
            if not self.up_to_date:
                return await self._live.catch_up(self)
            self._woken.clear()
            await self._woken.wait()
        if self._live.closed:
            return None
        if not self._queue:
            return ()
        batch = self._queue.popleft()
        self._waiting -= len(batch.tidings)
        self.seen = batch.seen
        return batch.tidings

    def arrive(self, seen: Seen, *, reset: bool = False) -> None:
        """From here on what comes is put into the queue."""
        self.seen, self.reset, self.up_to_date = seen, self.reset or reset, True

    def put(self, batch: Batch[F]) -> None:
        if not self.up_to_date:
            return
        if self._waiting + len(batch.tidings) > MOST_WAITING:
            counters.FOLLOWS.inc("behind")
            self._queue.clear()
            self._waiting, self.up_to_date = 0, False
        else:
            self._queue.append(batch)
            self._waiting += len(batch.tidings)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    @property
    def waiting(self) -> int:
        """Events that are kept for them in memory."""
        return self._waiting


class Live(Generic[F]):
    """Of one process, on its monitor. Reads only while somebody follows."""

    def __init__(self, monitor: HeartbeatMonitor, frame: Frame[F]) -> None:
        self._monitor, self._frame = monitor, frame
        self._store = monitor.store if isinstance(monitor.store, Follows) else None
        self._followers: set[Follower[F]] = set()
        self._seen: Seen | None = None
        self._there = asyncio.Event()  # somebody follows
        self._ready = asyncio.Event()  # where we are is known
        self._news = asyncio.Event()
        self._looking = asyncio.Lock()
        self._looks_begun = self._looks_done = 0
        self._behind = asyncio.Semaphore(BEHIND)
        self._running = self._failing = False
        self.closed = False

    @property
    def possible(self) -> bool:
        """The store can be followed."""
        return self._store is not None

    @property
    def followers(self) -> frozenset[Follower[F]]:
        return frozenset(self._followers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._running, self.closed = True, False
        forget = self._monitor.tell_of_news(self._news.set)
        task = asyncio.create_task(self._run(), name="lastseen-live")
        try:
            yield
        finally:
            forget()
            self.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """It is over for everybody who follows; nobody can begin to."""
        self._running, self.closed = False, True
        for follower in self._followers:
            follower.wake()

    def follow(self, seen: Seen | None = None, by: str = "") -> Follower[F]:
        """Follow from this position on, or from now on, until they `leave`. Raises Busy."""
        if not self._running or self._store is None:
            raise Busy(NOT_HERE)
        if len(self._followers) >= MOST_FOLLOWING:
            counters.FOLLOWS.inc("refused")
            raise Busy(f"{MOST_FOLLOWING} follow what happens already")
        if sum(each.by == by for each in self._followers) >= MOST_OF_ONE:
            counters.FOLLOWS.inc("refused")
            raise Busy(f"you follow what happens {MOST_OF_ONE} times already")
        follower = Follower(self, seen, by)
        self._followers.add(follower)
        counters.FOLLOWS.inc("began")
        self._there.set()
        if self._seen is None:
            self._news.set()  # look at once, not when the next look is due
        return follower

    async def place(self, follower: Follower[F]) -> None:
        """Return when it is settled from where on they follow: what is committed later is told to them. Where the store
        does not answer soon, they follow all the same, and it is settled later."""
        if follower.seen is None:
            with anyio.move_on_after(PLACED_WITHIN):
                await self._begin(follower)

    def leave(self, follower: Follower[F]) -> None:
        """More than once is harmless."""
        if follower in self._followers:
            self._followers.discard(follower)
            counters.FOLLOWS.inc("ended")
        if not self._followers:
            self._there.clear()
            self._ready.clear()
            self._seen = None

    async def catch_up(self, follower: Follower[F]) -> Sequence[Tiding[F]]:
        """Some of what they have not seen, from the store; none: they are where everybody is, or it cannot be read."""
        try:
            if not follower.begun:
                await self._begin(follower)
            there = self._seen
            if follower.up_to_date or there is None or follower.seen is None:
                return ()  # (None: everybody went meanwhile)
            async with self._behind:
                return await self._some(follower, follower.seen, there)
        except StoreUnavailable:
            await asyncio.sleep(AFTER_TROUBLE)
            return ()

    async def _begin(self, follower: Follower[F]) -> None:
        """What is a gap for us, once we have looked after they came, is one for them: they cannot have seen it."""
        if follower.seen is None:
            await self._ready.wait()
        else:
            await self._look_after_now()
        there = self._seen
        if there is None:
            return
        if follower.seen is None or follower.seen.top > there.top:
            follower.arrive(there, reset=follower.seen is not None)
        else:
            follower.seen = follower.seen.lacking(there.gaps)
        follower.begun = True

    async def _some(self, follower: Follower[F], seen: Seen, there: Seen) -> Sequence[Tiding[F]]:
        sequel = await self._sequel(seen, there)
        batch = await self._batch(seen, sequel)
        follower.seen = sequel.seen
        if sequel.seen == self._seen:
            follower.arrive(there)
        else:  # they may have what came after we looked: given to all, it would be given to them again
            follower.begun = sequel.more
        return batch.tidings

    # -- reading

    async def _run(self) -> None:
        while True:
            await self._there.wait()
            try:
                async with self._looking:
                    await self._look()
                self._failing = False
            except Exception as error:  # noqa: BLE001  (a store is a plugin, and nobody else would read)
                if not self._failing:
                    _log.warning("live_reading_failed", error=repr(error))
                self._failing = True
                await asyncio.sleep(AFTER_TROUBLE)
            await asyncio.sleep(max(SPACED, SPACED_EACH * len(self._followers)))
            with anyio.move_on_after(POLL):
                await self._news.wait()

    async def _look_after_now(self) -> None:
        """A look that begins from now on, one for all who wait for it."""
        wanted = self._looks_begun + 1
        while self._looks_done < wanted:
            async with self._looking:
                if self._looks_done < wanted:
                    await self._look()

    async def _look(self) -> None:
        self._news.clear()
        self._looks_begun += 1
        if self._seen is None and self._store is not None:
            seen = await self._store.seen_all()
            if self._followers:
                self._seen = seen
                self._ready.set()
        more = self._seen is not None
        while more:
            more = await self._pass_on()
        self._looks_done = self._looks_begun

    async def _pass_on(self) -> bool:
        """A page of what has come since, to all who are up to date; whether there is more."""
        before = self._seen
        if before is None:
            return False
        sequel = await self._sequel(before, None)
        batch = await self._batch(before, sequel)
        if self._seen is not before:
            return False  # everybody went meanwhile
        self._seen = sequel.seen
        for follower in self._followers if batch.tidings else ():
            follower.put(batch)
        return sequel.more

    async def _sequel(self, seen: Seen, within: Seen | None) -> Sequel:
        if self._store is None:
            raise Busy(NOT_HERE)
        return await self._store.sequel(seen, PAGE, within)

    async def _batch(self, before: Seen, sequel: Sequel) -> Batch[F]:
        events = sequel.events
        ids = {one.event["machine_id"] for one in events} - {None}
        statuses = await self._monitor.statuses(sorted(ids)) if ids else {}
        tidings = []
        for one, seen in zip(events, positions(before, [one.id for one in events], sequel.seen), strict=True):
            event = dict(one.event)
            status = statuses.get(event["machine_id"])
            frame = self._frame(seen.text, event, None if status is None else status.as_dict())
            tidings.append(Tiding(one.id, event["type"], event["machine_id"], event["machine"], one.owner, frame))
        return Batch(tidings, sequel.seen)
