"""Counting sends, and what became of notifications."""

from __future__ import annotations

from lastseen import counters
from lastseen.model import Delivered, Event, Notification, NotificationState, Outcome, Retry


def sent(notifier: str, outcome: Outcome, seconds: float) -> None:
    """One send, however many notifications it spoke for."""
    result = "delivered" if isinstance(outcome, Delivered) else "retry" if isinstance(outcome, Retry) else "rejected"
    counters.ATTEMPTS.inc(notifier, result)
    counters.ATTEMPT_TIME.observe(seconds, notifier)


def ended(notifier: str, row: Notification, event: Event) -> None:
    """A notification as it was written after a send; one that is still open is not counted."""
    if row.state is NotificationState.DELIVERED:
        counters.DELIVERIES.inc(notifier, "delivered")
        if row.finished_at is not None:
            counters.TOLD_AFTER.observe((row.finished_at - event.at).total_seconds(), notifier)
    elif row.state is NotificationState.DEAD:
        counters.DELIVERIES.inc(notifier, "dead")
