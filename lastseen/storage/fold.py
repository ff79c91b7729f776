"""What every store must do to its rows, as pure functions over values.

`MemoryStore` is these functions plus dictionaries, and a store of your own may be these plus a table. `SqlStore` does
`absorb` in SQL, because it is the hot path; a property test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lastseen.model import (
    HEARD_OF_IT,
    HEARTBEATS,
    PRESENCE,
    SIGNALS,
    Beat,
    Cancel,
    Cause,
    ChannelState,
    Delivered,
    Disable,
    Enable,
    Hold,
    Incident,
    Lease,
    Liveness,
    Machine,
    Notification,
    NotificationState,
    Order,
    Pause,
    Rejected,
    Retry,
    Run,
    Said,
    Send,
    Signal,
    Status,
    Watch,
    replace,
)
from lastseen.model.texts import refuse_unfit

PARK = timedelta(minutes=5)
"""How long a machine is left alone after `decide` failed for it."""

EXPIRED = "expired: it could not be delivered in time"

FINISHED_ATTEMPT: Mapping[type, str] = {Delivered: "delivered", Retry: "retry", Rejected: "rejected"}
"""What an attempt's outcome is called in the log of attempts."""

Admitted = Callable[[Notification], Send | Hold | Cancel]


def absorb(liveness: Liveness, beat: Beat, now: datetime) -> tuple[Liveness, bool]:
    """The row after one more report, and whether the report is a signal that must be kept until it was decided on."""
    if beat.said in HEARTBEATS | PRESENCE:
        liveness = replace(liveness, heard=liveness.heard | (1 << beat.source))
    if beat.said in PRESENCE and liveness.status is Status.PAUSED:
        liveness = replace(liveness, present=beat.said is Said.PRESENT)
    if beat.said in HEARTBEATS:
        liveness = _expecting(liveness, beat, now)
        seen = beat.at if liveness.last_seen is None else max(liveness.last_seen, beat.at)
        liveness = replace(liveness, last_seen=seen)
        if liveness.status in (Status.OFFLINE, Status.PROVISIONING):
            liveness = replace(liveness, back_at=liveness.back_at or beat.at, check_at=_due(liveness, now))
    signal = beat.said in SIGNALS and liveness.status is not Status.PAUSED
    return (replace(liveness, check_at=_due(liveness, now)) if signal else liveness), signal


def _due(liveness: Liveness, now: datetime) -> datetime:
    """Who is due stays so from its first word, however often it speaks."""
    return now if liveness.check_at is None else min(liveness.check_at, now)


def _expecting(liveness: Liveness, beat: Beat, now: datetime) -> Liveness:
    """The newest heartbeat says when the next one comes, or takes back what an older one said of it. Its deadline moves
    by that, so it is looked at."""
    if liveness.last_seen is not None and beat.at < liveness.last_seen:
        return liveness
    expect_at = expectation(beat)
    if liveness.expect_at is None and expect_at is None:
        return liveness
    watched = liveness.status in (Status.ONLINE, Status.ERROR)
    return replace(liveness, expect_at=expect_at, check_at=_due(liveness, now) if watched else liveness.check_at)


def expectation(beat: Beat) -> datetime | None:
    """When the machine will be heard next, by its own word."""
    return None if beat.next_in is None else beat.at + timedelta(seconds=beat.next_in)


def signal_of(beat: Beat) -> Signal:
    """What a decision sees of a report. Never raises: it is read for many machines at once, and one odd report must
    not stop them all."""
    try:
        said = json.loads(beat.body or "{}")
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        said = {}
    output, message = said.get("output"), said.get("message")
    output = output if isinstance(output, str) else ""
    message = message if isinstance(message, str) else last_line(output)
    return Signal(beat.said, beat.at, message, beat.run, beat.exit_code, output or message)


