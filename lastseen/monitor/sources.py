"""Ways in beside the program's own calls: what each is handed, and how they are kept running.

Any source, whoever made it. Which ones a server has, from rows and settings, is in `lastseen.sources` above."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import anyio

from lastseen import counters
from lastseen.clock import Clock
from lastseen.errors import Conflict, LastseenError
from lastseen.log import get_logger
from lastseen.model import Beat, Event, Watch, slugify
from lastseen.model.insight import Stranger
from lastseen.monitor.blindness import OWN, Ear, Listener
from lastseen.monitor.changes import checked
from lastseen.monitor.duty import Hold, held
from lastseen.monitor.feed import Feed
from lastseen.protocols import Decide, Store, Ways
from lastseen.words import say

AGAIN = 5.0
"""Seconds until a way in that has ended is started again."""

CACHED = 250_000
"""Names of one source whose machines are kept in memory."""

UNKNOWN_FOR = 10.0
"""Seconds that a name counts as unknown before it is asked for again."""

STRANGERS = 200
"""Unknown names and unreadable topics that are counted one by one between two looks of the store."""

KEEP_STRANGERS = 5.0
"""Seconds between two times at which what was counted of them is written down: who has just set a source up looks."""

_log = get_logger()


class WayIn(Protocol):
    """Something that machines report through, as it is given in `HeartbeatMonitor(sources=[…])`."""

    name: str
    kind: str

    async def run(self, port: Port) -> None:
        """Listen until cancelled. A far end that is away is no error: `port.down()`, and it is tried again."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the ports of one monitor have in common. `submit`: take a heartbeat to be stored. `committed`: have events
    told that were written."""

    store: Store
    clock: Clock
    node: str
    decide: Decide
    submit: Callable[[Beat], asyncio.Future[None]]
    committed: Callable[[Sequence[Event]], Awaitable[None]]


class Port:
    """What a way in is handed."""

    def __init__(self, ear: Ear, listener: Listener, means: Means, part: Callable[[str], Awaitable[Port]]) -> None:
        self.name, self.id, self.clock, self.node = ear.name, ear.id, means.clock, means.node
        self._ear, self._listener, self._part = ear, listener, part
        self._store, self._submit = means.store, means.submit
        self._decide, self._committed = means.decide, means.committed
        self._known: dict[str, int | None] = {}
        self._unknown_until: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[int | None]] = {}
        self._strangers: dict[tuple[str, str], Stranger] = {}

    # -- the link

    def up(self) -> None:
        """The link is there: what is said is heard from now on."""
        if not self._ear.hears:
            self._listener.regained(self._ear)
            _log.info("source_up", source=self.name)

    def down(self, since: datetime | None = None) -> None:
        """The link is gone. `since`: when something was last received for certain."""
        self._listener.lost(self._ear, since)

    def missed(self, seconds: float = 0.0) -> None:
        """Something that was said was refused, because the store did not answer for so long: nobody is blamed for that
        time."""
        self._listener.store_failed(seconds)

    def waits(self, waited: Callable[[], float]) -> None:
        """`waited`: for how many seconds somebody has waited for the store who may have a heartbeat. It is asked
        before each decision: nobody is found silent for that time."""
        self._listener.waits.append(waited)

    @property
    def hears(self) -> bool:
        """What is said is heard: the link is there."""
        return self._ear.hears

    def catches_up(self, with_it: Callable[[], Awaitable[None]], stood_still: Callable[[], None] | None = None) -> None:
        """Before anybody is found silent, this is asked. It returns when what the far end had for us when it was asked
        is stored, or after `down()`: whoever's message stands in a queue is not silent.

        `stood_still` is called when this process was stopped for a while: what was said meanwhile is about to be read.
        It calls `down()`, and `up()` when that is over; `said_since` is the beginning of the stop until then."""
        self._ear.catch_up, self._ear.stood_still = with_it, stood_still

    def said_since(self) -> datetime | None:
        """For each message, before it is taken. Until the source is heard, what comes was said at some time since this
        moment; None: now."""
        self._listener.received()
        return self._ear.said_since

    async def part(self, name: str) -> Port:
        """A source within this one, which can be cut off on its own: what stands behind a bridge."""
        return await self._part(f"{self.name}/{name}")

    def duty(self, name: str, span: timedelta) -> AbstractAsyncContextManager[Hold | None]:
        """Ours, of all processes that listen to this source, while it lasts (`lastseen.monitor.duty.held`). Raises
        StoreUnavailable."""
        return held(self._store, self.clock, f"{name}:{self.name}", self.node, span)

    def feed(self) -> Feed:
        """How all machines stand, to be shown where this source leads."""
        return Feed(self._store)

    # -- what is said

    def submit(self, beat: Beat) -> asyncio.Future[None]:
        """A future that is done when the report is durable. Raises Busy; the future fails with UnknownMachine when the
        machine was removed, and with StoreUnavailable."""
        return self._submit(beat)

    def known(self, name: str) -> int | None:
        """The machine of this name if that is remembered."""
        return self._known.get(name)

    async def learn(self) -> None:
        """Remember all names that this source has already: asking for one after the other takes its time."""
        if isinstance(self._store, Ways):
            known = await self._store.identify(self.id, None)
            self._known.update(dict(list(known.items())[:CACHED]))

    async def machine(self, name: str, add: Mapping[str, Any] | None = None) -> int | None:
        """The machine that this source calls so; one is made of `add` (fields as in `watch`) where there is none. None:
        there is none, or there was one that was removed. Raises StoreUnavailable."""
        if name in self._known:
            return self._known[name]
        if add is None and self._unknown_until.get(name, 0.0) > self.clock.monotonic():
            return None
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(name, add))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return await asyncio.shield(task)

    async def _ask(self, name: str, add: Mapping[str, Any] | None) -> int | None:
        changes = _made_of(self.name, add)
        if isinstance(self._store, Ways):
            known = await self._store.identify(self.id, [name])
            if name in known:
                return self._remember(name, known[name])
            machine_id, events = await self._store.attach(self.id, name, changes, self._decide, self.clock.now())
        else:
            machine_id, events = await self._by_slug(name, changes)
        await self._committed(events)
        if machine_id is None:
            if len(self._unknown_until) >= CACHED:
                self._unknown_until.clear()
            self._unknown_until[name] = self.clock.monotonic() + UNKNOWN_FOR
            return None
        return self._remember(name, machine_id)

    async def _by_slug(self, name: str, changes: Mapping[str, Any] | None) -> tuple[int | None, Sequence[Event]]:
        """A store that remembers no names: the machine's slug is made from it."""
        slug, events = slugify(name) or "machine", []
        if changes is not None and slug not in await self._store.liveness([slug]):
            events = list(await self._store.order(slug, Watch(changes), self._decide, self.clock.now()))
        found = await self._store.liveness([slug])
        return (found[slug].machine.id if slug in found else None), events

    def _remember(self, name: str, machine_id: int | None) -> int | None:
        if len(self._known) >= CACHED:
            self._known.clear()
        self._known[name] = machine_id
        return machine_id

    def forget(self, name: str) -> None:
        """Ask for this name anew: what was sent for its machine was refused."""
        self._known.pop(name, None)

    async def detach(self, name: str) -> None:
        """This source has no such machine any more; the machine and its history stay."""
        self.forget(name)
        if isinstance(self._store, Ways):
            await self._store.detach(self.id, name)

    # -- what cannot be placed

    def unknown(self, name: str) -> None:
        """Somebody reported whom no machine is known by."""
        self._stranger("unknown", name, "")

    def malformed(self, name: str, why: str) -> None:
        """Something came that could not be read. `name`: where; never what."""
        self._stranger("malformed", name, why)

    def heard_unknown(self) -> Mapping[tuple[str, str], Stranger]:
        """What was counted since it was last written down, by kind and name."""
        return dict(self._strangers)

    def _stranger(self, kind: str, name: str, detail: str) -> None:
        counters.HEARTBEATS.inc(self.name, kind)
        key, now = (kind, "".join(c if c.isprintable() else "?" for c in name[:200])), self.clock.now()
        before = self._strangers.get(key)
        if before is not None:
            self._strangers[key] = Stranger(*key, before.heard + 1, before.first_at, now, detail)
            return
        if len(self._strangers) >= STRANGERS:
            return
        self._strangers[key] = Stranger(*key, 1, now, now, detail)
        _log.warning("source_heard_stranger", source=self.name, kind=kind, name=key[1], detail=detail)

    async def keep_strangers(self) -> None:
        """Write down what was counted."""
        if self._strangers and isinstance(self._store, Ways):
            counted, self._strangers = self._strangers, {}
            try:
                await self._store.keep_strangers(self.id, list(counted.values()))
            except BaseException:
                self._strangers = {**counted, **self._strangers}  # for the next time
                raise


