"""What follows from a send. Pure: the outcome and the channel's state in, everything to be written out.

Trouble has a scope. *Channel* and *lane* trouble cool the channel down; one notification probes when that is over, and
the first success makes everything that waits due. *Notification* trouble harms that one only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.model import (
    Aftermath,
    Cause,
    Channel,
    ChannelState,
    Delivered,
    Event,
    EventType,
    Notification,
    NotificationState,
    Rejected,
    Retry,
    Scope,
    Sent,
    Severity,
    notification_uid,
    replace,
    subject_event_uid,
)

COOL_DOWN = timedelta(seconds=5)
LONGEST_COOL_DOWN = timedelta(minutes=5)
LONGEST_RETRY_AFTER = timedelta(hours=1)
SHORTEST_RETRY_AFTER = timedelta(milliseconds=50)
REFUSALS = 3
"""A far end that refuses a message so often will not have it."""

JITTER = 0.1
TOLD_FOR = timedelta(hours=76)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The waits between the tries of one notification, in seconds. `then`: how it goes on; None: it is dead."""

    waits: tuple[float, ...]
    then: float | None = None

    def wait(self, tries: int) -> timedelta | None:
        """After so many tries (1 or more); None: that was the last."""
        if tries <= len(self.waits):
            return timedelta(seconds=self.waits[max(tries, 1) - 1])
        return None if self.then is None else timedelta(seconds=self.then)


SCHEDULES = {
    "chat": Schedule((2, 5, 10, 30, 60, *(120 for _ in range(30))), then=600),
    # Standard Webhooks 1.0.0, "Deliverability and reliability"
    "webhook": Schedule((5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)),
}


def follow(sent: Sent, schedule: Schedule, jitter: float) -> Aftermath:
    """`jitter` is a random number from 0 to 1; it lengthens a wait by at most a tenth."""
    match sent.outcome:
        case Delivered():
            return _delivered(sent, sent.outcome)
        case Retry(unsaid=True):
            rows = tuple(_not_yet(row, sent, sent.outcome) for row in _rows(sent))
            return Aftermath(rows, _rested(sent, sent.outcome.after))
        case Retry(scope=Scope.NOTIFICATION, reason=reason, after=after):
            rows = tuple(_again(row, reason, schedule, jitter, sent, after) for row in _rows(sent))
            return Aftermath(rows, _rested(sent, after))
        case Retry():
            return _trouble(sent, sent.outcome, schedule, jitter)
        case Rejected(scope=Scope.NOTIFICATION):
            rows = tuple(_refused(row, sent.outcome.reason, schedule, jitter, sent) for row in _rows(sent))
            return Aftermath(rows, sent.state)
        case Rejected():
            return _gone(sent, sent.outcome.reason)


def as_of_now(sent: Sent, version: int) -> Sent:
    """What an address said that is the channel's no more (`version`: of the channel as it was sent to) says nothing of
    the channel. It was a try all the same; the next one goes to the new address, at once."""
    if version == sent.channel.version or isinstance(sent.outcome, Delivered):
        return sent
    return replace(sent, outcome=Retry(sent.outcome.reason, Scope.NOTIFICATION, timedelta(0)))


def _rows(sent: Sent) -> tuple[Notification, ...]:
    return tuple(delivery.notification for delivery in sent.attempt.deliveries)


def _delivered(sent: Sent, outcome: Delivered) -> Aftermath:
    """What the far end did not take of a batch goes again at once, on its own."""

    def after(row: Notification) -> Notification:
        if outcome.taken is None or row.uid in outcome.taken:
            return _end(row, NotificationState.DELIVERED, None, sent.now, outcome.receipt)
        return _open(row, "not taken with the others", sent.now, solo=True)

    return Aftermath(
        notifications=tuple(after(row) for row in _rows(sent)),
        state=ChannelState(succeeded_at=sent.now),
        release=sent.state.failures > 0,
        moved=outcome.moved,
        more=tuple(reminders(sent)),
    )


def reminders(sent: Sent) -> Iterator[Notification]:
    """The next word on each alert about a machine, if the channel wants to be told again while it lasts."""
    every = timedelta(seconds=sent.channel.prefs.repeat_every)
    if not every:
        return
    for delivery in sent.attempt.deliveries:
        row, event = delivery.notification, delivery.event
        lasts = event.machine_id is not None and event.incident is not None and event.type != EventType.FLAPPING
        if lasts and event.severity is Severity.ALERT and row.cause is not Cause.REPLAY:
            yield Notification(
                uid=notification_uid(event.uid, row.channel, row.occasion + 1),
                event=event.uid,
                channel=row.channel,
                machine_id=row.machine_id,
                incident=row.incident,
                occasion=row.occasion + 1,
                cause=Cause.REMINDER,
                due_at=sent.now + every,
                created_at=sent.now,
                expires_at=sent.now + every + TOLD_FOR,
                while_open=True,
            )


def _trouble(sent: Sent, outcome: Retry, schedule: Schedule, jitter: float) -> Aftermath:
    return Aftermath(
        notifications=tuple(_again(row, outcome.reason, schedule, jitter, sent) for row in _rows(sent)),
        state=_cooled(sent, outcome),
        lane_wide=outcome.scope is Scope.LANE,
    )


