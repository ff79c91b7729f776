"""The one function that decides. Pure: a machine's case in, everything to be written for it out.

`decide` puts the facts of a case in order, looks each up in the state table (`lastseen.monitor.states.TABLE`, with the
diagram), and collects what follows: the new row, events, outages, notifications, and when to look again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from lastseen.clock import rfc3339
from lastseen.model import (
    PRESENCE,
    Case,
    Event,
    EventType,
    Liveness,
    Notification,
    NotificationState,
    Outage,
    OutageReason,
    RunOutcome,
    Said,
    Severity,
    Signal,
    Status,
    Verdict,
    event_uid,
    replace,
)
from lastseen.monitor import flapping, snapshot
from lastseen.monitor.audience import notify, skipped
from lastseen.monitor.deadline import Rules, Threshold, gone_at, is_silent, overrun_at, patience, silent_at, threshold
from lastseen.monitor.happened import JOB, Happened, as_it_came, is_old, ordered, said
from lastseen.monitor.runs import Runs, came_for, runtime_of
from lastseen.monitor.states import TABLE, Fact, Move

ALERTS = frozenset({EventType.OFFLINE, EventType.ERROR})
SEEN_WITHIN = 50
"""Events among which an acknowledgement is looked for."""

WATCHED = frozenset({Status.ONLINE, Status.ERROR})
"""Only these can fall silent."""

ENDS_A_RUN = frozenset({Fact.OK, Fact.ERROR, Fact.FAILED})

_CAUSES = {Fact.SILENT: OutageReason.SILENT, Fact.GONE: OutageReason.GOODBYE, Fact.OVERRUN: OutageReason.RUN}


def decide(case: Case, rules: Rules) -> Verdict:
    """First what the machine said, in order; then what a person ordered, or what the clock says.

    A person's order never finds a machine silent: it may come from a process that does not know when nobody listened.
    It leaves the deadline where it is, and the monitor looks.
    """
    turn = _Turn(case, rules)
    for happened in said(case):
        turn.take(happened)
    order = ordered(case, turn.row)
    if order is not None:
        turn.take(order)
    if not turn.removed:
        turn.look_at_the_clock()
    return turn.verdict()


class _Turn:
    """One machine's turn: the row as it changes, and what has come of it so far."""

    def __init__(self, case: Case, rules: Rules) -> None:
        self.case, self.rules, self.now = case, rules, case.now
        self.until = case.now if case.until is None else case.until
        self.machine = case.standing.machine
        self.limit: Threshold = threshold(self.machine, case.standing.kind, rules)
        self.row: Liveness = case.standing.liveness
        self.outage: Outage | None = case.standing.outage
        self.events: list[Event] = []
        self.outages: dict[str, Outage] = {}
        self.notifications: list[Notification] = []
        self.told = case.told
        self.runs = Runs(self.machine, case.runs)
        self.due_at: datetime | None = None  # the deadline that it missed
        self.removed = False

    # -- facts

    def take(self, happened: Happened) -> None:
        if happened.signal is not None:
            noted = self._note(happened, happened.signal)
            if noted is None:
                return
            happened = noted
        if happened.fact is Fact.ACKNOWLEDGED and self._was_seen():
            return
        if happened.fact is Fact.ACKNOWLEDGED and self.outage is not None:
            self._put(replace(self.outage, acked_at=self.now, acked_by=happened.reason))
        move = TABLE[self.row.status, happened.fact]
        if move is not None and not is_old(happened, self.row, self.outage, self._silent, self.until):
            self._move(move, as_it_came(happened, self.row, self._silent))

    def _silent(self, row: Liveness, now: datetime) -> bool:
        return is_silent(self.machine, row, self.limit.limit, self.case.blind, now)

    def _was_seen(self) -> bool:
        """Somebody has acknowledged it already: the newest word of its incident is no alert."""
        its = [event for event in self.case.newest_events(SEEN_WITHIN) if event.incident == self.row.incident]
        words = [e.type for e in its if e.severity is Severity.ALERT or e.type == EventType.ACKNOWLEDGED]
        return words[-1:] == [EventType.ACKNOWLEDGED]

    def _note(self, happened: Happened, signal: Signal) -> Happened | None:
        """Write down what a signal says beside its fact. None: its broker said the same before, and is not news."""
        if signal.said in PRESENCE:
            there = signal.said is Said.PRESENT
            if self.row.present is there:
                return None
            self.row = replace(self.row, present=there, goodbye_at=None)
        if happened.fact is Fact.GOODBYE:
            newer = self.row.last_seen is not None and self.row.last_seen > signal.at
            if self.row.status in WATCHED and not newer:
                self.row = replace(self.row, goodbye_at=max(signal.at, self.row.goodbye_at or signal.at))
        elif happened.fact is Fact.START:
            self.runs.start(signal)
        elif happened.fact in ENDS_A_RUN:
            outcome = RunOutcome.SUCCESS if happened.fact is Fact.OK else RunOutcome.FAIL
            return replace(happened, run=self.runs.end(signal, outcome))
        return happened

    def look_at_the_clock(self) -> None:
        """Is it gone or silent by now? If not, when to look again."""
        row = self.row
        if row.goodbye_at is not None and (
            row.status not in WATCHED or (row.last_seen is not None and row.last_seen > row.goodbye_at)
        ):
            row = self.row = replace(row, goodbye_at=None)
        due = self._deadline() if row.status in WATCHED else None
        if due is not None and due.at <= self.until and self.case.order is None:
            self.due_at = due.at
            if due.run is not None:
                self.runs.overdue(due.run)
            self.take(replace(due, at=self.now))
            self.row = replace(self.row, goodbye_at=None)
            due = None
        looks = [at for at in (None if due is None else due.at, self._steady_at()) if at is not None]
        self.row = replace(
            self.row,
            check_at=min(looks, default=None),
            run_due_at=self._overrun_at(),
            back_at=None,
            heard=0,
            heard_before=row.heard or row.heard_before,
        )

    def _steady_at(self) -> datetime | None:
        """When it will have held still, if it flaps; what is so by now is told."""
        if self.row.flapping_since is None:
            return None
        at = flapping.steady_at(self.row, self.case.blind, self.now, self.rules)
        if at > self.until or self.case.order is not None:
            return at
        self._hold_still()
        return None

    def _deadline(self) -> Happened | None:
        """What happens first, if it is not heard until then: silence, the end of a goodbye's grace, or of a run's
        time."""
        row, blind, limit = self.row, self.case.blind, self.limit.limit
        ends = []
        left = patience(self.machine, row, limit)
        if left is not None and not any(came_for(run, left.due, self.machine) for run in self.runs.running()):
            at = silent_at(row, left, blind, self.now)
            ends.append(Happened(Fact.SILENT, at, OutageReason.SILENT.value, due=left.due))
        if row.goodbye_at is not None:
            full = limit or self.rules.offline_after  # NEVER is no time at all: then the grace counts again
            at = gone_at(row, row.goodbye_at, self._goodbye_grace(), full, blind, self.now)
            ends.append(Happened(Fact.GONE, at, OutageReason.GOODBYE.value))
        for run in self.runs.running():
            if run.started_at is not None:
                at = overrun_at(row, run.started_at, runtime_of(self.machine), blind, self.now)
                ends.append(Happened(Fact.OVERRUN, at, OutageReason.RUN.value, run=run))
        return min(ends, key=lambda end: end.at, default=None)

    def _goodbye_grace(self) -> timedelta:
        """Its own, unless that is the grace of its schedule."""
        own = None if self.machine.schedule is not None or self.machine.kind == JOB else self.machine.grace
        return self.rules.goodbye_grace if own is None else own

    def _overrun_at(self) -> datetime | None:
        """When the first of the open runs should have ended, blind time left out of account."""
        starts = [run.started_at for run in self.runs.running() if run.started_at is not None]
        return min(starts) + runtime_of(self.machine) if starts else None

    # -- what follows from a move

    def _move(self, move: Move, happened: Happened) -> None:
        restless = self._flapping_with(move)
        if self.row.flapping_since is not None and not restless:
            self._hold_still(move.event.value.removeprefix("machine.") if self.rules.flapping_changes else "off")
        before, seq = self.row, self.row.seq + 1
        uid = event_uid(self.machine.uid, seq)
        alert = move.event in ALERTS
        incident = before.incident or (uid if alert else None)
        ended = self._end_outage(move, happened, uid)
        opened = self._open_outage(move, happened, uid)
        spared = self._who_hears_of_flapping() if restless else []
        self._tell(move, happened, uid, seq, incident, ended or opened, spared)
        self.row = replace(
            before,
            status=move.to or before.status,
            status_since=before.status_since if move.to is before.status else self.now,  # one failed run after another
            seq=seq,
            incident=incident if alert or move.event is EventType.ACKNOWLEDGED else None,
            flapping_since=before.flapping_since if restless else None,
            back_at=None,
        )
        if restless and before.flapping_since is None:
            self._begin_to_flap()
        if move.to is None:
            self.removed = True
        if happened.fact in (Fact.RESUME, Fact.RESUME_UNHEARD):
            gone = self.now if self.row.present is False else None  # by its broker's word, which was noted meanwhile
            self.row = replace(self.row, watch_from=self.now, goodbye_at=gone)
        if happened.fact is Fact.PRESENT:
            self.row = replace(self.row, watch_from=happened.at)

    def _end_outage(self, move: Move, happened: Happened, uid: str) -> Outage | None:
        if self.outage is None or move.ends is None:
            return None
        at = max(happened.at, self.outage.started_at)
        ended = replace(self.outage, ended_at=at, end_reason=move.ends, closed_by=uid)
        self._put(ended)
        self.outage = None
        return ended

    def _open_outage(self, move: Move, happened: Happened, uid: str) -> Outage | None:
        if not move.opens:
            return None
        since = self.row.silent_since
        if happened.run is not None and happened.run.started_at is not None:
            since = max(since, happened.run.started_at)  # what it said when it began was a sign of life too
        if happened.fact is Fact.GONE and self.row.goodbye_at is not None and since != self.row.last_seen:
            since = max(since, self.row.goodbye_at)  # it was there until then by its broker's word, not by its own
        opened = Outage(self.machine.id, since, self.now, _CAUSES[happened.fact], opened_by=uid)
        self._put(opened)
        return opened

    def _put(self, outage: Outage) -> None:
        self.outage = outage
        self.outages[outage.opened_by] = outage

    def _tell(
        self,
        move: Move,
        happened: Happened,
        uid: str,
        seq: int,
        incident: str | None,
        outage: Outage | None,
        spared: list[str],
    ) -> None:
        facts = {
            "flapping": spared,
            "outage": None if outage is None else snapshot.of_outage(outage),
            "since": rfc3339(self._since(move, happened, outage)),
            "message": happened.message,
            "by": "broker" if happened.fact is Fact.GONE and self.row.present is False else "",
            "due_at": rfc3339(self.due_at),
            "due": None if happened.due is None else snapshot.of_due(happened.due, self.machine, self.runs),
            "run": None if happened.run is None else snapshot.of_run(happened.run, self.machine, self.runs, self.now),
        }
        event = Event(
            uid=uid,
            type=move.event.value,
            severity=Severity.ALERT if move.event in ALERTS else Severity.INFO,
            at=self.now,
            reason=happened.reason,
            snapshot=snapshot.of_machine(self.machine, self.limit, self.row, move.to) | facts,
            machine_id=self.machine.id,
            machine=self.machine.slug,
            seq=seq,
            incident=incident,
            previous_status=None if happened.fact is Fact.REGISTERED else self.row.status,
            status=move.to,
            last_seen=self.row.last_seen,
        )
        rows = self._announce(event, self.told)
        if incident is not None:
            self.told |= {row.channel for row in rows if row.state is NotificationState.PENDING}

    def _announce(self, event: Event, told: frozenset[str]) -> tuple[Notification, ...]:
        rows = notify(event, self.case.audience, told, self.rules.told_for)
        self.events.append(event)
        self.notifications += rows
        return rows

    # -- flapping

    def _flapping_with(self, move: Move) -> int:
        """How many changes within the window make it flap, this one among them; 0: it does not."""
        if self.row.flapping_since is not None and self.rules.flapping_changes:
            return 1 if move.to in flapping.UNSTEADY else 0
        if not flapping.is_change(self.row.status, move.to) or not flapping.may_begin(self.row, self.now, self.rules):
            return 0
        looked_at = self.rules.flapping_changes * flapping.LOOKED_AT
        count = 1 + len(self._changes(self.now - self.rules.flapping_window, looked_at))
        return count if count >= self.rules.flapping_changes else 0

    def _changes(self, since: datetime, looked_at: int) -> list[Event]:
        """Its changes since then, those of this turn among them."""
        return flapping.changes([*self.case.newest_events(looked_at), *self.events], since)

    def _begin_to_flap(self) -> None:
        self.row = replace(self.row, flapping_since=self.now)
        looked_at = self.rules.flapping_changes * flapping.LOOKED_AT
        changed = self._changes(self.now - self.rules.flapping_window, looked_at)
        self._tell_of_flapping(EventType.FLAPPING, Severity.ALERT, None, changed)

    def _hold_still(self, reason: str = "steady") -> None:
        """It has not changed for a window, or (another reason) somebody has taken it in hand."""
        began = self.case.began_to_flap()
        since = began.at - self.rules.flapping_window if began is not None else self.row.status_since
        self.row = replace(self.row, flapping_since=None)
        severity, incident = Severity.ALERT, self.row.incident
        if self.row.status is Status.ONLINE or reason != "steady":
            severity, incident = Severity.INFO, None if began is None else began.uid
        self._tell_of_flapping(EventType.STEADY, severity, incident, self._changes(since, flapping.MOST), reason)

    def _who_hears_of_flapping(self) -> list[str]:
        """Uids of the channels that are told that it flaps, and so of none of its changes."""
        if self.row.flapping_since is not None:
            began = self.case.began_to_flap()
            return [] if began is None else sorted(self.case.told_of(began.uid))
        return sorted(channel.uid for channel in self.case.audience if channel.enabled)

    def _tell_of_flapping(
        self,
        type_: EventType,
        severity: Severity,
        incident: str | None,
        changed: Sequence[Event],
        reason: str = "flapping",
    ) -> None:
        """`incident`: None for one of its own."""
        row, uid = self.row, event_uid(self.machine.uid, self.row.seq + 1)
        facts = {
            "flaps": flapping.summary(changed, self.rules.flapping_window),
            "outage": None if self.outage is None else snapshot.of_outage(self.outage),
            "since": rfc3339(row.status_since if self.outage is None else self.outage.started_at),
        }
        event = Event(
            uid=uid,
            type=type_.value,
            severity=severity,
            at=self.now,
            reason=reason,
            snapshot=snapshot.of_machine(self.machine, self.limit, row, row.status) | facts,
            machine_id=self.machine.id,
            machine=self.machine.slug,
            seq=row.seq + 1,
            incident=incident or uid,
            previous_status=row.status,
            status=row.status,
            last_seen=row.last_seen,
        )
        self.row = replace(row, seq=row.seq + 1)
        if reason not in ("flapping", "steady"):
            self.events.append(event)
            self.notifications += skipped(event, f"it flaps no more: {reason}", self.case.audience, frozenset())
            return
        self._announce(event, self.case.told_of(incident) if incident and severity is Severity.INFO else frozenset())

    def _since(self, move: Move, happened: Happened, outage: Outage | None) -> datetime | None:
        """When what the event tells of began."""
        if outage is not None:
            return outage.started_at
        if move.event is EventType.ERROR:
            return happened.at
        return self.row.status_since if self.row.status is Status.ERROR else None

    def verdict(self) -> Verdict:
        return Verdict(
            liveness=self.row,
            events=tuple(self.events),
            outages=tuple(self.outages.values()),
            notifications=tuple(self.notifications),
            runs=self.runs.changed,
            removed=self.removed,
        )
