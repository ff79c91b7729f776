"""Noticing that we could not have heard anybody, before anybody is blamed for it.

One mechanism for every reason: a listener's own mark says until when it heard. Where the mark could not be moved on in
time there is a gap, and the gap is a blind period: we were stopped, the process was stalled, the store could not be
written, the wall clock jumped, its link was lost. The arithmetic that credits it is in `lastseen.monitor.deadline`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen import counters
from lastseen.clock import Clock, rfc3339
from lastseen.log import get_logger
from lastseen.model import BlindPeriod, BlindReason
from lastseen.protocols import Announces, Sources, Store

OWN = "http"
"""The source that a process is itself: heartbeats that are given in code or come over HTTP."""

TICK = 0.5
"""Seconds between two looks at the clock."""

STALLED = 2.0
"""Seconds between two looks that mean: this process did not run, and heard nobody."""

MARK_EVERY = 5.0
"""Seconds between two marks in the store."""

SURE = 13.0
"""Seconds after which every other node that hears has left a mark, and the mark of one that does not is old."""

HANGS = 15.0
"""Seconds by which a mark may be late before it counts as one that does not end."""

ALERT_AFTER = timedelta(minutes=5)
"""How long a source may be blind before that is an alert of its own."""

_KEPT = 100
_log = get_logger()


@dataclass(frozen=True, slots=True)
class Look:
    """The moment of a look, whether the wall clock had stepped, and how many seconds ago the look before was."""

    now: datetime
    stepped: bool
    after: float = 0.0


class Ear:
    """One source as this process hears it: `lost_at` is since when it could not, None while it can. `catch_up`, where
    the way in has it, returns when what its far end had for us is in the store, or the source is blind; `stood_still`
    is called when this process has missed a time and what was said in it may still come. `said_since`: what is received
    now was said at some time since then; None: now."""

    def __init__(self, name: str, kind: str = "code") -> None:
        self.name, self.kind, self.id = name, kind, 0
        self.lost_at: datetime | None = None
        self.up_since: datetime | None = None
        self.said_since: datetime | None = None
        self.catch_up: Callable[[], Awaitable[None]] | None = None
        self.stood_still: Callable[[], None] | None = None

    @property
    def hears(self) -> bool:
        return self.lost_at is None


@dataclass(slots=True)
class Spell:
    """A stretch in which an ear heard nobody, as people are told of it (`lastseen.monitor.alarms`): open while
    `ended_at` is None, `told` once its beginning was, `looks`: how often it was looked who was heard after it. One
    spell of the first ear stands for all of them."""

    ear: Ear
    since: datetime
    reason: BlindReason
    ended_at: datetime | None = None
    told: bool = False
    looks: int = 0


class Listener:
    """The ears of one process. The first is its own: what it misses because it was stopped, stalled or cut off from its
    store is missed by all of them. The others lose their links on their own.

    Call `look` before every decision: it returns only after what was missed is in the store.
    """

    def __init__(self, store: Store, clock: Clock, node: str, source: str = OWN) -> None:
        self._marks = store if isinstance(store, Sources) else None
        self._announces = store if isinstance(store, Announces) else None
        self._clock, self._node = clock, node
        self.ears = {source: Ear(source, "http")}
        self._own = self.ears[source]
        self._looked = clock.monotonic()
        self._heard_until = clock.now()
        self._marked = clock.monotonic()
        self._marking = asyncio.Lock()
        self._store_lost_at: datetime | None = None
        self._missed: list[BlindPeriod] = []
        self.periods: list[BlindPeriod] = []  # the newest, for stores that keep none
        self.cut_at: datetime | None = None  # since when we know that our own line is cut
        self._cut: list[BlindPeriod] = []
        self.spells: list[Spell] = []  # until they have been told, or need not be
        self.in_company: Callable[[], bool] = lambda: False
        self._unsure: list[tuple[BlindPeriod, float]] = []  # and when others will have said what they heard
        self.on_change: Callable[[], None] = lambda: None  # a link was lost, or is there again
        self.waits: list[Callable[[], float]] = []  # for how many seconds somebody has, who could not say it yet
        self.on_stop: Callable[[], object] = self.glance  # a message shows that this process stood still

    @property
    def written_at(self) -> datetime:
        """When the newest mark that got through was begun."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - self._marked)

    @property
    def failing_since(self) -> datetime | None:
        """Since when the store cannot be written; None: nothing that failed is left."""
        return self._store_lost_at

    async def start(self) -> None:
        """Begin to listen; the time since anybody did is blind."""
        if self._marks is not None:
            newest = await self._marks.newest_mark()
            behind = newest is not None and self._clock.now() < newest
            if newest is not None:
                self._clock.start_at(newest)
            now = self._clock.now()
            self._own.id, before = await self._marks.listen(self._own.name, self._node, now)
            counters.name_source(self._own.id, self._own.name)
            if before is not None and (behind or (now - before).total_seconds() > STALLED):
                self._missed.append(BlindPeriod(self._own.id, before, now, BlindReason.STOPPED))
                self.spells.append(Spell(self._own, before, BlindReason.STOPPED, now))
        self._looked, self._heard_until = self._clock.monotonic(), self._clock.now()
        await self._mark(self._heard_until)

    async def add(self, name: str, kind: str = "code", of: str | None = None) -> Ear:
        """One more source, whose link is not there yet: blind since it was last heard by anybody. Raises NotFound where
        the source `of` is gone that it belongs to."""
        if name in self.ears:
            return self.ears[name]
        ear, now = Ear(name, kind), self._clock.now()
        before: datetime | None = None
        if self._marks is not None:
            ear.id, before = await self._marks.listen(name, self._node, now, of=of)
        else:
            ear.id = max(other.id for other in self.ears.values()) + 1
        if self._announces is not None:
            before = await self._announces.blind_since(ear.id) or before  # what a predecessor left open goes on
        counters.name_source(ear.id, name)
        ear.lost_at = ear.said_since = min(before or now, now)
        self.ears[name] = ear
        self._missed.append(BlindPeriod(ear.id, ear.lost_at, None, BlindReason.LINK))
        self.spells.append(Spell(ear, ear.lost_at, BlindReason.LINK))
        await self.keep()
        return ear

    async def remove(self, name: str) -> None:
        """Listen to it no more. It is blind from now on, unless it is removed altogether."""
        ear = self.ears.get(name)
        if ear is not None:
            self.lost(ear)
            await self.keep()
            del self.ears[name]
            self.spells = [spell for spell in self.spells if spell.ear is not ear]
            if self._marks is not None:
                await self._marks.leave(ear.id, self._node, ear.lost_at or self._clock.now())

    def regained(self, ear: Ear) -> None:
        """Its link is there: what is said is heard from now on."""
        if ear.lost_at is None:
            return
        now = self._clock.now()
        self._missed = [p for p in self._missed if (p.source, p.ended_at) != (ear.id, None)]
        self._missed.append(BlindPeriod(ear.id, ear.lost_at, now, BlindReason.LINK))
        ear.lost_at, ear.said_since, ear.up_since = None, None, now
        self._end(ear, now)
        self.on_change()

    def lost(self, ear: Ear, since: datetime | None = None) -> None:
        """Its link is gone. `since`: when something was last received for certain; None: now."""
        if ear.lost_at is None:
            now = self._clock.now()
            ear.lost_at = min(max(since or now, ear.up_since or now), now)
            ear.said_since = ear.said_since or ear.lost_at
            self._missed.append(BlindPeriod(ear.id, ear.lost_at, None, BlindReason.LINK))
            self.spells.append(Spell(ear, ear.lost_at, BlindReason.LINK))
            self.on_change()

    def cut(self, since: datetime) -> None:
        """The line that all sources hear through is cut: none of them heard anybody since then."""
        self.cut_at = self._clock.now()
        self._cut = [
            BlindPeriod(ear.id, max(since, ear.up_since or since), None, BlindReason.UPLINK)
            for ear in self.ears.values()
            if ear.hears
        ]
        self._missed += self._cut
        self.spells.append(Spell(self._own, min(since, self.cut_at), BlindReason.UPLINK))

    def mend(self) -> None:
        """It is there again."""
        now = self._clock.now()
        self._missed = [period for period in self._missed if period not in self._cut]
        self._missed += [dataclasses.replace(period, ended_at=now) for period in self._cut]
        self.cut_at, self._cut = None, []
        self._end(self._own, now)
        self.on_change()

    def _end(self, ear: Ear, now: datetime) -> None:
        for spell in self.spells:
            if spell.ear is ear and spell.ended_at is None:
                spell.ended_at = now

    def glance(self) -> Look:
        """Compare the clocks and note what was missed. Waits for nothing: what it measures is the event loop itself."""
        step = self._clock.measure()
        now, mono = self._clock.now(), self._clock.monotonic()
        if step is not None and step.after > step.before:
            _log.warning("clock_stepped", seconds=round((step.after - step.before).total_seconds(), 1))
            self._miss(min(self._heard_until, step.before), step.after, BlindReason.CLOCK)
        elif mono - self._looked > STALLED and not self._clock.virtual:
            self._miss(self._heard_until, now, BlindReason.STALLED)
        if step is not None and step.behind:
            _log.warning("clock_fell_back", seconds=round(step.behind.total_seconds(), 1))
        after, self._looked, self._heard_until = mono - self._looked, mono, now
        return Look(now, step is not None, after)

    def received(self) -> None:
        """Something was. After a stop what has waited is read before the next look at the clock, which is then due."""
        if self._clock.monotonic() - self._looked > STALLED and not self._clock.virtual:
            self.on_stop()

    async def look(self) -> Look:
        """A glance, and what was missed until then is in the store.

        Decisions are made for the moment of this look: a process that is stopped right after it decides nothing about
        the time since.
        """
        look = self.glance()
        await self.keep()
        return look

    async def keep(self) -> None:
        """Write what was missed, and move the mark on when it is time."""
        async with self._marking:
            due = self._clock.monotonic() - self._marked >= MARK_EVERY
            self._ask_again()
            if self._missed or self._store_lost_at is not None or due:
                await self._mark(self._heard_until)

    @property
    def unsure_since(self) -> datetime | None:
        """Since when the others may have lost the store with us, of whom we believed that they heard; until they have
        said so, or heard on."""
        return min((period.started_at for period, _ in self._unsure), default=None)

    @property
    def unsure_for(self) -> timedelta:
        """How much longer."""
        left = min((sure for _, sure in self._unsure), default=float("-inf")) - self._clock.monotonic()
        return timedelta(seconds=max(0.0, left))

    def _ask_again(self) -> None:
        """What we missed is written once more when every other node has left a mark since, or is gone."""
        mono = self._clock.monotonic()
        self._missed += [period for period, sure in self._unsure if sure <= mono]
        self._unsure = [(period, sure) for period, sure in self._unsure if sure > mono]

    def cannot_write_since(self) -> datetime | None:
        """Since when no write got through, whether the last one failed or does not end; None: they do."""
        late = self._clock.monotonic() - self._marked > MARK_EVERY + HANGS
        return self._store_lost_at or (self.written_at if late else None)

    @property
    def kept_waiting(self) -> timedelta:
        """For how long the store has somebody by now; whoever came before that has been heard, or refused."""
        return timedelta(seconds=max((waited() for waited in self.waits), default=0.0))

    def store_failed(self, seconds: float = 0.0) -> None:
        """A write failed, or somebody was refused who had waited for so long: from the last mark that got through, or
        the beginning of that, nobody could have been heard for certain."""
        lost_at = self._clock.now() - timedelta(seconds=max(self._clock.monotonic() - self._marked, seconds))
        self._store_lost_at = lost_at if self._store_lost_at is None else min(lost_at, self._store_lost_at)

    async def stop(self) -> None:
        if self._marks is not None:
            for ear in self.ears.values():
                if ear.hears:
                    await self._marks.leave(ear.id, self._node, self._clock.now())

    def _miss(self, start: datetime, end: datetime, reason: BlindReason) -> None:
        """Nobody could be heard, on any source whose link was there."""
        deaf = [ear for ear in self.ears.values() if ear.hears]
        self._missed += [BlindPeriod(ear.id, start, end, reason) for ear in deaf]
        self.spells.append(Spell(self._own, start, reason, end))
        for ear in deaf:
            if ear.stood_still is not None:
                ear.said_since = start
                ear.stood_still()

    async def _mark(self, now: datetime) -> None:
        """Move the marks, with all that was missed. What cannot be written now is written with the next."""
        kept, lost_at = list(self._missed), self._store_lost_at
        hearing = [ear for ear in self.ears.values() if ear.hears]
        lost: list[BlindPeriod] = []
        if lost_at is not None:
            lost = [BlindPeriod(ear.id, lost_at, now, BlindReason.STORE) for ear in hearing]
        missed = [*kept, *lost]
        began = self._clock.monotonic()
        written: Sequence[BlindPeriod] | None = None
        if self._marks is not None:
            written = await self._marks.mark(self._own.id, self._node, now, [*missed, *self._still_open(missed)])
            for ear in hearing:
                if ear is not self._own and ear.hears:
                    await self._marks.mark(ear.id, self._node, max(now, ear.up_since or now))
        self._missed, self._marked = [p for p in self._missed if p not in kept], began
        if lost_at is not None:
            self.spells.append(Spell(self._own, lost_at, BlindReason.STORE, now))
        if self.in_company():
            self._unsure += [(period, began + SURE) for period in lost]
        if self._store_lost_at == lost_at:  # another one that came meanwhile is for the next mark
            self._store_lost_at = None
        closed = {(p.source, p.started_at, p.reason) for p in missed}
        self.periods = [p for p in self.periods if (p.source, p.started_at, p.reason) not in closed][-_KEPT:] + missed
        over = [period for period in missed if period.ended_at is not None]
        for period in [*(p for p in missed if p.ended_at is None), *(over if written is None else written)]:
            self._tell(period)

    def _still_open(self, missed: list[BlindPeriod]) -> list[BlindPeriod]:
        """Told to the store each time: it writes them down once no other node hears."""
        lost = [BlindPeriod(ear.id, ear.lost_at, None, BlindReason.LINK) for ear in self.ears.values() if ear.lost_at]
        return [period for period in [*lost, *self._cut] if period not in missed]

    def _tell(self, period: BlindPeriod) -> None:
        name = next((ear.name for ear in self.ears.values() if ear.id == period.source), str(period.source))
        if period.ended_at is None:
            _log.warning("source_lost", source=name, since=rfc3339(period.started_at))
            return
        span = (period.ended_at - period.started_at).total_seconds()
        counters.BLIND.inc(name, period.reason.value, by=span)
        _log.warning("blind_time_recorded", source=name, reason=period.reason.value, seconds=round(span, 1))
