"""What runs while a monitor runs: the recorder, the watch, the clock's tick, the dispatcher. Start, stop, idle."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from lastseen import counters
from lastseen.clock import Clock
from lastseen.durations import spell
from lastseen.errors import LastseenError, StoreUnavailable
from lastseen.log import get_logger
from lastseen.model import Case, Event, EventType, Verdict, replace
from lastseen.model.retention import Keep
from lastseen.monitor.agreement import settings_of
from lastseen.monitor.alarms import Alarms
from lastseen.monitor.backlog import Backlog
from lastseen.monitor.blindness import MARK_EVERY, TICK, Listener, Look
from lastseen.monitor.deadline import Rules
from lastseen.monitor.hangs import Hangs
from lastseen.monitor.health import PATIENCE, Signs, Trouble, health
from lastseen.monitor.nodes import Membership
from lastseen.monitor.recorder import Recorder
from lastseen.monitor.retention import Pruner
from lastseen.monitor.sampling import Sampler
from lastseen.monitor.schedule import make_schedule
from lastseen.monitor.uplink import Probe, Uplink
from lastseen.notifiers.dispatcher import Dispatcher
from lastseen.notifiers.memo import memo_of
from lastseen.protocols import Decide, Hints, Store

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

BATCH = 500
"""Machines that one settle decides on."""

POLL = 4
"""Ticks between two looks for deadlines that another process has moved."""

GRACE = 8.0
"""Seconds that sends in flight have when the monitor stops."""

_log = get_logger()


class Loops:
    """The tasks of one monitor."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        node: str,
        decide: Decide,
        dispatcher: Dispatcher,
        interval: timedelta,
        rules: Rules,
        scheduler: AsyncIOScheduler | None,
        uplink: Probe | None,
        keep: Keep,
    ) -> None:
        self._store, self._clock, self._decide, self._interval = store, clock, decide, interval
        self._dispatcher = dispatcher
        self._threshold = spell(rules.offline_after) if rules.offline_after else "never"
        self._schedule = make_schedule(clock, interval, scheduler)
        self._hangs = Hangs(clock)
        self.sampler = Sampler(store, clock, node, rules, self._received)
        self.recorder = Recorder(
            store,
            clock,
            self._schedule.wake,
            lambda: self.listener.store_failed(),
            on_stored=self.sampler.hear,
            noticed=self._in_company_noticed,
        )
        self.listener = Listener(store, clock, node)
        self.listener.on_change, self.listener.on_stop = self._schedule.wake, self._glance
        self._emergency = dispatcher.emergency
        self._alarms = Alarms(store, clock, self.listener, rules, self._emergency)
        self._uplink = Uplink(store, clock, self.listener, decide, dispatcher.reach, uplink)
        alike = settings_of(rules, keep, dispatcher.zone, asks_uplink=uplink is not None)
        self._membership = Membership(store, clock, node, alike)
        self._pruner = Pruner(store, clock, node, keep, rules.flapping_window)
        self._sweeping = asyncio.Lock()
        self.listener.in_company = lambda: self._membership.company
        self._backlog = Backlog(self.listener, self.recorder, clock)
        self._watching = False
        self.on_news: set[Callable[[], None]] = set()
        self._planned: datetime | None = None
        self._swept = clock.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    @property
    def idle(self) -> bool:
        """Nothing is under way: whatever comes next waits for time to pass."""
        return self.recorder.idle and self._watching and not self._sweeping.locked() and self._dispatcher.idle

    async def health(self) -> tuple[Trouble, ...]:
        """What is wrong now (`lastseen.monitor.health`). The store has `PATIENCE` seconds to answer."""
        unanswered, still_since = "", None
        try:
            with anyio.fail_after(PATIENCE):
                await self._store.next_check()
                still_since = await self._dispatcher.motion.still_since()
        except TimeoutError:
            unanswered = f"no answer within {PATIENCE:g} s"
        except Exception:  # noqa: BLE001  (a store is a plugin: whatever it raises is no answer)
            unanswered = "it cannot be read"
        now, swept = self._clock.now(), self._clock.monotonic() - self._swept
        signs = Signs(
            now=now,
            running=self.running,
            looked_at=now - timedelta(seconds=swept),
            look_every=None if self._clock.virtual else self._interval,
            planned=self._planned,
            written_at=self.listener.written_at,
            write_every=None if self._clock.virtual else timedelta(seconds=MARK_EVERY),
            failing_since=self.listener.failing_since,
            unanswered=unanswered,
            still_since=still_since,
        )
        return health(signs)

    @property
    def nobody_to_tell(self) -> bool:
        return self._alarms.own.nobody_since is not None

    async def begin(self) -> None:
        """Write down the time nobody listened. Where that cannot be done nothing begins, and people are told."""
        try:
            await self.listener.start()
        except StoreUnavailable as error:
            if not self._clock.virtual:
                await self._emergency.last_words(self._store, str(error))
            raise

    async def start(self) -> None:
        self._swept = self._clock.monotonic()
        self._schedule.start()
        loops = {"record": self.recorder.run, "watch": self._watch, "dispatch": self._dispatcher.run}
        if not self._clock.virtual:
            loops |= {"tick": self._tick, "keep": self._keep, "emergency": self._guard, "own": self._own}
            loops |= {"hints": self._hear_hints, "prune": self._pruner.run, "sample": self.sampler.run}
            self._emergency.remember(memo_of(self._store))
        self.recorder.open()
        self._tasks = [asyncio.create_task(loop(), name=f"lastseen-{name}") for name, loop in loops.items()]
        _log.info("heartbeat_monitor_started", interval=spell(self._interval), threshold=self._threshold)

    async def stop(self) -> None:
        """Accepted heartbeats are stored; sends in flight have some seconds; then everything is given back."""
        self._emergency.stop()
        self._schedule.stop()
        with anyio.CancelScope(shield=True):
            self.recorder.close()
            await asyncio.wait(self._tasks[:1])  # the recorder's: it ends by itself
            with anyio.move_on_after(GRACE):
                await self._dispatcher.finish_in_flight()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._backlog.stop()
            self._tasks = []
            try:
                await self._dispatcher.stop()
                await self.listener.stop()
                await self._membership.leave()
                await self.sampler.end()
            except StoreUnavailable as error:
                _log.warning("store_lost_while_stopping", error=str(error))
        _log.info("heartbeat_monitor_stopped")

    def _received(self) -> datetime:
        """Whatever was received until then is stored, or could not be."""
        waiting, now = self.recorder.oldest_waiting, self._clock.now()
        return now if waiting is None else min(now, waiting - datetime.resolution)

    # -- looking

    async def _watch(self) -> None:
        self._schedule.wake()
        while True:
            self._watching = True
            await self._schedule.wait()
            self._watching = False
            try:
                _, following = await self._swept_until()
                self._look_at(self._after(following))
            except Exception as error:  # noqa: BLE001  (a store is a plugin, and nothing else would look)
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        _log.error("settle_failed", error=str(error) if isinstance(error, LastseenError) else repr(error))
        if isinstance(error, StoreUnavailable):
            self._emergency.why = str(error)
            self.listener.store_failed()
        self._look_at(self._clock.now() + min(self._interval, timedelta(seconds=1)))

    def _after(self, check: datetime | None) -> datetime | None:
        """When there will be something to decide, to tell of a source, or to ask of the line. `check`: what the store
        says is next."""
        due = None
        if check is not None:  # while something holds verdicts back, looking changes nothing
            left = max(
                self._hangs.left, self.listener.unsure_for, self.listener.kept_waiting and timedelta(seconds=TICK)
            )
            due = max(check + self._membership.patience, self._clock.now() + left)
        moments = (due, self._alarms.next_at(), self._uplink.next_at())
        return min((moment for moment in moments if moment is not None), default=None)

    def _look_at(self, moment: datetime | None) -> None:
        self._planned = moment
        self._schedule.look_at(moment)

    def _look_earlier(self, moment: datetime | None) -> None:
        """What was read beside the sweeps may be older than what the last of them has planned by."""
        if moment is not None and (self._planned is None or moment < self._planned):
            self._look_at(moment)

    async def sweep(self) -> list[Event]:
        """Decide for everyone who is due. What we may have missed is recorded first, and what was said but is not
        stored yet is not overtaken: be it on its way to us, received, or received by another one while the store
        hung."""
        return (await self._swept_until())[0]

    async def _swept_until(self) -> tuple[list[Event], datetime | None]:
        """The events, and when the next machine is due after that."""
        async with self._sweeping, self._measured():
            with self._hangs.noticed():
                look = await self.listener.look()
            self._stood_still_until(look)
            if look.stepped:
                self._schedule.clock_stepped()
            now = await self._backlog.limit(look.now) - self._membership.patience
            await self.listener.keep()  # a source that does not answer is blind by now
            now = min(now, self.listener.unsure_since or now)
            waiting = self.recorder.oldest_waiting
            if waiting is not None:
                now = min(now, waiting)
            now = min(now, self._clock.now() - self.listener.kept_waiting)
            events = await self._alarms.look()
            self._tell(events)
            await self._uplink.guard(now)
            now, stuck = self._hangs.limit(now), None
            with self._hangs.noticed():
                following = await self._store.next_check()
            while following is not None and following <= now:
                committed = await self._settle(self._decide, now)
                events += committed
                following = await self._store.next_check()
                if not committed and following == stuck:
                    break  # somebody else holds what is due
                stuck = following
            if now < look.now and following is not None and following <= look.now:
                events += await self._settle_returns(look.now, now)
                following = await self._store.next_check()
            events += await self._look_at_own() if self._clock.virtual else []
            return events, following

    async def _settle(self, decide: Decide, now: datetime, *, back: bool = False) -> Sequence[Event]:
        with self._hangs.noticed():
            committed = await self._store.settle(decide, now, BATCH, back=back)
        self._tell(committed)
        return committed

    async def _settle_returns(self, now: datetime, until: datetime) -> list[Event]:
        """Who was heard again is back, whatever else may not be known yet; for who is silent it is judged `until`
        then. Otherwise one that came back and went silent before it could be decided would be told of by neither."""

        def decide(case: Case) -> Verdict:
            return self._decide(replace(case, until=until))

        events: list[Event] = []
        while committed := await self._settle(decide, now, back=True):
            events += committed
        return events

    @asynccontextmanager
    async def _measured(self) -> AsyncIterator[None]:
        """How late this look is, and how long it takes."""
        began, now = self._clock.monotonic(), self._clock.now()
        if self._planned is not None and self._planned <= now:
            counters.SWEEP_LAG.observe((now - self._planned).total_seconds())
            self._planned = None
        yield
        self._swept = self._clock.monotonic()
        counters.SWEEPS.observe(self._swept - began)

    async def committed(self, events: Sequence[Event]) -> None:
        """Events were written beside the looks: have them told, and look what follows from them."""
        self._tell(events)
        if events:
            self.look_again()

    def look_again(self) -> None:
        """A deadline may have been moved nearer; a look that is under way may have asked for it before."""
        self._schedule.wake()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            count(event)
            _log.info("event_committed", type=event.type, machine=event.machine, seq=event.seq, reason=event.reason)
        if events:
            self._dispatcher.wake()
            self._tell_of_news()

    async def _guard(self) -> None:
        """Say from memory what cannot be written."""
        await self._emergency.run(self.listener.cannot_write_since)

    async def _tick(self) -> None:
        """Look at the clocks twice a second."""
        while True:
            await asyncio.sleep(TICK)
            if not self._glance().stepped:
                self._schedule.tick()

    def _glance(self) -> Look:
        look = self.listener.glance()
        self._stood_still_until(look)
        if look.stepped:
            self._schedule.clock_stepped()
            self._schedule.wake()
        return look

    def _stood_still_until(self, look: Look) -> None:
        """Alone we know what stands in our own queues; others may have been as slow."""
        if self._membership.company:
            self._hangs.stood_still(look)

    def _in_company_noticed(self) -> AbstractContextManager[None]:
        """What we wait for ourselves is not overtaken anyhow; what others write is as slow."""
        return self._hangs.noticed() if self._membership.company else nullcontext()

    async def _keep(self) -> None:
        """Leave a mark now and then, and notice deadlines that other processes have moved. Apart from the tick: a slow
        store must not look like a stalled process."""
        for number in itertools.count(1):
            await asyncio.sleep(TICK)
            try:
                with self._hangs.noticed():
                    await self.listener.keep()
                if number % POLL == 0 or self._membership.doubtful:
                    with self._hangs.noticed():
                        await self._membership.keep()
                        await self.committed(await self._alarms.look())
                        self._look_earlier(self._after(await self._store.next_check()))
            except Exception as error:  # noqa: BLE001  (whatever failed: the next one tries again)
                self._failed(error)

    async def _hear_hints(self) -> None:
        """Act at once on what other processes wrote."""
        if isinstance(self._store, Hints):
            await self._store.hints(self._hinted)
        await anyio.sleep_forever()  # nothing can be heard: a task that ends would be one that failed

    def _hinted(self) -> None:
        self._schedule.wake()
        self._dispatcher.wake()
        self._tell_of_news()

    def _tell_of_news(self) -> None:
        for tell in self.on_news:
            tell()

    async def _own(self) -> None:
        """Look for lastseen's own troubles. Beside everything else: a full disk or a thousand machines that were never
        heard must hold up no sweep."""
        while True:
            await asyncio.sleep(TICK * POLL)
            await self._look_at_own()

    async def _look_at_own(self) -> list[Event]:
        found = await self._alarms.own.look()
        await self.committed(found)
        return found


def count(event: Event) -> None:
    """One committed event, and how long after its deadline it was found."""
    counters.EVENTS.inc(event.type)
    due_at = event.snapshot.get("due_at")
    if due_at is not None and event.type == EventType.OFFLINE:
        late = event.at - datetime.fromisoformat(due_at)
        counters.DETECTION.observe(late.total_seconds(), event.reason)
