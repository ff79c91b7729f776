"""Writing down what became of a send. The fence: it counts only where the row's own token is still the lane's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, literal_column, or_, select, update

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
from lastseen.storage import dialect as sql
from lastseen.storage.fold import FINISHED_ATTEMPT, finished
from lastseen.storage.rows import attempts, channel_state, channels, notifications
from lastseen.storage.sql_cases import all_channels, channel_and_state
from lastseen.storage.sql_outbox import is_open, update_notifications
from lastseen.storage.sql_verdicts import event_ids, write_events, write_notifications
from lastseen.storage.sqltools import dumped, loaded


def finish(
    connection: Connection, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime
) -> bool:
    """`Store.finish`, in the caller's transaction."""
    sql.of(connection).hold_lane(connection, lane.name)
    _close_attempt(connection, attempt, outcome, now)
    if not _still_ours(connection, lane, attempt):
        return False
    known = channel_and_state(connection, attempt.channel)
    if known is None:
        return False  # removed meanwhile: its rows are cancelled
    channel, state = known
    fine = isinstance(outcome, Delivered)  # then no others are told: they are not read for every send
    others = () if fine else channel.others(all_channels(connection))
    waiting = _waiting(connection, channel, attempt) if isinstance(outcome, Rejected) else 0
    sent = Sent(attempt, outcome, channel, state, others, now, waiting)
    _apply(connection, sent, plan(sent), now)
    return True


_CLOSE = sql.Many(
    update(attempts)
    .where(
        attempts.c.id == bindparam("of_attempt"),
        or_(attempts.c.finished_at.is_(None), attempts.c.outcome == literal_column("'lost'")),
    )
    .values({name: bindparam(name) for name in ("finished_at", "outcome", "detail")})
)


def _close_attempt(connection: Connection, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
    words = outcome.receipt if isinstance(outcome, Delivered) else outcome.reason
    became = FINISHED_ATTEMPT[type(outcome)]
    _CLOSE(connection, [{"of_attempt": attempt.id, "finished_at": now, "outcome": became, "detail": words}])


def _still_ours(connection: Connection, lane: Lease, attempt: Attempt) -> bool:
    return sql.of(connection).still_sending(connection, attempt.id, lane.token) == len(attempt.deliveries)


def _waiting(connection: Connection, channel: Channel, attempt: Attempt) -> int:
    count = select(func.count()).where(notifications.c.channel_id == channel.id, is_open(notifications))
    return (connection.execute(count).scalar() or 0) - len(attempt.deliveries)


def _apply(connection: Connection, sent: Sent, after: Aftermath, now: datetime) -> None:
    channel = sent.channel
    update_notifications(connection, [_unless_off(row, channel, now) for row in after.notifications])
    if after.lane_wide or after.state != sent.state:
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
    _, ids = write_events(connection, after.events)
    ids |= event_ids(connection, {row.event for row in after.more} - ids.keys())
    write_notifications(connection, after.more, ids)


def _unless_off(row: Notification, channel: Channel, now: datetime) -> Notification:
    """Nobody would look at it again once its channel is off or gone."""
    if channel.enabled or row.state is not NotificationState.PENDING:
        return row
    reason = f"channel disabled: {channel.disabled_reason or 'by a person'}"
    return finished(row, NotificationState.CANCELLED, reason, now)


_STATE_FIELDS = ("ready_at", "failing_since", "failures", "succeeded_at")
_STATE = update(channel_state).values({name: bindparam(name) for name in _STATE_FIELDS})
_OF_CHANNEL = sql.Many(_STATE.where(channel_state.c.channel_id == bindparam("of_channel")))
_OF_LANE = sql.Many(_STATE.where(channel_state.c.lane == bindparam("of_lane")))


def _set_state(connection: Connection, channel: Channel, after: Aftermath) -> None:
    values = {name: getattr(after.state, name) for name in _STATE_FIELDS}
    if after.lane_wide and channel.lane:
        _OF_LANE(connection, [{**values, "of_lane": channel.lane}])
    else:
        _OF_CHANNEL(connection, [{**values, "of_channel": channel.id}])


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
