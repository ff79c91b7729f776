"""HeartbeatMonitor: the public class. It records what is heard, decides who is silent, and has it told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, tzinfo
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from lastseen.clock import Clock, SystemClock
from lastseen.durations import Duration, parse_duration
from lastseen.errors import NotFound, UnknownMachine
from lastseen.model import (
    HTTP_SOURCE,
    Acknowledge,
    Beat,
    Case,
    Disable,
    Enable,
    Event,
    Forget,
    MachineRef,
    Order,
    Pause,
    Resume,
    Said,
    Standing,
    Verdict,
    Watch,
    replace,
)
from lastseen.model.names import check_slug
from lastseen.model.retention import Keep
from lastseen.monitor.blindness import OWN
from lastseen.monitor.changes import checked
from lastseen.monitor.consume import consume
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.monitor.health import Trouble
from lastseen.monitor.loops import Loops
from lastseen.monitor.nodes import follow
from lastseen.monitor.sources import Means, Port, WayIn, WaysIn
from lastseen.monitor.status import MachineStatus, Statuses
from lastseen.monitor.uplink import Probe
from lastseen.notifiers.dispatcher import Dispatcher
from lastseen.notifiers.roster import NotifierFor, Notify, Roster, named
from lastseen.notifiers.speech import Wording
from lastseen.protocols import Catalog, Channels, Service, Sources, Store
from lastseen.report import Report as ParsedReport
from lastseen.report import parse_report
from lastseen.storage import open_store

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

T = TypeVar("T")
Report = Mapping[str, Any] | bytes | str | None
"""What a machine says beside being alive: a JSON object as a dict or as text, or nothing."""


class HeartbeatMonitor:
    """Watches machines: `async with monitor:` runs it.

    Constructing opens nothing. `store` is a URL (`memory:`, `sqlite:///app.db`) or a Store. `notify` is a function of
    one Message, a notifier, or a mapping of durable names to either. `offline_after` is the default threshold ("never"
    is legal), `check_interval` the longest time between two looks. Unknown machines are declared at their first
    heartbeat if `register_unknown`. `sources` are ways in that run with the monitor, or what finds them when it starts.
    `uplink` says whether the world is there; it is asked before many machines at once are found silent. `flapping`: how
    many changes in how long are told of by one message ("off" is legal). `keep`: after how long old rows go.
    """

    def __init__(
        self,
        store: Store | str = "memory:",
        *,
        notify: Notify | Mapping[str, Notify] | None = None,
        offline_after: Duration = "2m",
        check_interval: Duration = "30s",
        register_unknown: bool = True,
        sources: Iterable[WayIn] | Callable[[], Awaitable[Sequence[WayIn]]] = (),
        scheduler: AsyncIOScheduler | None = None,
        clock: Clock | None = None,
        goodbye_grace: Duration = "10s",
        flapping: str = "6/30m",
        node: str | None = None,
        notifier_for: NotifierFor | None = None,
        timezone: tzinfo | None = None,
        public_url: str | None = None,
        uplink: Probe | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.store: Store = open_store(store) if isinstance(store, str) else store
        self.clock: Clock = clock or SystemClock()
        self.node = node or f"lib:{uuid.uuid4()}"
        self.rules = Rules.read(offline_after, goodbye_grace, flapping)
        self.check_interval = parse_duration(check_interval, "check_interval")
        self._register_unknown = register_unknown
        self._roster = Roster(self.store, named(notify), notifier_for, self.clock.monotonic)
        self.dispatcher = Dispatcher(self.store, self._roster, self.clock, self.node, Wording(timezone, public_url))
        self._loops = Loops(
            self.store, self.clock, self.node, self._decide, self.dispatcher, self.check_interval,
            self.rules, scheduler, uplink, keep or Keep(),
        )  # fmt: skip
        self._given = sources if callable(sources) else tuple(sources)
        means = Means(
            self.store, self.clock, self.node, self._decide, self._loops.recorder.record, self._loops.committed
        )
        self._ways = WaysIn(self._loops.listener, means)
        self._statuses = Statuses(self.store, self.clock, self.rules, self._loops.listener.ears)
        self._stack: AsyncExitStack | None = None

    # -- running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        return self._loops.running

    async def health(self) -> tuple[Trouble, ...]:
        """What keeps it from watching, if anything: `lastseen.monitor.health`."""
        return await self._loops.health()

    @property
    def nobody_to_tell(self) -> bool:
        """There are machines and no channel that is switched on, as was seen at the last look, a minute ago at most."""
        return self._loops.nobody_to_tell

    @property
    def waiting(self) -> int:
        """Heartbeats that were received and are not stored yet."""
        return self._loops.recorder.waiting

    async def start(self) -> None:
        """Open the store, record the time nobody listened, and watch. Starting twice is harmless."""
        if self._stack is not None:
            return
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._open_store())
            await self._loops.begin()
            given = await self._given() if callable(self._given) else self._given
            ways = [way for way in given if await self._is_prepared(way)]
            if isinstance(self.store, Catalog):
                await self.store.default_threshold(self.rules.offline_after, self.clock.now())
            await self._roster.start(self.clock.now())
            stack.push_async_callback(self._roster.stop)
            await self._loops.start()
            stack.push_async_callback(self._loops.stop)
            self._ways.start(ways)
            stack.push_async_callback(self._ways.stop)
            attach = getattr(self.clock, "attach", None)
            if attach is not None:  # a virtual clock advances only while nothing is under way
                stack.callback(attach(lambda: self._loops.idle))
            self._stack = stack.pop_all()

    async def _is_prepared(self, way: WayIn) -> bool:
        try:
            await self._ways.prepare(way)
        except NotFound:
            return False  # somebody removed it in this moment
        return True

    async def stop(self) -> None:
        """Store what was accepted, finish what is being sent, give everything back. Stopping twice is harmless."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    async def run(self) -> None:
        """Run until cancelled: for a task group of one's own."""
        async with self:
            await anyio.sleep_forever()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Only the store, without watching or sending: for commands beside a monitor that runs elsewhere."""
        async with self._open_store():
            newest = await self.store.newest_mark() if isinstance(self.store, Sources) else None
            if newest is not None:
                self.clock.start_at(newest)  # the time that whoever watches lives in
            yield self

    @asynccontextmanager
    async def _open_store(self) -> AsyncIterator[None]:
        if not isinstance(self.store, Service):
            yield
            return
        await self.store.open()
        try:
            await follow(self.store, self.clock)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.store.close()

    # -- what machines say

    async def heartbeat(self, machine: MachineRef, report: Report = None) -> None:
        """The machine is alive. Returns when that is durable.

        Raises InvalidInput (naming the field of `report`), UnknownMachine, Busy, StoreUnavailable.
        """
        await self._record(self._beat(machine, parse_report(report)), self._register_unknown)

    def _beat(self, machine: MachineRef, said: ParsedReport, source: int = HTTP_SOURCE) -> Beat:
        return Beat(
            machine,
            self.clock.now(),
            said.said,
            source,
            said.body,
            said.said_at,
            said.next_in,
            said.run,
            said.exit_code,
        )

    async def goodbye(self, machine: MachineRef) -> None:
        """The machine said that it stops, or its broker says that it is gone: offline after the grace."""
        await self._record(Beat(machine, self.clock.now(), Said.GOODBYE), register=False)

    def record(self, beat: Beat) -> Awaitable[None]:
        """A heartbeat that is parsed already; await what this returns. Never declares a machine. No coroutine of its
        own: it is called for every heartbeat there is."""
        return self._loops.recorder.record(beat)

    def record_many(self, beats: Sequence[Beat]) -> Sequence[asyncio.Future[None]]:
        """As `record`, for all of them or, when there is no room for so many, for none."""
        return self._loops.recorder.record_many(beats)

    async def _record(self, beat: Beat, register: bool) -> None:
        try:
            await self.record(beat)
        except UnknownMachine:
            if not register or not isinstance(beat.machine, str):
                raise
            await self._order(beat.machine, Watch())
            await self.record(beat)

    # -- ways in

    def source(self, name: str) -> AbstractAsyncContextManager[Port]:
        """A way in of the program's own, which hears while this is entered. Before and after it is blind: nobody who
        was heard on it is blamed for silence."""
        return self._ways.entered(name)

    async def consume(
        self, messages: AsyncIterable[T], parse: Callable[[T], tuple[MachineRef, Report] | None], source: str = OWN
    ) -> None:
        """Heartbeats from a stream until it ends, many at once, so that they share commits.

        `parse` gives the machine and its report, or None for what is no heartbeat. What cannot be read or stored is
        logged and counted; it stops nothing. `source`: the name given to `source()`, where the stream belongs to one.
        """
        bit = self._loops.listener.ears[source].id

        async def take(machine: MachineRef, said: ParsedReport) -> None:
            await self._record(self._beat(machine, said, bit), self._register_unknown)

        await consume(messages, parse, take)

    async def add_source(self, way: WayIn) -> None:
        """Begin to listen to one more way in. Raises Conflict when there is one of this name, NotFound when it has
        `from_row = True` and no row of this name is there any more."""
        await self._ways.add(way)

    async def drop_source(self, name: str) -> None:
        """Listen to it no more. What was heard on it is held until somebody does again, unless it is removed."""
        await self._ways.remove(name)

    @property
    def here(self) -> Port:
        """The way in of heartbeats that are given in code or come over HTTP: for machines that report by names which
        are no slugs."""
        return self._ways.here

    # -- what people say

    async def watch(self, machine: MachineRef, *, expect: str = "any", **changes: Any) -> MachineStatus:
        """Declare a machine or change it: `name`, `hostname`, `description`, `kind`, `group`, `tags`, `every`,
        `offline_after` (a duration, "never", or None for its kind's). What is not named stays.

        `expect`: "new" raises Conflict when it is there, "known" raises UnknownMachine when it is not.
        """
        await self._order(machine, Watch(checked(changes), expect))
        return await self.status(machine)

    async def pause(self, machine: MachineRef, *, by_hand: bool = True) -> None:
        """Not watched, heartbeats accepted. `by_hand`: only a person resumes it."""
        await self._order(machine, Pause(by_hand))

    async def resume(self, machine: MachineRef) -> None:
        """Watched again, with its full threshold from now."""
        await self._order(machine, Resume())

    async def disable(self, machine: MachineRef) -> None:
        """Its keys are refused, and it is paused."""
        await self._order(machine, Disable())

    async def enable(self, machine: MachineRef) -> None:
        await self._order(machine, Enable())

    async def forget(self, machine: MachineRef) -> None:
        """Remove it; its history stays, and what was to be told of it is told."""
        await self._order(machine, Forget())

    async def acknowledge(self, machine: MachineRef, by: str) -> None:
        """Somebody has seen its outage."""
        await self._order(machine, Acknowledge(by))

    async def _order(self, machine: MachineRef, order: Order) -> None:
        if isinstance(machine, str):
            check_slug(machine, "machine")
        await self._loops.committed(await self.store.order(machine, order, self._decide, self.clock.now()))
        self._loops.look_again()

    def _decide(self, case: Case) -> Verdict:
        """The pure function, with what a store without optional protocols does not know."""
        if not isinstance(self.store, Channels):
            case = replace(case, channels=case.channels or self._roster.channels)
        if not isinstance(self.store, Sources):
            case = replace(case, blind=tuple(self._loops.listener.periods))
        return decide(case, self.rules)

    # -- what is known

    async def status(self, machine: MachineRef) -> MachineStatus:
        """Raises UnknownMachine."""
        found = await self.statuses([machine])
        if machine not in found:
            raise UnknownMachine(machine)
        return found[machine]

    async def statuses(self, machines: Sequence[MachineRef], glance: bool = False) -> dict[MachineRef, MachineStatus]:
        """Unknown ones are left out. `glance`: a copy will do, where there is one beside the store."""
        return await self._statuses.read(machines, glance)

    def described(self, standing: Standing, now: datetime) -> MachineStatus:
        """What a machine is, from what the store knows of it; the sources that `name_sources` was asked for by name."""
        return self._statuses.described(standing, now)

    async def name_sources(self, standings: Iterable[Standing]) -> None:
        """Learn the names of the sources that these were heard on."""
        await self._statuses.name_sources(standings)

    def tell_of_news(self, tell: Callable[[], None]) -> Callable[[], object]:
        """Call it whenever an event may have been written, as far as this process hears of it: what others write on
        one file it does not. Until what this returns is called."""
        self._loops.on_news.add(tell)
        return lambda: self._loops.on_news.discard(tell)

    async def is_online(self, machine: MachineRef) -> bool:
        return (await self.status(machine)).is_online

    async def last_seen(self, machine: MachineRef) -> datetime | None:
        return (await self.status(machine)).last_seen

    async def sweep(self) -> list[Event]:
        """One pass by hand. The newly offline are the events of type machine.offline."""
        return await self._loops.sweep()
