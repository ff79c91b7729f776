"""Writing down what became of a send. The fence: it counts only where the row's own token is still the lane's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal_column, or_, select, update

from lastseen.model import (
    Aftermath,
    Attempt,
    Channel,
    ChannelState,
    Delivered,
    Lease,
    Notification,
    NotificationState,
    Outcome,
    Rejected,
    Sent,
    replace,
)
from lastseen.model.texts import cleaned
from lastseen.protocols import RetryPlan
from lastseen.storage import dialect as sql
from lastseen.storage.asking import Ask
from lastseen.storage.fold import FINISHED_ATTEMPT, finished
from lastseen.storage.rows import attempt_items, attempts, channel_state, channels, notifications
from lastseen.storage.sql_cases import all_channels, channels_and_states
from lastseen.storage.sql_outbox import SENDING, is_open, update_notifications
from lastseen.storage.sql_verdicts import event_ids, write_events, write_notifications
from lastseen.storage.sqltools import chunks, dumped, loaded, several


@dataclass(frozen=True, slots=True)
class Ended:
    """How a send ended, and what `Store.finish` is given with it."""

    lane: Lease
    attempt: Attempt
    outcome: Outcome
    plan: RetryPlan
    now: datetime


def readable(outcome: Outcome) -> Outcome:
    """The far end's words as every database can keep them."""
    if isinstance(outcome, Delivered):
        return outcome if outcome.receipt is None else replace(outcome, receipt=cleaned(outcome.receipt))
    return replace(outcome, reason=cleaned(outcome.reason))


def finish(connection: Connection, given: Sequence[Ended]) -> list[bool]:
    """`Store.finish` of several, one after the other, in the caller's transaction."""
    for lane in sorted({ended.lane.name for ended in given}):
        sql.of(connection).hold_lane(connection, lane)
    book = _Book(connection, given)
    kept = [book.finish(ended) for ended in given]
    book.write()
    return kept


_UNDERWAY = Ask(
    select(attempt_items.c.attempt_id, notifications.c.lease_token, func.count().label("rows"))
    .join(notifications, notifications.c.id == attempt_items.c.notification_id)
    .join(attempts, attempts.c.id == attempt_items.c.attempt_id)
    .where(attempt_items.c.attempt_id.in_(several()), SENDING, attempts.c.finished_at.is_(None))
    .group_by(attempt_items.c.attempt_id, notifications.c.lease_token)
)


class _Book:
    """Reads once what all of them need, and writes all that follows from those that went well at once. Whatever else
    becomes of one may concern the others: before and after it everything is written, and read again."""

    def __init__(self, connection: Connection, given: Sequence[Ended]) -> None:
        self._connection, self._given = connection, given
        self._underway: dict[tuple[int, int], int] = {}
        self._channels: dict[str, tuple[Channel, ChannelState]] = {}
        self._closed: list[dict[str, Any]] = []
        self._rows: list[Notification] = []
        self._states: dict[int, ChannelState] = {}
        self._read()

    def _read(self) -> None:
        for some in chunks(ended.attempt.id for ended in self._given):
            self._underway |= {(row[0], row[1]): row[2] for row in _UNDERWAY(self._connection, several=some)}
        self._channels = channels_and_states(self._connection, sorted({one.attempt.channel for one in self._given}))

    def finish(self, ended: Ended) -> bool:
        attempt, outcome = ended.attempt, ended.outcome
        self._close(attempt, outcome, ended.now)
        if self._underway.pop((attempt.id, ended.lane.token), 0) != len(attempt.deliveries):
            return False
        if attempt.channel not in self._channels:
            return False  # removed meanwhile: its rows are cancelled
        channel, state = self._channels[attempt.channel]
        if isinstance(outcome, Delivered):  # then no others are told: they are not read for every send
            after = ended.plan(Sent(attempt, outcome, channel, state, (), ended.now))
            if _is_plain(after):
                self._keep(channel, after, ended.now)
                return True
            self.write()
        else:
            self.write()
            others = channel.others(all_channels(self._connection))
            waiting = _waiting(self._connection, channel, attempt) if isinstance(outcome, Rejected) else 0
            after = ended.plan(Sent(attempt, outcome, channel, state, others, ended.now, waiting))
        _apply(self._connection, channel, state, after, ended)
        self._underway.clear()
        self._read()
        return True

    def _close(self, attempt: Attempt, outcome: Outcome, now: datetime) -> None:
        words = outcome.receipt if isinstance(outcome, Delivered) else outcome.reason
        became = FINISHED_ATTEMPT[type(outcome)]
        self._closed.append({"of_attempt": attempt.id, "finished_at": now, "outcome": became, "detail": words})

    def _keep(self, channel: Channel, after: Aftermath, now: datetime) -> None:
        self._rows += [_unless_off(row, channel, now) for row in after.notifications]
        self._channels[channel.uid] = channel, after.state
        self._states[channel.id] = after.state

    def write(self) -> None:
        _CLOSE(self._connection, self._closed)
        update_notifications(self._connection, self._rows)
        _OF_CHANNEL(self._connection, [{**_state_values(one), "of_channel": i} for i, one in self._states.items()])
        self._closed, self._rows, self._states = [], [], {}


def _is_plain(after: Aftermath) -> bool:
    """It changes nothing but the attempt's rows and the channel's state."""
    return not (
        after.lane_wide or after.release or after.disable or after.moved is not None or after.events or after.more
    )


_CLOSE = sql.Many(
    update(attempts)
    .where(
        attempts.c.id == bindparam("of_attempt"),
        or_(attempts.c.finished_at.is_(None), attempts.c.outcome == literal_column("'lost'")),
    )
    .values({name: bindparam(name) for name in ("finished_at", "outcome", "detail")})
)


def _waiting(connection: Connection, channel: Channel, attempt: Attempt) -> int:
    count = select(func.count()).where(notifications.c.channel_id == channel.id, is_open(notifications))
    return (connection.execute(count).scalar() or 0) - len(attempt.deliveries)


def _apply(connection: Connection, channel: Channel, state: ChannelState, after: Aftermath, ended: Ended) -> None:
    now = ended.now
    update_notifications(connection, [_unless_off(row, channel, now) for row in after.notifications])
    if after.lane_wide or after.state != state:
        _set_state(connection, channel, after, ended.lane.name)
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


def _state_values(state: ChannelState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in _STATE_FIELDS}


def _set_state(connection: Connection, channel: Channel, after: Aftermath, lane: str) -> None:
    """`lane`: where it was sent; a channel that has left it meanwhile is not concerned."""
    values = _state_values(after.state)
    if after.lane_wide:
        _OF_LANE(connection, [{**values, "of_lane": lane}])
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
