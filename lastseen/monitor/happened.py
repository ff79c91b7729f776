"""What happened to a machine, as facts in the order in which they are decided on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from lastseen.model import (
    HEARTBEATS,
    Acknowledge,
    Case,
    Disable,
    Enable,
    Forget,
    Liveness,
    Pause,
    Resume,
    Run,
    Said,
    Signal,
    Watch,
)
from lastseen.monitor.calendar import Due
from lastseen.monitor.states import Fact

JOB = "job"
"""The kind of which every failed run is told."""

_FACTS = {
    Said.OK: Fact.OK,
    Said.ERROR: Fact.ERROR,
    Said.GOODBYE: Fact.GOODBYE,
    Said.START: Fact.START,
    Said.PRESENT: Fact.PRESENT,
    Said.ABSENT: Fact.GOODBYE,
}


class Happened(msgspec.Struct, frozen=True, gc=False):
    fact: Fact
    at: datetime
    reason: str
    message: str = ""
    signal: Signal | None = None
    run: Run | None = None
    due: Due | None = None


def said(case: Case) -> Iterator[Happened]:
    """Its signals in order, and before them the plain heartbeat that brought it back, if one did."""
    back_at = case.standing.liveness.back_at
    first = min((s.at for s in case.signals if s.said in HEARTBEATS), default=None)
    if back_at is not None and (first is None or back_at < first):
        yield Happened(Fact.HEARD, back_at, "heard")
    for signal in case.signals:
        fact = _FACTS[signal.said]
        if fact is Fact.ERROR and case.standing.machine.kind == JOB:
            fact = Fact.FAILED
        yield Happened(fact, signal.at, signal.said.value, signal.message, signal)


def ordered(case: Case, row: Liveness) -> Happened | None:
    match case.order:
        case None:
            return None
        case Watch():
            new = case.standing.liveness.seq == 0
            return Happened(Fact.REGISTERED if new else Fact.CHANGED, case.now, "declared")
        case Pause():
            return Happened(Fact.PAUSE, case.now, "paused")
        case Disable():
            return Happened(Fact.PAUSE, case.now, "disabled")
        case Resume() | Enable():
            known = row.last_seen is not None or row.present is not None
            return Happened(Fact.RESUME if known else Fact.RESUME_UNHEARD, case.now, "resumed")
        case Forget():
            return Happened(Fact.FORGET, case.now, "removed")
        case Acknowledge(by=by):
            return Happened(Fact.ACKNOWLEDGED, case.now, by)
