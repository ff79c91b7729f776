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
    Case,
    Channel,
    Delivered,
    Enable,
    EndReason,
    Event,
    EventType,
    Matcher,
    Message,
    Notification,
    Outage,
    OutageReason,
    Outcome,
    Preferences,
    Rejected,
    Retry,
    Scope,
    Severity,
    Silence,
    Status,
    Verdict,
    Watch,
    event_uid,
    replace,
)
from lastseen.monitor.audience import notify
from lastseen.notifiers.dispatcher import Dispatcher
from lastseen.notifiers.roster import Roster
from lastseen.storage.rows import as_notification
from lastseen.storage.sql import SqlStore
from lastseen.storage.sql_outbox import ROWS
from lastseen.testing import FakeClock

MACHINES = {"a1": ("north", ()), "a2": ("north", ("urgent",)), "a3": ("north", ()), "b1": ("south", ("home",))}
"""Each with its group and its tags."""

POINTS = ("before take", "after take", "before send", "after send", "before finish", "after finish")
EVENT_LIVES = timedelta(hours=76)

_attempt: ContextVar[Attempt] = ContextVar("attempt")


@dataclass(frozen=True)
class Told:
    """A far end heard this. `answer`: what we were told of it; a crash may have hidden even that."""

    at: datetime
    channel: str
    rows: tuple[Notification, ...]
    answer: str


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
    crashes: list[datetime] = field(default_factory=list)
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
            world.diary.told.append(Told(world.clock.now(), self.name, rows, mood))
        if mood != "ok":
            world.diary.troubled.add(self.name)
        await world.trap("after send")
        return answers[mood]()


class EditingEar(Ear):
    """It can change what it said."""

    async def edit(self, receipt: str, message: Message) -> Outcome:
        return await self.hear(receipt)


EARS: dict[str, Callable[[World, str], Ear]] = {
    "hook": lambda world, name: Ear(world, name, 1),
    "chat": lambda world, name: EditingEar(world, name, 500),
    "post": lambda world, name: Ear(world, name, 500),
}


