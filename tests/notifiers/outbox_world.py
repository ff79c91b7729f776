"""A small world around a real store and a real dispatcher in virtual time: machines, people, lying far ends, crashes.

What happens in it is written down for the oracle (`tests.notifiers.oracle`) by the world itself and by its far ends,
not by the code under test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lastseen.model import (
    Acknowledge,
    Attempt,
    Beat,
    Channel,
    Delivered,
    Enable,
    Event,
    Lease,
    Matcher,
    Message,
    Notification,
    Outcome,
    Preferences,
    Rejected,
    Retry,
    Scope,
    Silence,
    Status,
    Watch,
    replace,
)
from lastseen.notifiers.dispatcher import Dispatcher
from lastseen.notifiers.roster import Roster
from lastseen.protocols import Leases
from lastseen.storage.rows import as_notification
from lastseen.storage.sql import SqlStore
from lastseen.storage.sql_outbox import ROWS
from lastseen.testing import FakeClock
from tests.notifiers.outbox_script import MACHINES, Script

POINTS = ("before take", "after take", "before send", "after send", "before finish", "after finish")

GATES = ("lease", "renew", "release", "next_due", "channels", "silences", "newest_token")
"""What a process asks of the store beside take and finish: one that is stopped gets no further than there."""

_attempt: ContextVar[Attempt] = ContextVar("attempt")
_life: ContextVar[Life] = ContextVar("life")


@dataclass(eq=False)
class Life:
    """A process that sends. While `goes` is not set it is stopped, as by SIGSTOP."""

    dispatcher: Dispatcher
    task: asyncio.Task[None]
    goes: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def runs(self) -> bool:
        return self.goes.is_set() and not self.task.done()


@dataclass(frozen=True)
class Told:
    """A far end heard this. `answer`: what we were told of it; a crash may have hidden even that."""

    at: datetime
    channel: str
    rows: tuple[Notification, ...]
    answer: str
    attempt: int


@dataclass
class Diary:
    """What happened, in order."""

    events: list[Event] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    wishes: dict[str, list[tuple[datetime, Preferences]]] = field(default_factory=dict)
    switched: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)
    acked: dict[str, list[datetime]] = field(default_factory=dict)  # by incident
    troubled: set[str] = field(default_factory=set)  # channels whose far end was not always well
    refused: set[str] = field(default_factory=set)  # and those that would not have a message, then or at all
    well_at: datetime | None = None
    crashes: list[datetime] = field(default_factory=list)
    stops: list[datetime] = field(default_factory=list)
    taken: dict[int, tuple[datetime, frozenset[str]]] = field(default_factory=dict)  # by attempt: when, and which rows
    kept: set[int] = field(default_factory=set)  # attempts whose results counted
    overruled: list[str] = field(default_factory=list)  # what counted though somebody else had the rows, or the lane
    ended: datetime | None = None
    rows: Sequence[Notification] = ()


class Ear:
    """A far end, and its mood: ok, lie (it takes it and says nothing), fail, refuse, busy (this one later), gone."""

    def __init__(self, world: World, name: str, batch: int) -> None:
        self.world, self.name, self.max_batch, self.mood = world, name, batch, "ok"

    async def send(self, message: Message) -> Outcome:
        return await self.hear("")

    async def hear(self, receipt: str) -> Outcome:
        world, attempt = self.world, _attempt.get()
        await world.trap("before send")
        mood = self.mood
        answers: dict[str, Callable[[], Outcome]] = {
            "ok": lambda: Delivered(receipt or f"m{attempt.id}"),
            "lie": lambda: Retry("no answer in time: perhaps it was delivered"),
            "fail": lambda: Retry("503"),
            "busy": lambda: Retry("409", Scope.NOTIFICATION),
            "refuse": lambda: Rejected("422", Scope.NOTIFICATION),
            "gone": lambda: Rejected("410", Scope.CHANNEL),
        }
        if mood in ("ok", "lie"):
            rows = tuple(delivery.notification for delivery in attempt.deliveries)
            world.diary.told.append(Told(world.clock.now(), self.name, rows, mood, attempt.id))
        if mood != "ok":
            world.diary.troubled.add(self.name)
        if mood not in ("ok", "lie", "fail"):
            world.diary.refused.add(self.name)
        await world.trap("after send")
        return answers[mood]()


class Hook(Ear):
    """Its tries are hours apart after a while, and it is given up some day."""

    schedule = "webhook"


class EditingEar(Ear):
    """It can change what it said."""

    async def edit(self, receipt: str, message: Message) -> Outcome:
        return await self.hear(receipt)


EARS: dict[str, Callable[[World, str], Ear]] = {
    "hook": lambda world, name: Hook(world, name, 1),
    "chat": lambda world, name: EditingEar(world, name, 500),
    "post": lambda world, name: Ear(world, name, 500),
}


class World(Script):
    """`async with World(store).living() as world:`"""

    def __init__(self, store: Any) -> None:
        self.store, self.clock, self.diary = store, FakeClock(), Diary()
        self.ears = {name: make(self, name) for name, make in EARS.items()}
        self.wanted = dict.fromkeys(MACHINES, Status.ONLINE)
        self.channels: tuple[Channel, ...] = ()
        self.armed: str | None = None
        self.halting: str | None = None
        self.lives: list[Life] = []
        self.newest: dict[str, int] = {}  # by row: the attempt that took it last
        self.tokens: dict[str, int] = {}  # by lane: of its newest lease
        self._take, self._finish = store.take, store.finish
        store.take, store.finish = self._watched_take, self._watched_finish
        for name in GATES if isinstance(store, Leases) else ():
            setattr(store, name, self._gated(getattr(store, name)))

    @contextlib.asynccontextmanager
    async def living(self) -> Any:
        detach = self.clock.attach(lambda: all(life.dispatcher.idle for life in self.lives if life.runs))
        await self._begin()
        for slug, (group, tags) in MACHINES.items():
            await self.store.order(slug, Watch({"group": group, "tags": tags}), self._decide, self.clock.now())
        now = self.clock.now()
        for channel in self.channels:
            self.diary.wishes[channel.name] = [(now, Preferences())]
            self.diary.switched[channel.name] = [(now, True)]
        try:
            yield self
        finally:
            detach()
            for life in self.lives:
                life.task.cancel()
            await asyncio.gather(*(life.task for life in self.lives), return_exceptions=True)

    async def _begin(self) -> None:
        """A process of its own starts to send."""
        roster = Roster(self.store, dict(self.ears), None, self.clock.monotonic)
        dispatcher = Dispatcher(self.store, roster, self.clock, f"life-{len(self.lives)}")
        said, begun = dispatcher._speech.say, asyncio.Event()

        async def say(speaker: Any, attempt: Attempt) -> Outcome:
            _attempt.set(attempt)
            return await said(speaker, attempt)

        async def run() -> None:
            await begun.wait()
            _life.set(life)
            await roster.start(self.clock.now())
            self.channels = roster.channels
            await dispatcher.run()

        dispatcher._speech.say = say  # type: ignore[method-assign]
        life = Life(dispatcher, asyncio.create_task(run()))
        life.goes.set()
        self.lives.append(life)
        begun.set()
        await self.clock.settled()

    def _wake(self) -> None:
        for life in self.lives:
            life.dispatcher.wake()

    def _reload(self) -> None:
        for life in self.lives:
            life.dispatcher.reload()

    # -- what happens

    async def to(self, status: Status, *machines: str) -> None:
        """These machines are found so, one after the other in the same moment."""
        for slug in machines:
            self.wanted[slug] = status
            events = await self.store.order(slug, Enable(), self._decide, self.clock.now())
            self.diary.events += events
        self._wake()

    async def ack(self, machine: str) -> None:
        before = (await self.store.liveness([machine]))[machine]
        await self.store.order(machine, Acknowledge("eva"), self._decide, self.clock.now())
        if before.liveness.incident is not None:
            self.diary.acked.setdefault(before.liveness.incident, []).append(self.clock.now())
        self._wake()

    async def prefer(self, channel: str, wishes: Preferences, fallback: str | None) -> None:
        other = None if fallback in (None, channel) else self._channel(fallback).uid
        await self.store.prefer(self._channel(channel).uid, wishes, other, self.clock.now())
        self.diary.wishes[channel].append((self.clock.now(), wishes))
        self._reload()

    async def switch(self, channel: str, on: bool) -> None:
        await self.store.switch_channel(self._channel(channel).uid, on, "tired of it", self.clock.now())
        self.diary.switched[channel].append((self.clock.now(), on))
        self._reload()

    async def silence(self, matcher: Matcher, after: float, minutes: float) -> None:
        starts = self.clock.now() + timedelta(seconds=after)
        given = Silence("works", starts, starts + timedelta(minutes=minutes), matcher, "eva")
        self.diary.silences.append(await self.store.add_silence(given, self.clock.now()))
        self._reload()

    async def end_silence(self) -> None:
        """The newest that is not over."""
        now = self.clock.now()
        for place, one in reversed(list(enumerate(self.diary.silences))):
            if one.ends_at > now:
                await self.store.end_silence(one.id, now)
                self.diary.silences[place] = replace(one, starts_at=min(now, one.starts_at), ends_at=now)
                self._reload()
                return

    async def wait(self, seconds: float) -> None:
        """Time passes; who crashed in it is started again at its end."""
        await self.clock.advance(f"{seconds}s")
        self._wake()  # as it does every two seconds where time is real
        await self.clock.settled()
        for life in self.lives:
            if life.task.done() and not life.task.cancelled():
                life.task.result()
        if not any(life.runs for life in self.lives):
            await self._begin()
            await self.clock.advance("1s")

    async def go_on(self) -> None:
        """Who was stopped goes on where it was, and lives beside whoever took its place."""
        for life in self.lives:
            life.goes.set()
        await self.clock.settled()

    async def end(self) -> None:
        """All is well again, for long enough that everything must be through."""
        self.armed = self.halting = None
        await self.go_on()
        for ear in self.ears.values():
            ear.mood = "ok"
        self.diary.well_at = self.clock.now()
        await self.wait(7200)
        await self.to(Status.ONLINE, *MACHINES)
        await self.wait(1)
        self.diary.ended = self.clock.now()
        for _ in range(6):
            await self.wait(6 * 3600)
        self.diary.rows = await self._rows()

    async def trap(self, point: str) -> None:
        """The process dies here, if it was to die here, or is stopped; and if it is stopped it gets no further."""
        life = _life.get()
        await life.goes.wait()
        if self.armed == point:
            self.armed = None
            self.diary.crashes.append(self.clock.now())
            life.task.cancel()
            await asyncio.Event().wait()
        if self.halting == point:
            self.halting = None
            self.diary.stops.append(self.clock.now())
            life.goes.clear()
            await life.goes.wait()

    # -- how

    def _gated(self, method: Any) -> Any:
        async def gated(*given: Any) -> Any:
            life = _life.get(None)
            if life is not None:
                await life.goes.wait()
            answer = await method(*given)
            if isinstance(answer, Lease):
                self.tokens[answer.name] = max(answer.token, self.tokens.get(answer.name, 0))
            if life is not None:
                await life.goes.wait()
            return answer

        return gated

    async def _watched_take(self, lane: Lease, *given: Any) -> Sequence[Attempt]:
        await self.trap("before take")
        newest = self.tokens.get(lane.name, lane.token)
        attempts: Sequence[Attempt] = await self._take(lane, *given)
        if attempts and lane.token != newest:
            self.diary.overruled.append(f"attempt {attempts[0].id} was taken by who had lost {lane.name}")
        for attempt in attempts:
            uids = frozenset(one.notification.uid for one in attempt.deliveries)
            self.diary.taken[attempt.id] = self.clock.now(), uids
            self.newest |= dict.fromkeys(uids, attempt.id)
        await self.trap("after take")
        return attempts

    async def _watched_finish(self, lane: Lease, attempt: Attempt, *given: Any) -> bool:
        await self.trap("before finish")
        newest = {self.newest[one.notification.uid] for one in attempt.deliveries}
        kept: bool = await self._finish(lane, attempt, *given)
        if kept:
            self.diary.kept.add(attempt.id)
        if kept and newest != {attempt.id}:
            self.diary.overruled.append(f"attempt {attempt.id}, after {newest} at {self.clock.now()}")
        await self.trap("after finish")
        return kept

    def _channel(self, name: str | None) -> Channel:
        return next(channel for channel in self.channels if channel.name == name)

    async def _rows(self) -> Sequence[Notification]:
        if not isinstance(self.store, SqlStore):
            return list(self.store.state.outbox.values())
        uids = {channel.id: channel.uid for channel in self.channels}

        def read(c: Any) -> list[Notification]:
            found = c.execute(ROWS).all()
            return [
                as_notification(r, {"event": r.event_uid, "channel": uids[r.channel_id], "incident": r.incident_uid})
                for r in found
            ]

        return await self.store.database.read(read)


__all__ = ["EARS", "MACHINES", "POINTS", "Beat", "Diary", "Told", "World"]
