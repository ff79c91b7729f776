"""Rows to the values of the model, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.model import (
    BlindPeriod,
    BlindReason,
    Cause,
    Channel,
    ChannelState,
    EndReason,
    Event,
    Kind,
    Liveness,
    Machine,
    Notification,
    NotificationState,
    Outage,
    OutageReason,
    Run,
    RunOutcome,
    Severity,
    Status,
    preferences_from,
)
from lastseen.storage import tables
from lastseen.storage.sqltools import dumped, loaded, seconds, span, table

meta = table(tables.Meta)
kinds = table(tables.Kinds)
leases = table(tables.Leases)
nodes = table(tables.Nodes)
sources = table(tables.Sources)
listeners = table(tables.SourceListeners)
blind_periods = table(tables.BlindPeriods)
machines = table(tables.Machines)
machine_tags = table(tables.MachineTags)
machine_identities = table(tables.MachineIdentities)
api_keys = table(tables.MachineApiKeys)
liveness = table(tables.Liveness)
reports = table(tables.Reports)
latest_reports = table(tables.LatestReports)
runs = table(tables.Runs)
strangers = table(tables.Strangers)
channels = table(tables.Channels)
channel_state = table(tables.ChannelState)
events = table(tables.Events)
outages = table(tables.Outages)
offline_marks = table(tables.MachineOfflineNotifications)
notifications = table(tables.Notifications)
attempts = table(tables.DeliveryAttempts)
attempt_items = table(tables.DeliveryAttemptItems)
silences = table(tables.Silences)
invites = table(tables.Invites)
refusals = table(tables.Refusals)
users = table(tables.Users)
sessions = table(tables.Sessions)
link_tokens = table(tables.LinkTokens)
audit_log = table(tables.AuditLog)

LIVENESS_FIELDS = {
    "status": "status",
    "status_since": "status_since",
    "watch_from": "watch_from",
    "last_seen": "last_seen",
    "check_at": "check_at",
    "back_at": "back_at",
    "goodbye_at": "goodbye_at",
    "expect_at": "expect_at",
    "run_due_at": "run_due_at",
    "present": "present",
    "heard": "heard",
    "heard_before": "heard_before",
    "event_seq": "seq",
    "incident": "incident",
    "flapping_since": "flapping_since",
}
"""Columns of liveness, and the fields of Liveness that they hold."""

LIVENESS = [liveness.c[name] for name in LIVENESS_FIELDS]
KIND = [kinds.c.offline_after_s, kinds.c.every_s]
MACHINE = [
    *(machines.c.id, machines.c.uid, machines.c.slug, machines.c.name, machines.c.hostname, machines.c.description),
    *(machines.c.kind, machines.c.group_name, machines.c.every_s, machines.c.offline_after_s),
    *(machines.c.enabled, machines.c.resume_by_hand, machines.c.schedule, machines.c.timezone, machines.c.grace_s),
    machines.c.max_runtime_s,
    machines.c.owner_id,
]

EVENT_FIELDS = (
    *("id", "uid", "type", "severity", "at", "machine_id", "seq", "channel_id", "source_id", "incident_id"),
    *("previous_status", "status", "reason", "last_seen", "snapshot"),
)
OUTAGE_FIELDS = (
    *("machine_id", "started_at", "detected_at", "ended_at", "reason", "end_reason", "opened_by", "closed_by"),
    *("acked_at", "acked_by"),
)
NOTIFICATION_CHANGES = (
    *("state", "reason", "due_at", "while_open", "solo", "attempts", "rejections", "lease_token", "expires_at"),
    *("finished_at", "receipt"),
)
NOTIFICATION_FIELDS = (
    *NOTIFICATION_CHANGES,
    *("uid", "event_id", "channel_id", "machine_id", "occasion", "cause", "created_at"),
)

_STATUS = {status.value: status for status in Status}


def as_machine(row: Any, tags: tuple[str, ...]) -> Machine:
    """From the columns of MACHINE."""
    return Machine(
        id=row[0],
        uid=row[1],
        slug=row[2],
        name=row[3],
        hostname=row[4],
        description=row[5],
        kind=row[6],
        group=row[7],
        tags=tags,
        every=span(row[8]),
        offline_after=span(row[9]),
        enabled=row[10],
        resume_by_hand=row[11],
        schedule=row[12],
        timezone=row[13],
        grace=span(row[14]),
        max_runtime=span(row[15]),
        owner=row[16],
    )


def machine_values(machine: Machine) -> dict[str, Any]:
    """What people can change, as column values."""
    return {
        "name": machine.name,
        "hostname": machine.hostname,
        "description": machine.description,
        "kind": machine.kind,
        "group_name": machine.group,
        "every_s": seconds(machine.every),
        "offline_after_s": seconds(machine.offline_after),
        "enabled": machine.enabled,
        "resume_by_hand": machine.resume_by_hand,
        "schedule": machine.schedule,
        "timezone": machine.timezone,
        "grace_s": seconds(machine.grace),
        "max_runtime_s": seconds(machine.max_runtime),
        "owner_id": machine.owner,
    }


def as_kind(name: str, offline_after_s: float | None, every_s: float | None) -> Kind:
    return Kind(name, span(offline_after_s), span(every_s))


def as_liveness(row: Any) -> Liveness:
    """From the columns of LIVENESS."""
    return Liveness(
        status=_STATUS[row[0]],
        status_since=row[1],
        watch_from=row[2],
        last_seen=row[3],
        check_at=row[4],
        back_at=row[5],
        goodbye_at=row[6],
        expect_at=row[7],
        run_due_at=row[8],
        present=row[9],
        heard=row[10],
        heard_before=row[11],
        seq=row[12],
        incident=row[13],
        flapping_since=row[14],
    )


def liveness_values(row: Liveness) -> dict[str, Any]:
    return {
        "status": row.status.value,
        "status_since": row.status_since,
        "watch_from": row.watch_from,
        "last_seen": row.last_seen,
        "check_at": row.check_at,
        "back_at": row.back_at,
        "goodbye_at": row.goodbye_at,
        "expect_at": row.expect_at,
        "run_due_at": row.run_due_at,
        "present": row.present,
        "heard": row.heard,
        "heard_before": row.heard_before,
        "event_seq": row.seq,
        "incident": row.incident,
        "flapping_since": row.flapping_since,
    }


def as_outage(row: Any, opened_by: str, closed_by: str | None) -> Outage:
    return Outage(
        machine_id=row.machine_id,
        started_at=row.started_at,
        detected_at=row.detected_at,
        reason=OutageReason(row.reason),
        opened_by=opened_by,
        ended_at=row.ended_at,
        end_reason=None if row.end_reason is None else EndReason(row.end_reason),
        closed_by=closed_by,
        acked_at=row.acked_at,
        acked_by=row.acked_by,
    )


RUN_FIELDS = ("uid", "machine_id", "run", "started_at", "ended_at", "outcome", "exit_code", "output")


def as_run(row: Any) -> Run:
    outcome = None if row.outcome is None else RunOutcome(row.outcome)
    return Run(row.uid, row.machine_id, row.run, row.started_at, row.ended_at, outcome, row.exit_code, row.output)


def run_values(run: Run) -> dict[str, Any]:
    return {
        "uid": run.uid,
        "machine_id": run.machine_id,
        "run": run.run,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "outcome": run.outcome and run.outcome.value,
        "exit_code": run.exit_code,
        "output": run.output,
    }


def as_blind_period(row: Any) -> BlindPeriod:
    return BlindPeriod(row.source_id, row.started_at, row.ended_at, BlindReason(row.reason))


def as_channel(row: Any) -> Channel:
    """From a row of channels with the lane of its state."""
    return Channel(
        uid=row.uid,
        name=row.name,
        type=row.type,
        id=row.id,
        config=loaded(row.config),
        enabled=row.enabled,
        disabled_by=row.disabled_by,
        disabled_reason=row.disabled_reason,
        owner_id=row.owner_id,
        lane=row.lane or "",
        version=row.version,
        prefs=preferences_from(loaded(row.prefs)),
        fallback=row.fallback,
    )


def as_channel_state(row: Any) -> ChannelState:
    return ChannelState(row.ready_at, row.failing_since, row.failures, row.succeeded_at)


def event_values(event: Event, channel_id: int | None) -> dict[str, Any]:
    """All but its id and its incident's, which may be an event of the same batch."""
    return {
        "uid": event.uid,
        "type": event.type,
        "severity": event.severity.value,
        "at": event.at,
        "machine_id": event.machine_id,
        "seq": event.seq,
        "channel_id": channel_id,
        "source_id": event.source,
        "previous_status": event.previous_status and event.previous_status.value,
        "status": event.status and event.status.value,
        "reason": event.reason,
        "last_seen": event.last_seen,
        "snapshot": dumped(event.snapshot),
    }


