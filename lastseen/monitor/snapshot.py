"""What messages are rendered from, whenever that is: JSON values only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model import Liveness, Machine, Outage, Run, Status
from lastseen.monitor.calendar import Due
from lastseen.monitor.deadline import Threshold
from lastseen.monitor.runs import Runs, grace_of, length, runtime_of
from lastseen.storage.fold import last_line


def whole_seconds(span: timedelta) -> int | float:
    """Seconds, as an int where they are whole."""
    seconds = span.total_seconds()
    return int(seconds) if seconds == int(seconds) else seconds


def of_machine(machine: Machine, limit: Threshold, row: Liveness, to: Status | None) -> dict[str, Any]:
    """The machine as it is when it becomes `to` (None: removed)."""
    return {
        "machine": {
            "id": machine.id,
            "name": machine.name,
            "hostname": machine.hostname,
            "description": machine.description,
            "status": "removed" if to is None else to.value,
            "last_seen": rfc3339(row.last_seen),
        },
        "slug": machine.slug,
        "kind": machine.kind,
        "group": machine.group,
        "tags": list(machine.tags),
        "offline_after_seconds": None if limit.limit is None else whole_seconds(limit.limit),
        "limit_from": limit.origin,
    }


def of_outage(outage: Outage) -> dict[str, Any]:
    """When it began, was noticed and ended (None: it lasts), its seconds and its reason."""
    return {
        "started_at": rfc3339(outage.started_at),
        "detected_at": rfc3339(outage.detected_at),
        "ended_at": rfc3339(outage.ended_at),
        "seconds": None if outage.ended_at is None else whole_seconds(outage.ended_at - outage.started_at),
        "reason": outage.reason.value,
    }


def of_due(due: Due, machine: Machine, runs: Runs) -> dict[str, Any]:
    """The time of a schedule that was missed."""
    success = runs.last_success()
    until = due.at + grace_of(machine)
    return {
        "at": rfc3339(due.at),
        "until": rfc3339(until),
        "note": due.note,
        "last_success": success and rfc3339(success.ended_at),
    }


def of_run(run: Run, machine: Machine, runs: Runs, now: datetime) -> dict[str, Any]:
    """One run, and how it compares with those before it."""
    took, usual, success = length(run, now), runs.usual(), runs.last_success(but=run)
    return {
        "name": run.run,
        "started_at": rfc3339(run.started_at),
        "ended_at": rfc3339(run.ended_at),
        "seconds": took and whole_seconds(took),
        "exit_code": run.exit_code,
        "outcome": run.outcome and run.outcome.value,
        "last_line": last_line(run.output),
        "allowed_seconds": whole_seconds(runtime_of(machine)),
        "usual_seconds": usual and whole_seconds(usual),
        "failures_in_row": runs.failures_in_row(),
        "last_success": success and rfc3339(success.ended_at),
        "was_overdue": runs.was_overdue(run),
    }
