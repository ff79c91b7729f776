"""Verdicts and retry plans written by hand, so that a store can be tested without the monitor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from lastseen.model import (
    Aftermath,
    Case,
    ChannelState,
    EndReason,
    Event,
    Lease,
    Notification,
    NotificationState,
    Outage,
    OutageReason,
    Send,
    Sent,
    Severity,
    Status,
    Verdict,
    event_uid,
    notification_uid,
    replace,
)
from lastseen.protocols import Admit, Decide, RetryPlan

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMIT = timedelta(minutes=2)


def at(seconds: float) -> datetime:
    """So many seconds after the suite's beginning of time."""
    return T0 + timedelta(seconds=seconds)


def keep(case: Case, check_at: datetime | None = None) -> Verdict:
    """Nothing happened; look again at `check_at`."""
    return Verdict(replace(case.standing.liveness, check_at=check_at, back_at=None))


def move(
    case: Case, status: Status, check_at: datetime | None = None, channels: Iterable[str] = (), due_at: float = 0
) -> Verdict:
    """The machine is `status` now: one event, its notifications, and an outage opened or closed."""
    row, machine = case.standing.liveness, case.standing.machine
    uid = event_uid(machine.uid, row.seq + 1)
    bad = status in (Status.OFFLINE, Status.ERROR)
    incident = row.incident or (uid if bad else None)
    event = Event(
        uid=uid,
        type=f"machine.{status.value}",
        severity=Severity.ALERT if bad else Severity.INFO,
        at=case.now,
        reason="scripted",
        snapshot={"machine": {"id": machine.id, "name": machine.name}},
        machine_id=machine.id,
        machine=machine.slug,
        seq=row.seq + 1,
        incident=incident,
        previous_status=row.status,
        status=status,
        last_seen=row.last_seen,
    )
    notifications = tuple(notification(event, channel, case.now + timedelta(seconds=due_at)) for channel in channels)
    liveness = replace(
        row,
        status=status,
        status_since=case.now,
        seq=row.seq + 1,
        check_at=check_at,
        back_at=None,
        incident=incident if bad else None,
    )
    return Verdict(liveness, (event,), _outages(case, status, uid), notifications)


def _outages(case: Case, status: Status, uid: str) -> tuple[Outage, ...]:
    if status is Status.OFFLINE:
        machine, began = case.standing.machine.id, case.standing.liveness.silent_since
        return (Outage(machine, began, case.now, OutageReason.SILENT, opened_by=uid),)
    if case.standing.outage is None:
        return ()
    return (replace(case.standing.outage, ended_at=case.now, end_reason=EndReason.HEARD, closed_by=uid),)


def notification(event: Event, channel: str, due_at: datetime) -> Notification:
    return Notification(
        uid=notification_uid(event.uid, channel),
        event=event.uid,
        channel=channel,
        machine_id=event.machine_id,
        incident=event.incident,
        due_at=due_at,
        created_at=event.at,
        expires_at=event.at + timedelta(hours=76),
    )


def by_rule(channels: Iterable[str] = ()) -> Decide:
    """A decide that is nearly real: silent past LIMIT is offline, heard again is online, an order is obeyed."""
    told = tuple(channels)

    def decide(case: Case) -> Verdict:
        row = case.standing.liveness
        if row.back_at is not None:
            return move(case, Status.ONLINE, row.silent_since + LIMIT, told)
        if row.status is Status.ONLINE and case.now >= row.silent_since + LIMIT:
            return move(case, Status.OFFLINE, None, told)
        return keep(case, row.silent_since + LIMIT if row.status is Status.ONLINE else None)

    return decide


def admit_all(batch: int = 1) -> Admit:
    return lambda notification, event, now, incident: Send(batch)


def lease(channels: Iterable[str], token: int = 1) -> Lease:
    return Lease("lane", "suite", token, at(1e6), frozenset(channels))


def delivered(sent: Sent) -> Aftermath:
    rows = tuple(
        replace(
            d.notification,
            state=NotificationState.DELIVERED,
            finished_at=sent.now,
            lease_token=None,
            receipt=f"receipt-{sent.attempt.id}",
        )
        for d in sent.attempt.deliveries
    )
    return Aftermath(rows, ChannelState(succeeded_at=sent.now), release=sent.state.failures > 0)


def again(due_at: datetime, cool_until: datetime | None = None, solo: bool = False) -> RetryPlan:
    """Try again at `due_at`; the channel cools down until `cool_until`."""

    def plan(sent: Sent) -> Aftermath:
        rows = tuple(
            replace(
                d.notification,
                state=NotificationState.PENDING,
                reason="busy",
                due_at=due_at,
                lease_token=None,
                solo=solo,
            )
            for d in sent.attempt.deliveries
        )
        if cool_until is None:
            return Aftermath(rows, sent.state)
        return Aftermath(rows, ChannelState(cool_until, sent.now, sent.state.failures + 1))

    return plan