class WaysIn:
    """The ways in of one monitor, each with its port. One that ends is blind, and is started again."""

    def __init__(self, listener: Listener, means: Means) -> None:
        self._listener, self._means = listener, means
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keeping: asyncio.Task[None] | None = None
        self.ports: dict[str, Port] = {}

    @property
    def here(self) -> Port:
        """That of the program's own calls, and of what comes over HTTP: it is open as long as the process lives."""
        return self.ports.get(OWN) or self._open(self._listener.ears[OWN])

    @asynccontextmanager
    async def entered(self, name: str) -> AsyncIterator[Port]:
        """One that the program runs itself, open while this is entered."""
        port = self.ports.get(name) or self._open(await self._listener.add(name))
        port.up()
        try:
            yield port
        finally:
            port.down()
            with anyio.CancelScope(shield=True):
                await self._listener.keep()

    async def add(self, way: WayIn) -> None:
        """One more, which runs. Raises Conflict when there is one of this name; as `prepare`."""
        if way.name in self.ports:
            raise Conflict(say("there is a source {name!r} already", name=way.name))
        await self.prepare(way)
        self.run(way)

    async def prepare(self, way: WayIn) -> None:
        """From now on its silence is its own: its link is not there yet. Raises NotFound when it was made `from_row`,
        and the row is gone."""
        of = way.name if getattr(way, "from_row", False) else None
        self._open(await self._listener.add(way.name, way.kind, of))

    def _open(self, ear: Ear) -> Port:
        port = self.ports[ear.name] = Port(ear, self._listener, self._means, functools.partial(self._part, ear))
        return port

    async def _part(self, whole: Ear, name: str) -> Port:
        return self.ports.get(name) or self._open(await self._listener.add(name, whole.kind, whole.name))

    def start(self, ways: Sequence[WayIn]) -> None:
        """Those that are prepared run, and what nobody can place is written down now and then."""
        for way in ways:
            self.run(way)
        if not self._means.clock.virtual:
            self._keeping = asyncio.create_task(self._keep(), name="lastseen-strangers")

    def run(self, way: WayIn) -> None:
        self._tasks[way.name] = asyncio.create_task(self._keep_running(way), name=f"lastseen-source-{way.name}")

    async def remove(self, name: str) -> None:
        """Stop it, with its parts; its machines are held until somebody listens again."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        known = {**self.ports, **self._listener.ears}  # a part that was just being made has an ear and no port
        for each in [one for one in known if one == name or one.startswith(f"{name}/")]:
            if each in self.ports:
                await self.ports[each].keep_strangers()
            await self._listener.remove(each)
            self.ports.pop(each, None)

    async def stop(self) -> None:
        tasks = [*self._tasks.values(), *([self._keeping] if self._keeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        await self._keep_strangers()

    async def _keep(self) -> None:
        """People look for it while this runs."""
        while True:
            await asyncio.sleep(KEEP_STRANGERS)
            await self._keep_strangers()

    async def _keep_strangers(self) -> None:
        for port in list(self.ports.values()):
            try:
                await port.keep_strangers()
            except LastseenError as error:
                _log.warning("strangers_not_kept", error=str(error))

    async def _keep_running(self, way: WayIn) -> None:
        port = self.ports[way.name]
        while True:
            try:
                await way.run(port)
                _log.error("source_ended", source=way.name, error="it returned")
            except Exception as error:  # noqa: BLE001  (a way in is a plugin: its trouble is its own, and it is told)
                _log.error("source_ended", source=way.name, error=_words(error))
            finally:
                port.down()
            await asyncio.sleep(AGAIN * (1 + random.random()))  # noqa: S311  (jitter)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, LastseenError) else repr(error)


def _made_of(source: str, changes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a machine that a source adds is made of: it stands with what it hangs on, unless somebody says otherwise."""
    return None if changes is None else checked({"group": source, **changes})
