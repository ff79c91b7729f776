"""What becomes of the machines of a small world, as it is told: their events, outages and notifications."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from lastseen.model import (
    Acknowledge,
    Case,
    Channel,
    EndReason,
    Event,
    EventType,
    Outage,
    OutageReason,
    Severity,
    Status,
    Verdict,
    event_uid,
    replace,
)
from lastseen.monitor.audience import notify

MACHINES = {"a1": ("north", ()), "a2": ("north", ("urgent",)), "a3": ("north", ()), "b1": ("south", ("home",))}
"""Each with its group and its tags."""

EVENT_LIVES = timedelta(hours=76)


class Script:
    """`wanted`: the state that each machine is found in next."""

    wanted: dict[str, Status]
    channels: tuple[Channel, ...]

    def _decide(self, case: Case) -> Verdict:
        row, machine, now = case.standing.liveness, case.standing.machine, case.now
        outage = case.standing.outage
        after = self.wanted[machine.slug]
        if row.status is Status.PROVISIONING:
            return Verdict(replace(row, status=Status.ONLINE, status_since=now, last_seen=now))
        if isinstance(case.order, Acknowledge):
            return self._seen(case, case.order.by)
        if row.status is after:
            return Verdict(row)
        uid, bad = event_uid(machine.uid, row.seq + 1), after is not Status.ONLINE
        incident = row.incident or uid
        event = Event(
            uid=uid,
            type=f"machine.{after.value}",
            severity=Severity.ALERT if bad else Severity.INFO,
            at=now,
            reason="scripted",
            snapshot=self._snapshot(machine, now),
            machine_id=machine.id,
            machine=machine.slug,
            seq=row.seq + 1,
            incident=incident,
            previous_status=row.status,
            status=after,
            last_seen=row.last_seen,
        )
        outages = ()
        if after is Status.OFFLINE:
            outages = (Outage(machine.id, now, now, OutageReason.SILENT, opened_by=uid),)
        elif outage is not None:
            outages = (replace(outage, ended_at=now, end_reason=EndReason.HEARD, closed_by=uid),)
        rows = notify(event, case.channels or self.channels, case.told, EVENT_LIVES)
        after_it = replace(
            row, status=after, status_since=now, seq=row.seq + 1, incident=incident if bad else None, back_at=None
        )
        return Verdict(after_it, (event,), outages, rows)

    def _seen(self, case: Case, by: str) -> Verdict:
        """Somebody has seen its alert: an event, told to those who want everything."""
        row, machine = case.standing.liveness, case.standing.machine
        if row.incident is None:
            return Verdict(row)
        event = Event(
            uid=event_uid(machine.uid, row.seq + 1),
            type=EventType.ACKNOWLEDGED.value,
            severity=Severity.INFO,
            at=case.now,
            reason=by,
            snapshot=self._snapshot(machine, case.now),
            machine_id=machine.id,
            machine=machine.slug,
            seq=row.seq + 1,
            incident=row.incident,
            previous_status=row.status,
            status=row.status,
        )
        rows = notify(event, case.channels or self.channels, case.told, EVENT_LIVES)
        return Verdict(replace(row, seq=row.seq + 1), (event,), (), rows)

    def _snapshot(self, machine: Any, now: datetime) -> dict[str, Any]:
        group, tags = MACHINES[machine.slug]
        since = now.isoformat().replace("+00:00", "Z")
        seen = {"id": machine.id, "name": machine.slug, "hostname": "", "description": "", "last_seen": since}
        outage = {"started_at": since, "detected_at": since, "ended_at": None, "seconds": None, "reason": "silent"}
        told = {"machine": seen, "slug": machine.slug, "kind": "server", "group": group, "tags": list(tags)}
        more = {
            "offline_after_seconds": 120,
            "limit_from": "the default",
            "outage": outage,
            "since": since,
            "message": "",
        }
        return {**told, **more}
