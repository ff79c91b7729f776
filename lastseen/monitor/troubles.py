"""What is wrong with lastseen itself, looked at now and then: its disk, machines it never heard, nobody to tell.

The states are in `docs/design.md`, "Its own trouble". A beginning's uid comes of the end before it, an end's of its
beginning: whoever finds the same writes it once, in however many processes, and how often they start.
"""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec

from lastseen.clock import Clock
from lastseen.errors import UnknownMachine
from lastseen.log import get_logger
from lastseen.model import (
    Case,
    Channel,
    Event,
    EventType,
    Notification,
    Standing,
    Status,
    Verdict,
    Watch,
    replace,
    subject_event_uid,
)
from lastseen.model.system import system_event
from lastseen.monitor.audience import notify
from lastseen.monitor.deadline import Rules, patience, threshold
from lastseen.monitor.decide import decide
from lastseen.monitor.disk_room import Room, room
from lastseen.monitor.snapshot import of_machine
from lastseen.protocols import Announces, Catalog, Channels, Declared, Notes, OnDisk, Store

EVERY, FIRST = 60.0, 30.0
"""Seconds between two looks at the disk and the channels, and until the first."""

HOURLY, FIRST_UNHEARD = 3600.0, 900.0
"""Seconds between two looks for machines that were never heard; they have some time to report after a start."""

DAILY = 86_400.0
"""Seconds between two looks at all of them; in between only at those whose day has passed since the last look."""