def last_line(output: str) -> str:
    """The last line of an output that says something, at most 500 characters of it."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")[:500]


TEXTS = frozenset({"name", "hostname", "description", "kind", "group", "tags"})
"""What people write about a machine in words of their own."""


def obey(machine: Machine, order: Order) -> Machine:
    """What people wrote about the machine, after this order."""
    match order:
        case Watch(changes=changes):
            refuse_unfit(**{name: changes[name] for name in TEXTS & changes.keys()})
            return replace(machine, **changes)
        case Pause(by_hand=by_hand):
            return replace(machine, resume_by_hand=by_hand)
        case Disable():
            return replace(machine, enabled=False)
        case Enable():
            return replace(machine, enabled=True)
    return machine


RUNS = 20
"""Runs of one machine that a decision sees, and those that are open."""


def newest_runs(known: Mapping[str, Run], changed: Iterable[Run]) -> dict[str, Run]:
    """The runs after a decision: all that are open, and the newest others, the oldest first."""
    runs = {**known, **{run.uid: run for run in changed}}
    order = sorted(runs.values(), key=lambda run: run.ended_at or run.started_at or datetime.max.replace(tzinfo=UTC))
    kept = {run.uid for run in order[-RUNS:]} | {run.uid for run in order if run.ended_at is None}
    return {run.uid: run for run in order if run.uid in kept}


def newborn(now: datetime) -> Liveness:
    """The liveness of a machine that was just declared."""
    return Liveness(Status.PROVISIONING, status_since=now, watch_from=now)


def told(notifications: Iterable[Notification], incident: str | None) -> frozenset[str]:
    """The channels that heard, or will hear, of this incident."""
    if incident is None:
        return frozenset()
    return frozenset(n.channel for n in notifications if n.incident == incident and n.state in HEARD_OF_IT)


def finished(row: Notification, state: NotificationState, reason: str | None, now: datetime) -> Notification:
    """The row in a final state."""
    return replace(row, state=state, reason=reason, finished_at=now, lease_token=None)


def incident_of(
    rows: Iterable[tuple[str, NotificationState]], over: datetime | None, seen: tuple[datetime, str] | None
) -> Incident:
    """`rows`: the notifications of the incident's alerts on one channel, each with its state. `seen`: when it was
    acknowledged last, and by whom."""
    rows = list(rows)
    states = {state for _, state in rows}
    return Incident(
        over=over,
        acked_by=seen and seen[1],
        acked_at=seen and seen[0],
        waiting=frozenset(uid for uid, state in rows if state is NotificationState.PENDING),
        told=bool(states & {NotificationState.SENDING, NotificationState.DELIVERED, NotificationState.DEAD}),
        cancelled=NotificationState.CANCELLED in states,
    )


@dataclass(slots=True)
class Picked:
    """What `pick` decided: rows that changed without being sent, and the groups to send, each with whether it is a
    probe. Rows in groups are already `sending` and counted."""

    changed: list[Notification] = field(default_factory=list)
    groups: list[tuple[tuple[Notification, ...], bool]] = field(default_factory=list)


def pick(
    rows: Sequence[Notification],
    state: ChannelState,
    lane: Lease,
    admit: Admitted,
    now: datetime,
    limit: int,
    last_batch: Mapping[str, tuple[str, ...]],
) -> Picked:
    """Choose what one channel sends now, as `Store.take` says.

    `rows` are the channel's unfinished notifications, oldest first; a bounded window of them will do if it holds every
    unfinished row of each machine in it. `last_batch` gives, for a row that was attempted before, the uids of that
    attempt.
    """
    return _Picker(rows, state, lane, admit, now, limit, last_batch).run()


class _Picker:
    def __init__(
        self,
        rows: Sequence[Notification],
        state: ChannelState,
        lane: Lease,
        admit: Admitted,
        now: datetime,
        limit: int,
        last_batch: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.lane, self.admit, self.now, self.last_batch = lane, admit, now, last_batch
        self.failing = state.failures > 0
        self.cooling = self.failing and state.ready_at is not None and now < state.ready_at
        self.limit = 1 if self.failing else limit
        self.out = Picked()
        self.queues: dict[object, list[Notification]] = {}
        self.sending: set[object] = set()
        for row in rows:
            self._sort_in(row)
        self.open_groups: dict[str, list[Notification]] = {}
        self.used: set[str] = set()

    def _sort_in(self, row: Notification) -> None:
        key = row.uid if row.machine_id is None else row.machine_id
        if row.state is NotificationState.SENDING:
            if row.lease_token is not None and row.lease_token >= self.lane.token:
                self.sending.add(key)
                return
            row = replace(row, state=NotificationState.PENDING, lease_token=None)
            self.out.changed.append(row)
        self.queues.setdefault(key, []).append(row)

    def run(self) -> Picked:
        if self.cooling or (self.failing and self.sending):
            return self._done()
        for key in self.sending:
            self.queues.pop(key, None)
        heads = sorted(self.queues.values(), key=lambda queue: queue[0].due_at)
        for queue in heads:
            if len(self.out.groups) >= self.limit:
                break
            self._serve(queue)
        for group in self.open_groups.values():
            self._attempt(tuple(group))
        return self._done()

    def _serve(self, queue: list[Notification]) -> None:
        """Send the machine's oldest row, or finish it and look at the next. What follows goes in the same attempt, or
        waits for it: two attempts at once may arrive in any order."""
        key: str | None = None
        for row in queue:
            if row.uid in self.used:
                return
            admission = self._admit(row)
            if admission is None:
                continue
            if isinstance(admission, Hold) and row.cause is Cause.REMINDER:
                continue  # it waits for its own time
            if not isinstance(admission, Send):
                return
            if key is not None and (row.solo or row.attempts or len(self.open_groups[key]) >= admission.batch):
                return
            frozen = self._frozen(row)
            if len(frozen) > 1:
                self._attempt(frozen)
                return
            if row.solo or row.attempts or admission.batch == 1 or self.failing:
                self._attempt((row,))
                return
            key = admission.key if key is None else key
            if not self._join(row, admission.batch, key):
                return

    def _admit(self, row: Notification) -> Send | Hold | Cancel | None:
        """None: the row is finished, the next may be looked at. A Hold also stands for "not due yet"."""
        if row.expires_at <= self.now:
            self.out.changed.append(finished(row, NotificationState.DEAD, EXPIRED, self.now))
            return None
        if row.due_at > self.now and not self.failing:
            return Hold(row.due_at, "not due")
        admission = self.admit(row)
        if isinstance(admission, Cancel):
            self.out.changed.append(finished(row, NotificationState.CANCELLED, admission.reason, self.now))
            return None
        if isinstance(admission, Hold) and (row.due_at, row.reason) != (admission.until, admission.reason):
            later = max(admission.until - max(row.due_at, self.now), timedelta(0))
            held = replace(row, due_at=admission.until, reason=admission.reason, expires_at=row.expires_at + later)
            self.out.changed.append(held)
        return admission

    def _frozen(self, row: Notification) -> tuple[Notification, ...]:
        """The rows of the row's last attempt that are still open: they are tried again together. One that was
        only taken and never tried is as new."""
        uids = () if row.solo or not row.attempts else self.last_batch.get(row.uid, ())
        return tuple(r for queue in self.queues.values() for r in queue if r.uid in uids and not r.solo)

    def _join(self, row: Notification, batch: int, key: str) -> bool:
        group = self.open_groups.get(key, [])
        if len(group) >= batch:
            self._attempt(tuple(self.open_groups.pop(key)))
            group = []
        if not group and len(self.out.groups) + len(self.open_groups) >= self.limit:
            return False
        self.open_groups[key] = group
        group.append(row)
        self.used.add(row.uid)
        return True

    def _attempt(self, group: tuple[Notification, ...]) -> None:
        if len(self.out.groups) >= self.limit:
            return
        probe = self.failing and all(row.due_at > self.now for row in group)
        self.used.update(row.uid for row in group)
        sending = tuple(
            replace(
                row,
                state=NotificationState.SENDING,
                lease_token=self.lane.token,
                reason=None,
                attempts=row.attempts + (not probe),
            )
            for row in group
        )
        self.out.groups.append((sending, probe))

    def _done(self) -> Picked:
        taken = {row.uid for group, _ in self.out.groups for row in group}
        last: dict[str, Notification] = {row.uid: row for row in self.out.changed if row.uid not in taken}
        self.out.changed = list(last.values())
        return self.out
