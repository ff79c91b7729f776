"""Who is told of an event: for every channel a notification, wanted or skipped with a reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from lastseen.model import (
    Channel,
    Event,
    Notification,
    NotificationState,
    Severity,
    Status,
    notification_uid,
)
from lastseen.model.drill import not_for
from lastseen.model.words import FOLLOWS, MERE_ENDS


def unwanted(channel: Channel, event: Event, told: frozenset[str]) -> str | None:
    """Why this channel is not told of the event; None: it is. `told`: uids of those that heard of its incident."""
    if not channel.enabled:
        return f"channel disabled: {channel.disabled_reason or 'by a person'}"
    follows = event.type in FOLLOWS  # that it was seen is shown in what was told
    ends = follows and event.severity is not Severity.ALERT and channel.uid in told
    reason = not_for(channel.id, event.snapshot) or (None if ends else channel.declines(event))
    if reason is not None or event.severity is Severity.ALERT:
        return reason
    if channel.prefs.severity == "info" and event.type not in MERE_ENDS:
        return None
    if not follows:
        return f"wants alerts and their end, not {event.type}"
    if event.previous_status is Status.PROVISIONING:
        return "the first heartbeat is told to nobody"
    return None if channel.uid in told else "was not told of what this ends"


def notify(
    event: Event, channels: Iterable[Channel], told: frozenset[str], told_for: timedelta
) -> tuple[Notification, ...]:
    """A row in the outbox for every channel."""
    return tuple(_row(event, channel, unwanted(channel, event, told), told_for) for channel in channels)


def skipped(event: Event, reason: str, channels: Iterable[Channel], told: frozenset[str]) -> tuple[Notification, ...]:
    """A row for every channel, none of which is told."""
    return tuple(_row(event, channel, reason, timedelta(0)) for channel in channels)


def _row(event: Event, channel: Channel, skip: str | None, told_for: timedelta) -> Notification:
    return Notification(
        uid=notification_uid(event.uid, channel.uid),
        event=event.uid,
        channel=channel.uid,
        machine_id=event.machine_id,
        incident=event.incident,
        state=NotificationState.PENDING if skip is None else NotificationState.SKIPPED,
        reason=skip,
        due_at=event.at,
        created_at=event.at,
        expires_at=event.at + told_for,
        finished_at=None if skip is None else event.at,
    )