PATIENCE = 2.0
"""Seconds that a disk may take to say how full it is."""

ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of a beginning: a machine is told of once for all time."""

UNHEARD_FOR = timedelta(hours=24)

PAGE = 20
"""Machines that one turn looks at: a look goes on with the next turn, and holds nothing up."""

DAY = 86_400.0
"""Seconds between two words in the log that nobody can be told."""

_log = get_logger()


@dataclass(slots=True)
class Course:
    """How one trouble goes: its beginning while it lasts, and its newest end."""

    begins: EventType
    ends: EventType
    begun: str | None = None
    since: datetime | None = None
    ended: str = ""
    read: bool = False

    @property
    def note(self) -> str:
        return f"trouble:{self.begins}"


class _Noted(msgspec.Struct):
    begun: str | None
    since: datetime | None
    ended: str


@dataclass(slots=True)
class _Round:
    """A look for machines that were never heard: at those watched since `before`, and not yet at `since` (None: at
    all). It goes on above the id `after`."""

    before: datetime
    since: datetime | None
    after: int = 0


class OwnTroubles:
    """Of one store. Without `Announces` nothing is looked at."""

    def __init__(self, store: Store, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._announces = store if isinstance(store, Announces) else None
        self._notes = store if isinstance(store, Notes) else None
        self._clock, self._rules = clock, rules
        now = clock.monotonic()
        self._next, self._next_unheard, self._next_word = now + FIRST, now + FIRST_UNHEARD, now
        self._round: _Round | None = None
        self._next_whole = now
        self._looked: datetime | None = None
        self._asking = False
        self._disk = Course(EventType.DISK_LOW, EventType.DISK_OK)
        self._nobody = Course(EventType.NO_CHANNEL, EventType.CHANNEL_BACK)

    @property
    def nobody_since(self) -> datetime | None:
        """Since when there are machines and nobody can be told, as far as this process has seen."""
        return self._nobody.since if self._nobody.begun else None

    async def look(self) -> list[Event]:
        """The events that are new. What fails is tried again with the next look, and harms nothing else."""
        found, now = list[Event](), self._clock.monotonic()
        try:
            if now >= self._next:
                self._next = now + EVERY
                found += await self._look_at_disk()
                found += await self._look_for_channels()
            if now >= self._next_unheard:
                self._next_unheard = now + EVERY  # where it fails
                found += await self._unheard(now)
                self._next_unheard = now + HOURLY if self._round is None else now
        except Exception as error:  # noqa: BLE001  (a store is a plugin, and the sweep must go on)
            _log.error("own_troubles_unknown", error=repr(error))
        return found

    # -- the disk

    async def _look_at_disk(self) -> list[Event]:
        file = self._store.file if isinstance(self._store, OnDisk) and not self._clock.virtual else None
        found = None if file is None else await self._room(file.parent)
        if file is None or found is None:
            return []
        disk = {"folder": str(file.parent), "free": found.free, "total": found.total, "mark": round(found.mark)}
        await self._recall(self._disk)
        return await self._turn(self._disk, found.low(self._disk.begun is not None), disk=disk)

    async def _room(self, folder: Path) -> Room | None:
        """None: it does not say. One question at a time: a network drive that is gone answers none."""
        if self._asking:
            return None
        self._asking = True

        def asked() -> Room | None:
            try:
                return room(folder)
            except OSError:
                return None
            finally:
                self._asking = False

        with anyio.move_on_after(PATIENCE):
            return await anyio.to_thread.run_sync(asked, abandon_on_cancel=True)
        return None

    # -- nobody to tell

    async def _look_for_channels(self) -> list[Event]:
        if not isinstance(self._store, Channels) or not isinstance(self._store, Catalog):
            return []
        enabled = any(channel.enabled for channel in await self._store.channels())
        nobody = not enabled and bool(await self._store.machines(0, 1))
        await self._recall(self._nobody)
        found = await self._turn(self._nobody, nobody)
        if nobody and self._clock.monotonic() >= self._next_word:
            self._next_word = self._clock.monotonic() + DAY
            _log.warning("nobody_to_tell", hint="lastseen channels add")
        return found

    # -- machines that were never heard

    async def _unheard(self, turn: float) -> list[Event]:
        """One page of a round. What fails is looked at again: `_round` goes on only behind what was told."""
        store = self._store
        if not isinstance(store, Declared):
            return []
        now = self._clock.now()
        if self._round is None:
            whole = turn >= self._next_whole
            self._next_whole = turn + DAILY if whole else self._next_whole
            self._round = _Round(now - UNHEARD_FOR, None if whole else self._looked)
        at = self._round
        page = await store.never_reported(at.before, at.after, PAGE, at.since)
        late = {_once(one): one.machine.id for one in page if self._never_heard(one, now) is not None}
        untold = sorted(late.keys() - await store.written(late.keys())) if late else []
        found = await asyncio.gather(*(self._say_unheard(late[uid], now) for uid in untold))  # written together
        if len(page) < PAGE:
            self._looked, self._round = at.before, None
        else:
            at.after = page[-1].machine.id
        return [event for events in found for event in events]

    async def _say_unheard(self, machine: int, now: datetime) -> Sequence[Event]:
        """It is an event of the machine, so it is written under the machine's lock, with its number."""
        try:
            return await self._store.order(machine, Watch(expect="known"), self._unheard_still, now)
        except UnknownMachine:
            return ()  # it was removed meanwhile

    def _unheard_still(self, case: Case) -> Verdict:
        """What is decided anyhow, and that it was never heard, if that is so by then."""
        verdict = decide(case, self._rules)
        event = self._never_heard(replace(case.standing, liveness=verdict.liveness), case.now)
        if event is None or verdict.liveness.status is not Status.PROVISIONING:
            return verdict
        rows = notify(event, case.audience, frozenset(), self._rules.told_for)
        return Verdict(
            liveness=replace(verdict.liveness, seq=verdict.liveness.seq + 1),
            events=(*verdict.events, event),
            outages=verdict.outages,
            notifications=(*verdict.notifications, *rows),
            runs=verdict.runs,
        )

    def _never_heard(self, one: Standing, now: datetime) -> Event | None:
        """None: it was heard, has time yet, or may be silent for ever."""
        machine, row = one.machine, one.liveness
        limit = threshold(machine, one.kind, self._rules)
        left = patience(machine, row, limit.limit)
        due = None if left is None else max(row.watch_from + UNHEARD_FOR, left.since + left.span)
        if due is None or now < due or row.last_seen is not None:
            return None
        about = of_machine(machine, limit, row, Status.PROVISIONING)
        told = system_event(EventType.NEVER_REPORTED, _once(one), now, row.watch_from, reason="never reported", **about)
        named = {"machine_id": machine.id, "machine": machine.slug, "seq": row.seq + 1}
        return replace(told, **named, previous_status=row.status, status=row.status)

    # -- one trouble's course

    async def _turn(self, course: Course, bad: bool, **more: Any) -> list[Event]:
        """It begins, lasts, ends, or there is none."""
        if self._announces is None or bad == (course.begun is not None):
            return []
        for again in (False, True):
            event = self._begin(course, **more) if bad else self._end(course, **more)
            new = await self._announces.announce(event, functools.partial(self._wanted, event))
            if not new and not again:  # somebody else was first, and may be further by now
                before = (course.begun, course.ended)
                await self._recall(course, anew=True)
                if bad == (course.begun is not None):
                    return []
                if before != (course.begun, course.ended):
                    continue
            course.begun, course.since = (event.uid, event.at) if bad else (None, None)
            course.ended = course.ended if bad else event.uid
            if self._notes is not None:
                noted = _Noted(course.begun, course.since, course.ended)
                await self._notes.keep_note(course.note, msgspec.json.encode(noted).decode())
            return [event] if new else []
        return []

    def _begin(self, course: Course, **more: Any) -> Event:
        uid, now = _following(course.begins, course.ended), self._clock.now()
        return system_event(course.begins, uid, now, now, incident=uid, **more)

    def _end(self, course: Course, **more: Any) -> Event:
        uid, now = _following(course.ends, course.begun or ""), self._clock.now()
        return system_event(course.ends, uid, now, course.since or now, incident=course.begun, ends=True, **more)

    async def _recall(self, course: Course, anew: bool = False) -> None:
        """What was written down of it. Where nothing can be, each process begins with itself."""
        if course.read and not anew:
            return
        if self._notes is None:
            course.ended = course.ended or self._clock.now().isoformat()
        else:
            text = await self._notes.note(course.note)
            if text is not None:
                noted = msgspec.json.decode(text, type=_Noted)
                course.begun, course.since, course.ended = noted.begun, noted.since, noted.ended
        course.read = True

    def _wanted(self, event: Event, channels: Sequence[Channel], told: frozenset[str]) -> Sequence[Notification]:
        return notify(event, channels, told, self._rules.told_for)


def _once(one: Standing) -> str:
    """The uid of the event that this machine was never heard."""
    return subject_event_uid(EventType.NEVER_REPORTED, one.machine.uid, ONCE)


def _following(type_: EventType, before: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lastseen:{type_}/after/{before}"))
