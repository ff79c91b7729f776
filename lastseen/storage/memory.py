"""Everything in dictionaries: for tests, for trying out, and for programs that need no memory of last time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from lastseen.errors import Conflict, InvalidInput, UnknownMachine
from lastseen.log import get_logger
from lastseen.model import (
    SLUG,
    Attempt,
    Beat,
    Case,
    Channel,
    ChannelState,
    Delivery,
    Event,
    Kind,
    Lease,
    Liveness,
    Machine,
    MachineRef,
    Notification,
    NotificationState,
    Order,
    Outage,
    Outcome,
    Recorded,
    Sent,
    Signal,
    Standing,
    Verdict,
    Watch,
)
from lastseen.protocols import Admit, Decide, RetryPlan
from lastseen.storage.fold import FINISHED_ATTEMPT, PARK, absorb, newborn, obey, pick, told

KEPT = 20_000
"""Events and notifications that are kept before finished ones are forgotten."""

_log = get_logger()


def open_memory(url: str = "memory:") -> MemoryStore:
    return MemoryStore()


class MemoryStore:
    """The core `Store`, and nothing optional. Safe among the tasks of one event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._machines: dict[int, Machine] = {}
        self._slugs: dict[str, int] = {}
        self._rows: dict[int, Liveness] = {}
        self._signals: dict[int, list[Signal]] = defaultdict(list)
        self._outages: dict[str, Outage] = {}
        self._events: dict[str, Event] = {}
        self._outbox: dict[str, Notification] = {}
        self._states: dict[str, ChannelState] = {}
        self._batches: dict[str, tuple[str, ...]] = {}
        self._attempts: dict[int, str] = {}
        self._ids = 0

    # -- what was heard

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        async with self._lock:
            known = [(self._find(beat.machine), beat) for beat in beats]
            for machine, beat in known:
                if machine is None:
                    continue
                self._rows[machine.id], signal = absorb(self._rows[machine.id], beat, now)
                if signal:
                    self._signals[machine.id].append(Signal(beat.said, beat.at, _message(beat.body)))
            unknown = frozenset(beat.machine for machine, beat in known if machine is None)
            due = any(machine and self._due(machine.id, now) for machine, _ in known)
            return Recorded(unknown, due)

    def _find(self, ref: MachineRef) -> Machine | None:
        return self._machines.get(self._slugs.get(ref, 0) if isinstance(ref, str) else ref)

    def _due(self, machine_id: int, now: datetime) -> bool:
        check_at = self._rows[machine_id].check_at
        return check_at is not None and check_at <= now

    # -- what is decided

    async def settle(self, decide: Decide, now: datetime, limit: int = 500) -> Sequence[Event]:
        async with self._lock:
            due = sorted((i for i in self._rows if self._due(i, now)), key=lambda i: (self._rows[i].check_at, i))
            events: list[Event] = []
            for machine_id in due[:limit]:
                try:
                    verdict = decide(self._case(machine_id, None, now))
                except Exception as error:  # noqa: BLE001  (one machine that cannot be decided stops no other)
                    _log.error("machine_parked", machine_id=machine_id, error=repr(error))
                    self._rows[machine_id] = dataclasses.replace(self._rows[machine_id], check_at=now + PARK)
                else:
                    events += self._write(machine_id, verdict)
            return events

    async def order(self, machine: MachineRef, order: Order, decide: Decide, now: datetime) -> Sequence[Event]:
        async with self._lock:
            found = self._find(machine)
            if isinstance(order, Watch):
                if found is not None and order.expect == "new":
                    raise Conflict(f"there is a machine {machine!r} already")
                if found is None and order.expect != "known" and isinstance(machine, str):
                    found = self._declare(machine, now)
            if found is None:
                raise UnknownMachine(machine)
            before = self._machines.get(found.id)
            self._machines[found.id] = obey(found, order)
            try:
                verdict = decide(self._case(found.id, order, now))
            except BaseException:
                self._undo(found, before)
                raise
            return self._write(found.id, verdict)

    def _declare(self, slug: str, now: datetime) -> Machine:
        if not SLUG.fullmatch(slug):
            raise InvalidInput("must be 1 to 200 of A-Z a-z 0-9 . _ : -", "slug")
        self._ids += 1
        machine = Machine(id=self._ids, uid=str(uuid.uuid4()), slug=slug, name=slug)
        self._slugs[slug], self._rows[machine.id] = machine.id, newborn(now)
        return machine

    def _undo(self, machine: Machine, before: Machine | None) -> None:
        if before is not None:
            self._machines[machine.id] = before
            return
        del self._machines[machine.id], self._slugs[machine.slug], self._rows[machine.id]

    def _case(self, machine_id: int, order: Order | None, now: datetime) -> Case:
        standing = self._standing(machine_id)
        return Case(
            standing=standing,
            now=now,
            signals=tuple(self._signals[machine_id]),
            order=order,
            told=told(self._outbox.values(), standing.liveness.incident),
        )

    def _standing(self, machine_id: int) -> Standing:
        machine = self._machines[machine_id]
        outage = next((o for o in self._outages.values() if o.machine_id == machine_id and o.ended_at is None), None)
        return Standing(machine, Kind(machine.kind), self._rows[machine_id], outage)

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        new = [event for event in verdict.events if event.uid not in self._events]
        self._events.update({event.uid: event for event in new})
        self._outages.update({outage.opened_by: outage for outage in verdict.outages})
        for row in verdict.notifications:
            self._outbox.setdefault(row.uid, row)
        self._forget_old()
        self._rows[machine_id] = verdict.liveness
        self._signals.pop(machine_id, None)
        if verdict.removed:
            del self._slugs[self._machines.pop(machine_id).slug], self._rows[machine_id]
        return new

    def _forget_old(self) -> None:
        """Keep memory bounded: what is finished, and whose incident is over, goes when there is too much of it."""
        if len(self._outbox) + len(self._events) < KEPT:
            return
        open_incidents = {row.incident for row in self._rows.values()} - {None}
        self._outbox = {
            uid: row for uid, row in self._outbox.items() if row.finished_at is None or row.incident in open_incidents
        }
        needed = {row.event for row in self._outbox.values()} | open_incidents
        self._events = {uid: event for uid, event in self._events.items() if uid in needed}
        self._outages = {uid: outage for uid, outage in self._outages.items() if uid in needed or not outage.ended_at}
        self._batches = {uid: batch for uid, batch in self._batches.items() if uid in self._outbox}
        self._attempts.clear()

    async def next_check(self) -> datetime | None:
        return min((row.check_at for row in self._rows.values() if row.check_at), default=None)

    async def liveness(self, machines: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
        found = {ref: self._find(ref) for ref in machines}
        return {ref: self._standing(machine.id) for ref, machine in found.items() if machine is not None}

    # -- what is sent

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        async with self._lock:
            attempts: list[Attempt] = []
            for channel in sorted(lane.channels):
                rows = [n for n in self._outbox.values() if n.channel == channel and n.finished_at is None]
                state = self._states.get(channel, ChannelState())
                picked = pick(
                    rows, state, lane, lambda n: admit(n, self._events[n.event], now), now, limit, self._batches
                )
                self._outbox.update({row.uid: row for row in picked.changed})
                for group, probe in picked.groups:
                    attempts.append(self._attempt(channel, group, probe, state, now))
                limit -= len(picked.groups)
            return attempts

    def _attempt(
        self, channel: str, group: tuple[Notification, ...], probe: bool, state: ChannelState, now: datetime
    ) -> Attempt:
        self._ids += 1
        uids = tuple(row.uid for row in group)
        self._outbox.update({row.uid: row for row in group})
        self._batches.update(dict.fromkeys(uids, uids))
        self._attempts[self._ids] = "open"
        deliveries = tuple(self._delivery(row) for row in group)
        return Attempt(self._ids, channel, deliveries, now, probe, state.failing_since)

    def _delivery(self, row: Notification) -> Delivery:
        outage = next((o for o in self._outages.values() if row.event in (o.opened_by, o.closed_by)), None)
        same = (
            n.receipt
            for n in self._outbox.values()
            if n.channel == row.channel and n.incident == row.incident and row.incident and n.receipt
        )
        return Delivery(row, self._events[row.event], outage, next(same, None))

    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        async with self._lock:
            self._attempts[attempt.id] = FINISHED_ATTEMPT[type(outcome)]
            rows = [self._outbox[delivery.notification.uid] for delivery in attempt.deliveries]
            if any(r.state is not NotificationState.SENDING or r.lease_token != lane.token for r in rows):
                return False
            state = self._states.get(attempt.channel, ChannelState())
            channel = Channel(uid=attempt.channel, name=attempt.channel, type="code")
            after = plan(Sent(attempt, outcome, channel, state, (), now))
            self._outbox.update({row.uid: row for row in after.notifications})
            for uid in lane.channels if after.lane_wide else (attempt.channel,):
                self._states[uid] = after.state
            if after.release:
                self._release(attempt.channel, now)
            return True

    def _release(self, channel: str, now: datetime) -> None:
        for row in list(self._outbox.values()):
            if row.channel == channel and row.state is NotificationState.PENDING and row.due_at > now:
                self._outbox[row.uid] = dataclasses.replace(row, due_at=now)

    async def next_due(self) -> datetime | None:
        due = []
        for row in self._outbox.values():
            if row.state is NotificationState.PENDING:
                state = self._states.get(row.channel, ChannelState())
                due.append(state.ready_at if state.failures and state.ready_at else row.due_at)
        return min(due, default=None)


def _message(body: str | None) -> str:
    """The `message` field of a report's body; "" where there is none."""
    try:
        said = json.loads(body or "{}")["message"]
    except (ValueError, LookupError, TypeError):
        return ""
    return said if isinstance(said, str) else ""
