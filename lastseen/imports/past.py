"""Deciding on a machine as it stood elsewhere: what people were told there is not told again."""

from __future__ import annotations

from lastseen.model import Case, Event, Notification, NotificationState, Severity, Verdict, replace
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.protocols import Decide

TOLD_THERE = "told by {program}, before the machine came from there"
NOT_NEWS = "it was so when it came here"


def as_it_stood(rules: Rules, told: frozenset[str], program: str) -> Decide:
    """Decides as ever, but tells nobody. `told`: uids of the channels that came along: of an alert they have heard
    there, and so they hear of its end here. Our own blind time is no excuse for a silence that was found elsewhere."""

    def decided(case: Case) -> Verdict:
        verdict = decide(replace(case, blind=()), rules)
        events = {event.uid: event for event in verdict.events}
        rows = tuple(_quiet(row, events[row.event], told, program) for row in verdict.notifications)
        return replace(verdict, notifications=rows)

    return decided


def _quiet(row: Notification, event: Event, told: frozenset[str], program: str) -> Notification:
    if row.state is not NotificationState.PENDING:
        return row
    if event.severity is Severity.ALERT and row.channel in told:
        reason, state = TOLD_THERE.format(program=program), NotificationState.DELIVERED
    else:
        reason, state = NOT_NEWS, NotificationState.SKIPPED
    return replace(row, state=state, reason=reason, finished_at=row.created_at)
