"""The runs of a job: begun, ended, failed, not finished in time. Pure.

::

      start ──► open ──success──► SUCCESS
                 │ └───error────► FAIL
                 ├── another start in its place ──► LOST
                 └── its time is over ──► OVERDUE ──success, error──► SUCCESS, FAIL (told as late)

A success or an error without a start is a run too, of unknown length. An end belongs to the open run of the same name;
else to those without a name; one without a name to those without, else to the only one that is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median

from lastseen.model import Machine, Run, RunOutcome, Signal, replace, run_uid
from lastseen.monitor.calendar import Due, earliness, next_due

MOST_OPEN = 10
"""Runs of one machine that may be open at once; one more, and the oldest counts as lost."""

DEFAULT_GRACE = timedelta(hours=1)
"""For scheduled jobs without a grace of their own, and the time a run may take where nothing else is said."""

LONGEST_OUTPUT = 10_000


def grace_of(machine: Machine) -> timedelta:
    """How long after it was due a job may still come."""
    return DEFAULT_GRACE if machine.grace is None else machine.grace


def runtime_of(machine: Machine) -> timedelta:
    """How long a run may take."""
    return machine.max_runtime or machine.grace or DEFAULT_GRACE


def came_for(run: Run, due: Due | None, machine: Machine) -> bool:
    """Whether this run is the one that was due: then it did run, and only its end is waited for."""
    if due is None or machine.schedule is None or run.started_at is None:
        return False
    following = next_due(machine.schedule, machine.timezone, run.started_at, earliness(grace_of(machine)))
    return following is None or following.at > due.at


class Runs:
    """A machine's runs while one decision is made. `changed`: what is to be written."""

    def __init__(self, machine: Machine, known: Sequence[Run]) -> None:
        self._machine = machine
        self._runs = {run.uid: run for run in known}
        self._before = dict(self._runs)

    @property
    def changed(self) -> tuple[Run, ...]:
        return tuple(run for run in self._runs.values() if self._before.get(run.uid) != run)

    def start(self, signal: Signal) -> None:
        """Another start under the same name begins anew; without one it takes the place of the one before. One that is
        older than the open run is that one, heard by a node that knows less exactly when."""
        same = [run for run in self._open() if run.run == signal.run]
        if any(run.started_at is not None and run.started_at > signal.at for run in same):
            return
        for run in same:
            self._put(replace(run, ended_at=signal.at, outcome=RunOutcome.LOST))
        self._put(Run(self._free_uid(signal), self._machine.id, signal.run, signal.at))
        for run in self._open()[:-MOST_OPEN]:
            self._put(replace(run, ended_at=signal.at, outcome=RunOutcome.LOST))

    def _free_uid(self, signal: Signal) -> str:
        """An end without a start, in the same moment and under the same name, has the uid that this would have."""
        at = signal.at
        while True:
            uid = run_uid(self._machine.uid, at, signal.run)
            known = self._runs.get(uid)
            if known is None or known.started_at is not None:
                return uid
            at += timedelta.resolution

    def end(self, signal: Signal, outcome: RunOutcome) -> Run | None:
        """The run that ended, as it was before and is now; None where the machine has no runs to speak of."""
        ending = self._ending(signal.run)
        for run in ending:
            self._put(
                replace(
                    run,
                    ended_at=max(signal.at, run.started_at or signal.at),
                    outcome=outcome,
                    exit_code=signal.exit_code,
                    output=signal.output[-LONGEST_OUTPUT:],
                )
            )
        if ending:
            return self._runs[ending[-1].uid]
        if self._machine.kind != "job":
            return None
        uid = run_uid(self._machine.uid, signal.at, signal.run)
        ended = Run(uid, self._machine.id, signal.run, None, signal.at, outcome, signal.exit_code, signal.output)
        self._put(ended)
        return ended

    def _ending(self, name: str | None) -> list[Run]:
        same = [run for run in self._open() if run.run == name]
        if same or name is None:
            alone = self._open()
            return same or (alone if len(alone) == 1 else [])
        return [run for run in self._open() if run.run is None]

    def running(self) -> list[Run]:
        """Open runs whose time is not over yet, the oldest first."""
        return [run for run in self._open() if run.outcome is None]

    def overdue(self, run: Run) -> None:
        self._put(replace(run, outcome=RunOutcome.OVERDUE))

    def was_overdue(self, run: Run) -> bool:
        before = self._before.get(run.uid)
        return before is not None and before.outcome is RunOutcome.OVERDUE

    # -- the past

    def last_success(self, but: Run | None = None) -> Run | None:
        return next((run for run in self._ended(but) if run.outcome is RunOutcome.SUCCESS), None)

    def failures_in_row(self) -> int:
        """How many of the newest runs failed, one after the other."""
        count = 0
        for run in self._ended(None):
            if run.outcome is RunOutcome.SUCCESS:
                break
            count += run.outcome is RunOutcome.FAIL
        return count

    def usual(self) -> timedelta | None:
        """The median of how long the known successful runs took."""
        took = [
            (run.ended_at - run.started_at).total_seconds()
            for run in self._runs.values()
            if run.outcome is RunOutcome.SUCCESS and run.started_at is not None and run.ended_at is not None
        ]
        return timedelta(seconds=round(median(took))) if took else None

    def _ended(self, but: Run | None) -> Iterable[Run]:
        """The newest first."""
        ended = [(run.ended_at, run) for run in self._runs.values() if run.ended_at is not None]
        newest = sorted(ended, key=lambda pair: pair[0], reverse=True)
        return (run for _, run in newest if but is None or run.uid != but.uid)

    def _open(self) -> list[Run]:
        started = [(run.started_at, run) for run in self._runs.values() if run.ended_at is None and run.started_at]
        return [run for _, run in sorted(started, key=lambda pair: pair[0])]

    def _put(self, run: Run) -> None:
        self._runs[run.uid] = run


def length(run: Run, until: datetime | None = None) -> timedelta | None:
    """How long it took, or takes until now."""
    end = run.ended_at or until
    return None if run.started_at is None or end is None else end - run.started_at
