"""Writing down what became of a send. The fence: it counts only where the row's own token is still the lane's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update

from lastseen.model import (
    Aftermath,
    Attempt,
    Channel,
    Delivered,
    Lease,
    Notification,
    NotificationState,
    Outcome,
    Rejected,
    Sent,
)
from lastseen.protocols import RetryPlan
from lastseen.storage.fold import FINISHED_ATTEMPT, finished
from lastseen.storage.rows import as_channel_state, attempts, channel_state, channels, notifications
from lastseen.storage.sql_cases import all_channels
from lastseen.storage.sql_outbox import is_open, update_notifications
from lastseen.storage.sql_verdicts import event_ids, write_events, write_notifications
from lastseen.storage.sqltools import dumped, loaded


def finish(
    connection: Connection, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime
) -> bool:
    """`Store.finish`, in the caller's transaction."""
    _close_attempt(connection, attempt, outcome, now)
    if not _still_ours(connection, lane, attempt):
        return False
    known = {channel.uid: channel for channel in all_channels(connection)}
    row = connection.execute(select(channels.c.id).where(channels.c.uid == attempt.channel)).one()
    channel = known.get(attempt.channel) or Channel(
        attempt.channel, attempt.channel, "removed", id=row.id, enabled=False, disabled_reason="it was removed"
    )
    sent = _sent(connection, attempt, outcome, channel, known, now)
    _apply(connection, channel, plan(sent), now)
    return True


def _close_attempt(connection: Connection, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    open_or_lost = or_(attempts.c.finished_at.is_(None), attempts.c.outcome == "lost")
    detail = outcome.receipt if isinstance(outcome, Delivered) else outcome.reason
    connection.execute(
        update(attempts)
        .where(attempts.c.id == attempt.id, open_or_lost)
        .values(finished_at=now, outcome=FINISHED_ATTEMPT[type(outcome)], detail=detail)
    )


def _still_ours(connection: Connection, lane: Lease, attempt: Attempt) -> bool:
    uids = [delivery.notification.uid for delivery in attempt.deliveries]
    ours = select(func.count()).where(
        notifications.c.uid.in_(uids), notifications.c.state == "sending", notifications.c.lease_token == lane.token
    )
    return connection.execute(ours).scalar() == len(uids)


def _sent(
    connection: Connection,
    attempt: Attempt,
    outcome: Outcome,
    channel: Channel,
    known: dict[str, Channel],
    now: datetime,
) -> Sent:
    state = connection.execute(select(channel_state).where(channel_state.c.channel_id == channel.id)).one()
    waiting = 0
    if isinstance(outcome, Rejected):
        count = select(func.count()).where(notifications.c.channel_id == channel.id, is_open(notifications))
        waiting = (connection.execute(count).scalar() or 0) - len(attempt.deliveries)
    return Sent(attempt, outcome, channel, as_channel_state(state), _others(channel, known), now, waiting)


def _others(channel: Channel, known: dict[str, Channel]) -> tuple[Channel, ...]:
    """Who is told of this channel's trouble: its owner's other channels, or everybody where nobody owns it."""
    return tuple(
        other
        for other in known.values()
        if other.enabled
        and other.uid != channel.uid
        and (channel.owner_id is None or other.owner_id == channel.owner_id)
    )


def _apply(connection: Connection, channel: Channel, after: Aftermath, now: datetime) -> None:
    update_notifications(connection, [_unless_off(row, channel, now) for row in after.notifications])
    _set_state(connection, channel, after)
    if after.release:
        waiting = update(notifications).where(notifications.c.channel_id == channel.id, is_open(notifications))
        waiting = waiting.where(notifications.c.state == "pending", notifications.c.due_at > now)
        connection.execute(waiting.values(due_at=now))
    if after.moved is not None:
        config = connection.execute(select(channels.c.config).where(channels.c.id == channel.id)).scalar() or "{}"
        merged = dumped({**loaded(config), **after.moved})
        moved = update(channels).where(channels.c.id == channel.id)
        connection.execute(moved.values(config=merged, version=channels.c.version + 1))
    if after.disable is not None:
        _disable(connection, channel.id, after.disable, now)
    write_events(connection, after.events)
    write_notifications(connection, after.more, event_ids(connection, {row.event for row in after.more}))


def _unless_off(row: Notification, channel: Channel, now: datetime) -> Notification:
    """Nobody would look at it again once its channel is off or gone."""
    if channel.enabled or row.state is not NotificationState.PENDING:
        return row
    reason = f"channel disabled: {channel.disabled_reason or 'by a person'}"
    return finished(row, NotificationState.CANCELLED, reason, now)


def _set_state(connection: Connection, channel: Channel, after: Aftermath) -> None:
    state = update(channel_state).values(dataclasses.asdict(after.state))
    if after.lane_wide and channel.lane:
        connection.execute(state.where(channel_state.c.lane == channel.lane))
    else:
        connection.execute(state.where(channel_state.c.channel_id == channel.id))


def _disable(connection: Connection, channel_id: int, reason: str, now: datetime) -> None:
    off = update(channels).where(channels.c.id == channel_id, channels.c.enabled)
    values = {"enabled": False, "disabled_by": "far_end", "disabled_reason": reason}
    connection.execute(off.values(**values, version=channels.c.version + 1))
    end_all(connection, channel_id, NotificationState.DEAD, reason, now, ("pending", "sending"))


def end_all(
    connection: Connection,
    channel_id: int,
    state: NotificationState,
    reason: str,
    now: datetime,
    which: Sequence[str] = ("pending",),
) -> None:
    """Finish everything that waits on a channel."""
    rows = update(notifications).where(notifications.c.channel_id == channel_id, is_open(notifications))
    rows = rows.where(notifications.c.state.in_(which))
    connection.execute(rows.values(state=state.value, reason=reason, finished_at=now, lease_token=None))
