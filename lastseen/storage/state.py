"""The core store as pure functions over one value: what MemoryStore is, and what a store of your own may build on."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime

from lastseen.errors import Conflict, UnknownMachine
from lastseen.log import get_logger
from lastseen.model import (
    ENDINGS,
    Admission,
    Attempt,
    Beat,
    Case,
    Cause,
    Channel,
    ChannelState,
    Delivery,
    Event,
    EventType,
    Incident,
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
    Run,
    Sent,
    Severity,
    Signal,
    Standing,
    Status,
    Verdict,
    Watch,
    replace,
)
from lastseen.model.names import check_slug
from lastseen.model.wishes import HELD
from lastseen.protocols import Admit, Decide, RetryPlan
from lastseen.storage.expiry import tell_of_expired
from lastseen.storage.fold import (
    EXPIRED,
    FINISHED_ATTEMPT,
    PARK,
    absorb,
    finished,
    incident_of,
    newborn,
    newest_runs,
    obey,
    pick,
    signal_of,
    told,
)
from lastseen.words import say

KEPT = 20_000
"""Events and notifications that are kept before finished ones are forgotten."""

_log = get_logger()


@dataclass(slots=True)
class State:
    """Everything a store knows. Values only: it can be pickled."""

    machines: dict[int, Machine] = field(default_factory=dict)
    slugs: dict[str, int] = field(default_factory=dict)
    rows: dict[int, Liveness] = field(default_factory=dict)
    signals: dict[int, list[Signal]] = field(default_factory=dict)
    runs: dict[int, dict[str, Run]] = field(default_factory=dict)
    outages: dict[str, Outage] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    outbox: dict[str, Notification] = field(default_factory=dict)
    states: dict[str, ChannelState] = field(default_factory=dict)
    batches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    attempts: dict[int, str] = field(default_factory=dict)
    ids: int = 0


class StateStore:
    """The core `Store` over a `State`, and `Upkeep`.

    A subclass says in `turn` how the state comes and where it goes: within it, `self.state` is this caller's alone, and
    what was changed is durable when it ends without an exception.
    """

    state: State

    def turn(self) -> AbstractAsyncContextManager[None]:
        """One transaction."""
        raise TypeError(f"{type(self).__name__} must define turn()")

    # -- what was heard

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        async with self.turn():
            known = [(self._find(beat.machine), beat) for beat in beats]
            for machine, beat in known:
                if machine is None:
                    continue
                self.state.rows[machine.id], signal = absorb(self.state.rows[machine.id], beat, now)
                if signal:
                    self.state.signals.setdefault(machine.id, []).append(signal_of(beat))
            unknown = frozenset(beat.machine for machine, beat in known if machine is None)
            due = any(machine and self._due(machine.id, now) for machine, _ in known)
            return Recorded(unknown, due)

    def _find(self, ref: MachineRef) -> Machine | None:
        return self.state.machines.get(self.state.slugs.get(ref, 0) if isinstance(ref, str) else ref)

    def _due(self, machine_id: int, now: datetime) -> bool:
        check_at = self.state.rows[machine_id].check_at
        return check_at is not None and check_at <= now

    # -- what is decided

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        async with self.turn():
            due = sorted(
                (i for i in self.state.rows if self._due(i, now) and not (back and self.state.rows[i].back_at is None)),
                key=lambda i: (self.state.rows[i].check_at, i),
            )
            events: list[Event] = []
            for machine_id in due[:limit]:
                try:
                    verdict = decide(self._case(machine_id, None, now))
                except Exception as error:  # noqa: BLE001  (one machine that cannot be decided stops no other)
                    _log.error("machine_parked", machine_id=machine_id, error=repr(error))
                    self.state.rows[machine_id] = replace(self.state.rows[machine_id], check_at=now + PARK)
                else:
                    events += self._write(machine_id, verdict)
            return events

    async def order(self, machine: MachineRef, order: Order, decide: Decide, now: datetime) -> Sequence[Event]:
        async with self.turn():
            found = self._find(machine)
            if isinstance(order, Watch):
                if found is not None and order.expect == "new":
                    raise Conflict(say("there is a machine {machine!r} already", machine=machine))
                if found is None and order.expect != "known" and isinstance(machine, str):
                    found = self._declare(machine, now)
            if found is None:
                raise UnknownMachine(machine)
            before = self.state.machines.get(found.id)
            self.state.machines[found.id] = obey(found, order)
            try:
                verdict = decide(self._case(found.id, order, now))
            except BaseException:
                self._undo(found, before)
                raise
            return self._write(found.id, verdict)

    def _declare(self, slug: str, now: datetime) -> Machine:
        check_slug(slug)
        self.state.ids += 1
        machine = Machine(id=self.state.ids, uid=str(uuid.uuid4()), slug=slug, name=slug)
        self.state.slugs[slug], self.state.rows[machine.id] = machine.id, newborn(now)
        return machine

    def _undo(self, machine: Machine, before: Machine | None) -> None:
        if before is not None:
            self.state.machines[machine.id] = before
            return
        del self.state.machines[machine.id], self.state.slugs[machine.slug], self.state.rows[machine.id]

    def _case(self, machine_id: int, order: Order | None, now: datetime) -> Case:
        standing = self._standing(machine_id)
        return Case(
            standing=standing,
            now=now,
            signals=tuple(self.state.signals.get(machine_id, ())),
            order=order,
            told=told(self.state.outbox.values(), standing.liveness.incident),
            runs=tuple(self.state.runs.get(machine_id, {}).values()),
            newest_events=lambda count: self._newest_events(machine_id, count),
            began_to_flap=lambda: self._began_to_flap(machine_id),
            told_of=lambda incident: told(self.state.outbox.values(), incident),
        )

    def _newest_events(self, machine_id: int, count: int) -> list[Event]:
        its = [event for event in self.state.events.values() if event.machine_id == machine_id]
        return sorted(its, key=lambda event: event.seq or 0)[-count:]

    def _began_to_flap(self, machine_id: int) -> Event | None:
        its = self._newest_events(machine_id, len(self.state.events))
        return next((event for event in reversed(its) if event.type == EventType.FLAPPING), None)

    def _standing(self, machine_id: int) -> Standing:
        machine = self.state.machines[machine_id]
        outage = next(
            (o for o in self.state.outages.values() if o.machine_id == machine_id and o.ended_at is None), None
        )
        row = self.state.rows[machine_id]
        standing = Standing(machine, Kind(machine.kind), row, outage)
        if row.status is not Status.ERROR:
            return standing
        its = [event for event in self._newest_events(machine_id, KEPT) if event.incident == row.incident]
        words = [e for e in its if e.severity is Severity.ALERT or e.type == EventType.ACKNOWLEDGED]
        if not words or words[-1].type != EventType.ACKNOWLEDGED:
            return standing
        return replace(standing, error_acked_at=words[-1].at, error_acked_by=words[-1].reason)

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        new = [event for event in verdict.events if event.uid not in self.state.events]
        self.state.events.update({event.uid: event for event in new})
        self.state.outages.update({outage.opened_by: outage for outage in verdict.outages})
        for row in verdict.notifications:
            self.state.outbox.setdefault(row.uid, row)
        self._look_again(machine_id, verdict)
        if verdict.runs:
            self.state.runs[machine_id] = newest_runs(self.state.runs.get(machine_id, {}), verdict.runs)
        self._forget_old()
        self.state.rows[machine_id] = verdict.liveness
        self.state.signals.pop(machine_id, None)
        if verdict.removed:
            del self.state.slugs[self.state.machines.pop(machine_id).slug], self.state.rows[machine_id]
            self.state.runs.pop(machine_id, None)
        return new

    def _look_again(self, machine_id: int, verdict: Verdict) -> None:
        """What is held back of this machine is due: whether it still is held is decided anew."""
        moments = [row.created_at for row in verdict.notifications] + [
            o.acked_at for o in verdict.outages if o.acked_at
        ]
        for row in list(self.state.outbox.values()) if moments else ():
            if row.machine_id == machine_id and row.held and row.due_at > max(moments):
                self.state.outbox[row.uid] = replace(row, due_at=max(moments))

    def _forget_old(self) -> None:
        """Keep memory bounded: what is finished, and whose incident is over, goes when there is too much of it."""
        if len(self.state.outbox) + len(self.state.events) < KEPT:
            return
        open_incidents = {row.incident for row in self.state.rows.values()} - {None}
        self.state.outbox = {
            uid: row
            for uid, row in self.state.outbox.items()
            if row.finished_at is None or row.incident in open_incidents
        }
        needed = {row.event for row in self.state.outbox.values()} | open_incidents
        self.state.events = {uid: event for uid, event in self.state.events.items() if uid in needed}
        self.state.outages = {
            uid: outage for uid, outage in self.state.outages.items() if uid in needed or not outage.ended_at
        }
        self.state.batches = {uid: batch for uid, batch in self.state.batches.items() if uid in self.state.outbox}
        self.state.attempts.clear()

    async def next_check(self) -> datetime | None:
        async with self.turn():
            return min((row.check_at for row in self.state.rows.values() if row.check_at), default=None)

    async def liveness(self, machines: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
        async with self.turn():
            found = {ref: self._find(ref) for ref in machines}
            return {ref: self._standing(machine.id) for ref, machine in found.items() if machine is not None}

    # -- what is sent

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        attempts: list[Attempt] = []
        ended: list[tuple[Notification, str]] = []
        async with self.turn():
            waiting = sorted(lane.channels)
            for number, channel in enumerate(waiting):
                share = -(-limit // (len(waiting) - number))  # the first channel leaves something for the others
                rows = [n for n in self.state.outbox.values() if n.channel == channel and n.finished_at is None]
                state = self.state.states.get(channel, ChannelState())
                picked = pick(
                    rows,
                    state,
                    lane,
                    lambda n: self._admitted(n, admit, now),
                    now,
                    share,
                    self.state.batches,
                )
                self.state.outbox.update({row.uid: row for row in picked.changed})
                ended += [(row, channel) for row in picked.changed if row.finished_at is not None]
                for group, probe in picked.groups:
                    attempts.append(self._attempt(channel, group, probe, state, now))
                limit -= len(picked.groups)
        tell_of_expired(ended)
        return attempts

    def _admitted(self, row: Notification, admit: Admit, now: datetime) -> Admission:
        event = self.state.events[row.event]
        return admit(row, event, now, lambda: self._incident(event.incident, row.channel))

    def _incident(self, uid: str | None, channel: str) -> Incident:
        """How it stands, and what the channel was told of it."""
        if uid is None:
            return Incident()
        its = {event.uid: event for event in self.state.events.values() if event.incident == uid}
        alerts = {event.uid for event in its.values() if event.severity is Severity.ALERT}
        rows = [(n.uid, n.state) for n in self.state.outbox.values() if n.event in alerts and n.channel == channel]
        seen = [(e.at, e.reason) for e in its.values() if e.type == EventType.ACKNOWLEDGED]
        ends = [e.at for e in its.values() if e.type in ENDINGS and e.severity is Severity.INFO]
        over = max(ends, default=None)
        return incident_of(rows, over, max(seen, default=None))

    def _attempt(
        self, channel: str, group: tuple[Notification, ...], probe: bool, state: ChannelState, now: datetime
    ) -> Attempt:
        self.state.ids += 1
        uids = tuple(row.uid for row in group)
        self.state.outbox.update({row.uid: row for row in group})
        self.state.batches.update(dict.fromkeys(uids, uids))
        self.state.attempts[self.state.ids] = "open"
        deliveries = tuple(self._delivery(row) for row in group)
        return Attempt(self.state.ids, channel, deliveries, now, probe, state.failing_since)

    def _newest_outage(self, incident: str | None) -> Outage | None:
        opened = {e.uid for e in self.state.events.values() if e.incident == incident} if incident else set()
        its = (o for o in self.state.outages.values() if o.opened_by in opened)
        return max(its, key=lambda outage: outage.detected_at, default=None)

    def _delivery(self, row: Notification) -> Delivery:
        outage = self._newest_outage(self.state.events[row.event].incident)
        same = (
            n.receipt
            for n in self.state.outbox.values()
            if n.channel == row.channel and n.incident == row.incident and row.incident and n.receipt
        )
        return Delivery(row, self.state.events[row.event], outage, next(same, None))

    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        async with self.turn():
            self.state.attempts[attempt.id] = FINISHED_ATTEMPT[type(outcome)]
            rows = [self.state.outbox[delivery.notification.uid] for delivery in attempt.deliveries]
            if any(r.state is not NotificationState.SENDING or r.lease_token != lane.token for r in rows):
                return False
            state = self.state.states.get(attempt.channel, ChannelState())
            channel = Channel(uid=attempt.channel, name=attempt.channel, type="code")
            after = plan(Sent(attempt, outcome, channel, state, (), now))
            self.state.outbox.update({row.uid: row for row in after.notifications})
            for uid in lane.channels if after.lane_wide else (attempt.channel,):
                self.state.states[uid] = after.state
            for row in after.more:
                self.state.outbox.setdefault(row.uid, row)
            if after.release:
                self._release(attempt.channel, now)
            return True

    def _release(self, channel: str, now: datetime) -> None:
        for row in list(self.state.outbox.values()):
            if row.channel == channel and row.state is NotificationState.PENDING and row.due_at > now:
                self.state.outbox[row.uid] = replace(row, due_at=now)

    async def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        async with self.turn():
            rows = [row for row in self._heads() if channels is None or row.channel in channels]
            return min((self._ready(row) for row in rows), default=None)

    def _heads(self) -> list[Notification]:
        """What waits for nothing of its own machine and channel."""
        heads: dict[tuple[str, object], Notification] = {}
        for row in self.state.outbox.values():
            if row.finished_at is None and row.cause is Cause.REMINDER and row.state is NotificationState.PENDING:
                heads.setdefault((row.channel, row.uid), row)
            elif row.finished_at is None:
                heads.setdefault((row.channel, row.uid if row.machine_id is None else row.machine_id), row)
        return [row for row in heads.values() if row.state is NotificationState.PENDING]

    def _ready(self, row: Notification) -> datetime:
        state = self.state.states.get(row.channel, ChannelState())
        if not state.failures or state.ready_at is None:
            return row.due_at
        held = (row.reason or "").startswith(HELD) or (row.cause is Cause.REMINDER and not row.attempts)
        return max(state.ready_at, row.due_at) if held else state.ready_at

    # -- what is left over

    async def tidy(self, now: datetime) -> int:
        async with self.turn():
            pending = (row for row in self.state.outbox.values() if row.state is NotificationState.PENDING)
            over = [row for row in pending if row.expires_at <= now]
            for row in over:
                self.state.outbox[row.uid] = finished(row, NotificationState.DEAD, EXPIRED, now)
            return len(over)

    async def newest_token(self) -> int:
        async with self.turn():
            return max((row.lease_token or 0 for row in self.state.outbox.values()), default=0)