class World:
    """`async with World(store).living() as world:`"""

    def __init__(self, store: Any) -> None:
        self.store, self.clock, self.diary = store, FakeClock(), Diary()
        self.ears = {name: make(self, name) for name, make in EARS.items()}
        self.wanted = dict.fromkeys(MACHINES, Status.ONLINE)
        self.channels: tuple[Channel, ...] = ()
        self.armed: str | None = None
        self.lives = 0
        self._take, self._finish = store.take, store.finish
        store.take, store.finish = self._watched_take, self._watched_finish

    @contextlib.asynccontextmanager
    async def living(self) -> Any:
        detach = self.clock.attach(lambda: self.task.done() or self.dispatcher.idle)
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
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def _begin(self) -> None:
        """A process of its own starts to send."""
        self.lives += 1
        roster = Roster(self.store, dict(self.ears), None, self.clock.monotonic)
        self.dispatcher = Dispatcher(self.store, roster, self.clock, f"life-{self.lives}")
        said = self.dispatcher._speech.say

        async def say(speaker: Any, attempt: Attempt) -> Outcome:
            _attempt.set(attempt)
            return await said(speaker, attempt)

        self.dispatcher._speech.say = say  # type: ignore[method-assign]
        await roster.start(self.clock.now())
        self.channels = roster.channels
        self.task = asyncio.create_task(self.dispatcher.run())

    # -- what happens

    async def to(self, status: Status, *machines: str) -> None:
        """These machines are found so, one after the other in the same moment."""
        for slug in machines:
            self.wanted[slug] = status
            events = await self.store.order(slug, Enable(), self._decide, self.clock.now())
            self.diary.events += events
        self.dispatcher.wake()

    async def ack(self, machine: str) -> None:
        before = (await self.store.liveness([machine]))[machine]
        await self.store.order(machine, Acknowledge("eva"), self._decide, self.clock.now())
        if before.liveness.incident is not None:
            self.diary.acked.setdefault(before.liveness.incident, []).append(self.clock.now())
        self.dispatcher.wake()

    async def prefer(self, channel: str, wishes: Preferences, fallback: str | None) -> None:
        other = None if fallback in (None, channel) else self._channel(fallback).uid
        await self.store.prefer(self._channel(channel).uid, wishes, other, self.clock.now())
        self.diary.wishes[channel].append((self.clock.now(), wishes))
        self.dispatcher.reload()

    async def switch(self, channel: str, on: bool) -> None:
        await self.store.switch_channel(self._channel(channel).uid, on, "tired of it", self.clock.now())
        self.diary.switched[channel].append((self.clock.now(), on))
        self.dispatcher.reload()

    async def silence(self, matcher: Matcher, after: float, minutes: float) -> None:
        starts = self.clock.now() + timedelta(seconds=after)
        given = Silence("works", starts, starts + timedelta(minutes=minutes), matcher, "eva")
        self.diary.silences.append(await self.store.add_silence(given, self.clock.now()))
        self.dispatcher.reload()

    async def end_silence(self) -> None:
        """The newest that is not over."""
        now = self.clock.now()
        for place, one in reversed(list(enumerate(self.diary.silences))):
            if one.ends_at > now:
                await self.store.end_silence(one.id, now)
                self.diary.silences[place] = replace(one, starts_at=min(now, one.starts_at), ends_at=now)
                self.dispatcher.reload()
                return

    async def wait(self, seconds: float) -> None:
        """Time passes; who crashed in it is started again at its end."""
        await self.clock.advance(f"{seconds}s")
        self.dispatcher.wake()  # as it does every two seconds where time is real
        await self.clock.settled()
        if self.task.done():
            with contextlib.suppress(asyncio.CancelledError):
                self.task.result()
            await self._begin()
            await self.clock.advance("1s")

    async def end(self) -> None:
        """All is well again, for long enough that everything must be through."""
        self.armed = None
        for ear in self.ears.values():
            ear.mood = "ok"
        await self.wait(7200)
        await self.to(Status.ONLINE, *MACHINES)
        await self.wait(1)
        self.diary.ended = self.clock.now()
        for _ in range(6):
            await self.wait(6 * 3600)
        self.diary.rows = await self._rows()

    async def trap(self, point: str) -> None:
        """The process dies here, if it was to die here."""
        if self.armed == point:
            self.armed = None
            self.diary.crashes.append(self.clock.now())
            self.task.cancel()
            await asyncio.Event().wait()

    # -- how

    async def _watched_take(self, *given: Any) -> Sequence[Attempt]:
        await self.trap("before take")
        attempts: Sequence[Attempt] = await self._take(*given)
        await self.trap("after take")
        return attempts

    async def _watched_finish(self, *given: Any) -> bool:
        await self.trap("before finish")
        kept: bool = await self._finish(*given)
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

    def _decide(self, case: Case) -> Verdict:
        row, machine, now = case.standing.liveness, case.standing.machine, case.now
        outage = case.standing.outage
        after = self.wanted[machine.slug]
        if row.status is Status.PROVISIONING:
            return Verdict(replace(row, status=Status.ONLINE, status_since=now, last_seen=now))
        if isinstance(case.order, Acknowledge):
            return self._seen(case, case.order.by)
        if row.status is after:
            return Verdict(row)
        uid, bad = event_uid(machine.uid, row.seq + 1), after is not Status.ONLINE
        incident = row.incident or uid
        event = Event(
            uid=uid,
            type=f"machine.{after.value}",
            severity=Severity.ALERT if bad else Severity.INFO,
            at=now,
            reason="scripted",
            snapshot=self._snapshot(machine, now),
            machine_id=machine.id,
            machine=machine.slug,
            seq=row.seq + 1,
            incident=incident,
            previous_status=row.status,
            status=after,
            last_seen=row.last_seen,
        )
        outages = ()
        if after is Status.OFFLINE:
            outages = (Outage(machine.id, now, now, OutageReason.SILENT, opened_by=uid),)
        elif outage is not None:
            outages = (replace(outage, ended_at=now, end_reason=EndReason.HEARD, closed_by=uid),)
        rows = notify(event, case.channels or self.channels, case.told, EVENT_LIVES)
        after_it = replace(
            row, status=after, status_since=now, seq=row.seq + 1, incident=incident if bad else None, back_at=None
        )
        return Verdict(after_it, (event,), outages, rows)

    def _seen(self, case: Case, by: str) -> Verdict:
        """Somebody has seen its alert: an event, told to those who want everything."""
        row, machine = case.standing.liveness, case.standing.machine
        if row.incident is None:
            return Verdict(row)
        event = Event(
            uid=event_uid(machine.uid, row.seq + 1),
            type=EventType.ACKNOWLEDGED.value,
            severity=Severity.INFO,
            at=case.now,
            reason=by,
            snapshot=self._snapshot(machine, case.now),
            machine_id=machine.id,
            machine=machine.slug,
            seq=row.seq + 1,
            incident=row.incident,
            previous_status=row.status,
            status=row.status,
        )
        rows = notify(event, case.channels or self.channels, case.told, EVENT_LIVES)
        return Verdict(replace(row, seq=row.seq + 1), (event,), (), rows)

    def _snapshot(self, machine: Any, now: datetime) -> dict[str, Any]:
        group, tags = MACHINES[machine.slug]
        since = now.isoformat().replace("+00:00", "Z")
        seen = {"id": machine.id, "name": machine.slug, "hostname": "", "description": "", "last_seen": since}
        outage = {"started_at": since, "detected_at": since, "ended_at": None, "seconds": None, "reason": "silent"}
        told = {"machine": seen, "slug": machine.slug, "kind": "server", "group": group, "tags": list(tags)}
        more = {
            "offline_after_seconds": 120,
            "limit_from": "the default",
            "outage": outage,
            "since": since,
            "message": "",
        }
        return {**told, **more}


__all__ = ["EARS", "MACHINES", "POINTS", "Beat", "Diary", "Told", "World"]
