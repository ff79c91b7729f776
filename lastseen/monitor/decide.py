"""The one function that decides. Pure: a machine's case in, everything to be written for it out.

`decide` puts the facts of a case in order, looks each up in the state table (`lastseen.monitor.states.TABLE`, with the
diagram), and collects what follows: the new row, events, outages, notifications, and when to look again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lastseen.clock import rfc3339
from lastseen.model import (
    HEARTBEATS,
    PRESENCE,
    Acknowledge,
    Case,
    Disable,
    Enable,
    Event,
    EventType,
    Forget,
    Liveness,
    Notification,
    NotificationState,
    Outage,
    OutageReason,
    Pause,
    Resume,
    Run,
    RunOutcome,
    Said,
    Severity,
    Signal,
    Status,
    Verdict,
    Watch,
    event_uid,
    replace,
)
from lastseen.monitor.audience import notify
from lastseen.monitor.calendar import Due
from lastseen.monitor.deadline import Rules, Threshold, gone_at, overrun_at, patience, silent_at, threshold
from lastseen.monitor.runs import Runs, came_for, grace_of, length, runtime_of
from lastseen.monitor.states import TABLE, Fact, Move
from lastseen.storage.fold import last_line

JOB = "job"
"""The kind of which every failed run is told."""

ALERTS = frozenset({EventType.OFFLINE, EventType.ERROR})
WATCHED = frozenset({Status.ONLINE, Status.ERROR})
"""Only these can fall silent."""

ENDS_A_RUN = frozenset({Fact.OK, Fact.ERROR, Fact.FAILED})

_FACTS = {
    Said.OK: Fact.OK,
    Said.ERROR: Fact.ERROR,
    Said.GOODBYE: Fact.GOODBYE,
    Said.START: Fact.START,
    Said.PRESENT: Fact.PRESENT,
    Said.ABSENT: Fact.GOODBYE,
}
_CAUSES = {Fact.SILENT: OutageReason.SILENT, Fact.GONE: OutageReason.GOODBYE, Fact.OVERRUN: OutageReason.RUN}


def decide(case: Case, rules: Rules) -> Verdict:
    """First what the machine said, in order; then what a person ordered, or what the clock says.

    A person's order never finds a machine silent: it may come from a process that does not know when nobody listened.
    It leaves the deadline where it is, and the monitor looks.
    """
    turn = _Turn(case, rules)
    for happened in _said(case):
        turn.take(happened)
    ordered = _ordered(case, turn.row)
    if ordered is not None:
        turn.take(ordered)
    if not turn.removed:
        turn.look_at_the_clock()
    return turn.verdict()


class _Happened(msgspec.Struct, frozen=True, gc=False):
    fact: Fact
    at: datetime
    reason: str
    message: str = ""
    signal: Signal | None = None
    run: Run | None = None
    due: Due | None = None


def _said(case: Case) -> Iterator[_Happened]:
    """Its signals in order, and before them the plain heartbeat that brought it back, if one did."""
    back_at = case.standing.liveness.back_at
    first = min((s.at for s in case.signals if s.said in HEARTBEATS), default=None)
    if back_at is not None and (first is None or back_at < first):
        yield _Happened(Fact.HEARD, back_at, "heard")
    for signal in case.signals:
        fact = _FACTS[signal.said]
        if fact is Fact.ERROR and case.standing.machine.kind == JOB:
            fact = Fact.FAILED
        yield _Happened(fact, signal.at, signal.said.value, signal.message, signal)


def _ordered(case: Case, row: Liveness) -> _Happened | None:
    match case.order:
        case None:
            return None
        case Watch():
            new = case.standing.liveness.seq == 0
            return _Happened(Fact.REGISTERED if new else Fact.CHANGED, case.now, "declared")
        case Pause():
            return _Happened(Fact.PAUSE, case.now, "paused")
        case Disable():
            return _Happened(Fact.PAUSE, case.now, "disabled")
        case Resume() | Enable():
            known = row.last_seen is not None or row.present is not None
            return _Happened(Fact.RESUME if known else Fact.RESUME_UNHEARD, case.now, "resumed")
        case Forget():
            return _Happened(Fact.FORGET, case.now, "removed")
        case Acknowledge(by=by):
            return _Happened(Fact.ACKNOWLEDGED, case.now, by)


class _Turn:
    """One machine's turn: the row as it changes, and what has come of it so far."""

    def __init__(self, case: Case, rules: Rules) -> None:
        self.case, self.rules, self.now = case, rules, case.now
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

    def take(self, happened: _Happened) -> None:
        if happened.signal is not None:
            noted = self._note(happened, happened.signal)
            if noted is None:
                return
            happened = noted
        if happened.fact is Fact.ACKNOWLEDGED and self.outage is not None:
            self._put(replace(self.outage, acked_at=self.now, acked_by=happened.reason))
        move = TABLE[self.row.status, happened.fact]
        if move is not None:
            self._move(move, happened)

    def _note(self, happened: _Happened, signal: Signal) -> _Happened | None:
        """Write down what a signal says beside its fact. None: its broker said the same before, and is not news."""
        if signal.said in PRESENCE:
            there = signal.said is Said.PRESENT
            if self.row.present is there:
                return None
            self.row = replace(self.row, present=there, goodbye_at=None)
        if happened.fact is Fact.GOODBYE:
            newer = self.row.last_seen is not None and self.row.last_seen > signal.at
            if self.row.status in WATCHED and not newer:
                self.row = replace(self.row, goodbye_at=signal.at)
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
        if due is not None and due.at <= self.now and self.case.order is None:
            self.due_at = due.at
            if due.run is not None:
                self.runs.overdue(due.run)
            self.take(replace(due, at=self.now))
            self.row = replace(self.row, goodbye_at=None)
            due = None
        self.row = replace(
            self.row,
            check_at=due and due.at,
            run_due_at=self._overrun_at(),
            back_at=None,
            heard=0,
            heard_before=row.heard or row.heard_before,
        )

    def _deadline(self) -> _Happened | None:
        """What happens first, if it is not heard until then: silence, the end of a goodbye's grace, or of a run's
        time."""
        row, blind, limit = self.row, self.case.blind, self.limit.limit
        ends = []
        left = patience(self.machine, row, limit)
        if left is not None and not any(came_for(run, left.due, self.machine) for run in self.runs.running()):
            at = silent_at(row, left, blind, self.now)
            ends.append(_Happened(Fact.SILENT, at, OutageReason.SILENT.value, due=left.due))
        if row.goodbye_at is not None:
            full = limit or self.rules.offline_after  # NEVER is no time at all: then the grace counts again
            at = gone_at(row, row.goodbye_at, self._goodbye_grace(), full, blind, self.now)
            ends.append(_Happened(Fact.GONE, at, OutageReason.GOODBYE.value))
        for run in self.runs.running():
            if run.started_at is not None:
                at = overrun_at(row, run.started_at, runtime_of(self.machine), blind, self.now)
                ends.append(_Happened(Fact.OVERRUN, at, OutageReason.RUN.value, run=run))
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

    def _move(self, move: Move, happened: _Happened) -> None:
        before, seq = self.row, self.row.seq + 1
        uid = event_uid(self.machine.uid, seq)
        alert = move.event in ALERTS
        incident = before.incident or (uid if alert else None)
        ended = self._end_outage(move, happened, uid)
        opened = self._open_outage(move, happened, uid)
        self._tell(move, happened, uid, seq, incident, ended or opened)
        self.row = replace(
            before,
            status=move.to or before.status,
            status_since=before.status_since if move.to is before.status else self.now,  # one failed run after another
            seq=seq,
            incident=incident if alert else None,
            back_at=None,
        )
        if move.to is None:
            self.removed = True
        if happened.fact in (Fact.RESUME, Fact.RESUME_UNHEARD):
            gone = self.now if self.row.present is False else None  # by its broker's word, which was noted meanwhile
            self.row = replace(self.row, watch_from=self.now, goodbye_at=gone)
        if happened.fact is Fact.PRESENT:
            self.row = replace(self.row, watch_from=happened.at)

    def _end_outage(self, move: Move, happened: _Happened, uid: str) -> Outage | None:
        if self.outage is None or move.ends is None:
            return None
        at = max(happened.at, self.outage.started_at)
        ended = replace(self.outage, ended_at=at, end_reason=move.ends, closed_by=uid)
        self._put(ended)
        self.outage = None
        return ended

    def _open_outage(self, move: Move, happened: _Happened, uid: str) -> Outage | None:
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
        self, move: Move, happened: _Happened, uid: str, seq: int, incident: str | None, outage: Outage | None
    ) -> None:
        event = Event(
            uid=uid,
            type=move.event.value,
            severity=Severity.ALERT if move.event in ALERTS else Severity.INFO,
            at=self.now,
            reason=happened.reason,
            snapshot=self._snapshot(move, happened, outage),
            machine_id=self.machine.id,
            machine=self.machine.slug,
            seq=seq,
            incident=incident,
            previous_status=None if happened.fact is Fact.REGISTERED else self.row.status,
            status=move.to,
            last_seen=self.row.last_seen,
        )
        rows = notify(event, self.case.channels, self.told, self.rules.told_for)
        self.events.append(event)
        self.notifications += rows
        if incident is not None:
            self.told |= {row.channel for row in rows if row.state is NotificationState.PENDING}

    def _snapshot(self, move: Move, happened: _Happened, outage: Outage | None) -> dict[str, Any]:
        """What messages are rendered from, whenever that is: JSON values only."""
        machine, limit = self.machine, self.limit
        return {
            "machine": {
                "id": machine.id,
                "name": machine.name,
                "hostname": machine.hostname,
                "description": machine.description,
                "status": "removed" if move.to is None else move.to.value,
                "last_seen": rfc3339(self.row.last_seen),
            },
            "slug": machine.slug,
            "kind": machine.kind,
            "group": machine.group,
            "tags": list(machine.tags),
            "offline_after_seconds": None if limit.limit is None else whole_seconds(limit.limit),
            "limit_from": limit.origin,
            "outage": None if outage is None else _outage_fields(outage),
            "since": rfc3339(self._since(move, happened, outage)),
            "message": happened.message,
            "by": "broker" if happened.fact is Fact.GONE and self.row.present is False else "",
            "due_at": rfc3339(self.due_at),
            "due": None if happened.due is None else self._due_fields(happened.due),
            "run": None if happened.run is None else self._run_fields(happened.run),
        }

    def _due_fields(self, due: Due) -> dict[str, Any]:
        success = self.runs.last_success()
        until = due.at + grace_of(self.machine)
        return {
            "at": rfc3339(due.at),
            "until": rfc3339(until),
            "note": due.note,
            "last_success": success and rfc3339(success.ended_at),
        }

    def _run_fields(self, run: Run) -> dict[str, Any]:
        took, usual, success = length(run, self.now), self.runs.usual(), self.runs.last_success(but=run)
        return {
            "name": run.run,
            "started_at": rfc3339(run.started_at),
            "ended_at": rfc3339(run.ended_at),
            "seconds": took and whole_seconds(took),
            "exit_code": run.exit_code,
            "outcome": run.outcome and run.outcome.value,
            "last_line": last_line(run.output),
            "allowed_seconds": whole_seconds(runtime_of(self.machine)),
            "usual_seconds": usual and whole_seconds(usual),
            "failures_in_row": self.runs.failures_in_row(),
            "last_success": success and rfc3339(success.ended_at),
            "was_overdue": self.runs.was_overdue(run),
        }

    def _since(self, move: Move, happened: _Happened, outage: Outage | None) -> datetime | None:
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


def whole_seconds(span: timedelta) -> int | float:
    """Seconds, as an int where they are whole."""
    seconds = span.total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds


def _outage_fields(outage: Outage) -> dict[str, Any]:
    return {
        "started_at": rfc3339(outage.started_at),
        "detected_at": rfc3339(outage.detected_at),
        "ended_at": rfc3339(outage.ended_at),
        "seconds": None if outage.ended_at is None else whole_seconds(outage.ended_at - outage.started_at),
        "reason": outage.reason.value,
    }