def as_event(row: Any, machine: str | None, channel: str | None, incident: str | None) -> Event:
    return Event(
        uid=row.uid,
        type=row.type,
        severity=Severity(row.severity),
        at=row.at,
        reason=row.reason,
        snapshot=loaded(row.snapshot),
        machine_id=row.machine_id,
        machine=machine,
        seq=row.seq,
        incident=incident,
        previous_status=row.previous_status and Status(row.previous_status),
        status=row.status and Status(row.status),
        last_seen=row.last_seen,
        channel=channel,
        source=row.source_id,
    )


def notification_values(row: Notification) -> dict[str, Any]:
    """What changes in the life of a notification."""
    return {
        "state": row.state.value,
        "reason": row.reason,
        "due_at": row.due_at,
        "while_open": row.while_open,
        "solo": row.solo,
        "attempts": row.attempts,
        "rejections": row.rejections,
        "lease_token": row.lease_token,
        "expires_at": row.expires_at,
        "finished_at": row.finished_at,
        "receipt": row.receipt,
    }


def new_notification_values(row: Notification, event_id: int, channel_id: int) -> dict[str, Any]:
    return {
        **notification_values(row),
        "uid": row.uid,
        "event_id": event_id,
        "channel_id": channel_id,
        "machine_id": row.machine_id,
        "occasion": row.occasion,
        "cause": row.cause.value,
        "created_at": row.created_at,
    }


def as_notification(row: Any, identity: Mapping[str, str | None]) -> Notification:
    """`identity`: the uids of its event, channel and incident."""
    return Notification(
        uid=row.uid,
        event=identity["event"] or "",
        channel=identity["channel"] or "",
        due_at=row.due_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
        machine_id=row.machine_id,
        incident=identity["incident"],
        occasion=row.occasion,
        cause=Cause(row.cause),
        state=NotificationState(row.state),
        reason=row.reason,
        while_open=row.while_open,
        solo=row.solo,
        attempts=row.attempts,
        rejections=row.rejections,
        lease_token=row.lease_token,
        finished_at=row.finished_at,
        receipt=row.receipt,
    )
