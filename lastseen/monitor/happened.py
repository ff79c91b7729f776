"""What happened to a machine, as facts in the order in which they are decided on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    Outage,
    Pause,
    Resume,
    Run,
    Said,
    Signal,
    Status,
    Watch,
    replace,
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
    """Its signals in order, and before them the plain heartbeat that brought it back, if one did. Before that one those
    that are older than its outage."""
    outage, back_at = case.standing.outage, _back_at(case)
    late = [s for s in case.signals if outage is not None and s.at < outage.started_at]
    yield from (_signal(case, signal) for signal in late)
    first = min((s.at for s in case.signals if s.said in HEARTBEATS and s not in late), default=None)
    if back_at is not None and (first is None or back_at < first):
        yield Happened(Fact.HEARD, back_at, "heard")
    yield from (_signal(case, signal) for signal in case.signals if signal not in late)


def _signal(case: Case, signal: Signal) -> Happened:
    fact = _FACTS[signal.said]
    if fact is Fact.ERROR and case.standing.machine.kind == JOB:
        fact = Fact.FAILED
    return Happened(fact, signal.at, signal.said.value, signal.message, signal)


def _back_at(case: Case) -> datetime | None:
    """When it was heard again. What was said before its outage began is no return: a node has written it down late, or
    its computer stood still, and its clock with it."""
    row, outage = case.standing.liveness, case.standing.outage
    if outage is None or row.back_at is None or row.back_at >= outage.started_at:
        return row.back_at
    return row.last_seen if row.last_seen is not None and row.last_seen > outage.started_at else None


Silent = Callable[[Liveness, datetime], bool]
"""Whether a machine with this row is silent by then."""


def is_old(happened: Happened, row: Liveness, outage: Outage | None, silent: Silent, now: datetime) -> bool:
    """Whether it ends no outage: it was said before the one that is open began, or so long ago that the machine is
    silent again by now. Then nobody is told that it is back, and that it is not: what it says next brings it back."""
    if outage is None or row.status is not Status.OFFLINE:
        return False
    if happened.fact in (Fact.OK, Fact.ERROR) and happened.at < outage.started_at:
        return True
    return happened.fact in (Fact.HEARD, Fact.OK) and silent(row, now)


def as_it_came(happened: Happened, row: Liveness, silent: Silent) -> Happened:
    """What brought it back: not what is so old that it was silent again before it said the next."""
    if happened.fact is not Fact.HEARD or row.last_seen is None or row.status is not Status.OFFLINE:
        return happened
    first = replace(row, last_seen=happened.at, expect_at=None)
    return replace(happened, at=row.last_seen) if silent(first, row.last_seen) else happened


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