def _cooled(sent: Sent, outcome: Retry) -> ChannelState:
    """Cools down only if nothing succeeded since the failed attempt began. Attempts that were in flight together fail
    together: they count as one failure."""
    state, now = sent.state, sent.now
    if state.succeeded_at is not None and state.succeeded_at >= sent.attempt.started_at:
        return state
    asked = min(outcome.after or timedelta(0), LONGEST_RETRY_AFTER)
    together = state.ready_at is not None and sent.attempt.started_at < state.ready_at
    if state.failures and together:
        return replace(state, ready_at=max(state.ready_at or now, now + asked))
    own = min(COOL_DOWN * 2 ** min(state.failures, 10), LONGEST_COOL_DOWN)
    return replace(
        state, ready_at=now + max(own, asked), failing_since=state.failing_since or now, failures=state.failures + 1
    )


def _again(
    row: Notification, reason: str, schedule: Schedule, jitter: float, sent: Sent, after: timedelta | None = None
) -> Notification:
    """A probe ahead of its own wait keeps that wait; a counted try waits for the next, or as long as was asked for."""
    asked = None if after is None else sent.now + min(max(after, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
    if sent.attempt.probe:
        return _open(row, reason, row.due_at if asked is None else max(row.due_at, asked))
    wait = schedule.wait(row.attempts)
    if wait is None:
        return _end(row, NotificationState.DEAD, f"given up after {row.attempts} tries: {reason}", sent.now)
    return _open(row, reason, min(asked or sent.now + wait * (1 + JITTER * jitter), row.expires_at))


def _not_yet(row: Notification, sent: Sent, outcome: Retry) -> Notification:
    """As if it had not been taken."""
    wait = min(max(outcome.after or timedelta(0), SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER)
    due_at = max(row.due_at, sent.now + wait) if sent.attempt.probe else sent.now + wait
    return replace(_open(row, outcome.reason, due_at), attempts=row.attempts - (not sent.attempt.probe))


def _rested(sent: Sent, after: timedelta | None) -> ChannelState:
    """An answer about one message says nothing of the channel; one that fails is asked again after a while all the
    same, and not at once."""
    if not sent.state.failures:
        return sent.state
    until = sent.now + min(max(after or COOL_DOWN, COOL_DOWN), LONGEST_COOL_DOWN)
    return replace(sent.state, ready_at=max(sent.state.ready_at or until, until))


def _refused(row: Notification, reason: str, schedule: Schedule, jitter: float, sent: Sent) -> Notification:
    """One of a batch may have spoiled it for all: each goes alone from now on."""
    if len(sent.attempt.deliveries) > 1:
        return _open(row, reason, sent.now, solo=True)
    row = replace(row, rejections=row.rejections + 1)
    if row.rejections >= REFUSALS:
        return _end(row, NotificationState.DEAD, f"refused {row.rejections} times: {reason}", sent.now)
    return _again(row, reason, schedule, jitter, sent)


def _gone(sent: Sent, reason: str) -> Aftermath:
    """The destination is gone: the channel is disabled, and the others are told."""
    since = sent.state.failing_since or sent.attempt.started_at
    event = failing(sent.channel, since, reason, sent.waiting, sent.now, disabled=True)
    rows = tuple(_end(row, NotificationState.DEAD, reason, sent.now) for row in _rows(sent))
    more = tuple(tell_others(event, sent.others))
    return Aftermath(rows, sent.state, disable=reason, events=(event,), more=more)


def failing(
    channel: Channel, since: datetime, reason: str, waiting: int, now: datetime, disabled: bool = False
) -> Event:
    """That a channel has failed since then; `disabled`: for good."""
    return Event(
        uid=subject_event_uid(EventType.CHANNEL_FAILING, f"{channel.uid}{'/gone' if disabled else ''}", since),
        type=EventType.CHANNEL_FAILING.value,
        severity=Severity.ALERT,
        at=now,
        reason=reason,
        snapshot={
            "machine": None,
            "channel": {"id": channel.id, "name": channel.name, "type": channel.type},
            "message": reason,
            "since": since.isoformat().replace("+00:00", "Z"),
            "waiting": waiting,
            "disabled": disabled,
        },
        channel=channel.uid,
    )


def tell_others(event: Event, others: Iterable[Channel]) -> Iterator[Notification]:
    """A notification for each of these that wants such events."""
    for other in others:
        if other.declines(event) is None:
            yield Notification(
                uid=notification_uid(event.uid, other.uid),
                event=event.uid,
                channel=other.uid,
                due_at=event.at,
                created_at=event.at,
                expires_at=event.at + TOLD_FOR,
            )


def _open(row: Notification, reason: str, due_at: datetime, solo: bool = False) -> Notification:
    return replace(
        row,
        state=NotificationState.PENDING,
        reason=reason,
        due_at=due_at,
        lease_token=None,
        solo=row.solo or solo,
    )


def _end(
    row: Notification, state: NotificationState, reason: str | None, now: datetime, receipt: str | None = None
) -> Notification:
    return replace(row, state=state, reason=reason, finished_at=now, lease_token=None, receipt=receipt or row.receipt)
