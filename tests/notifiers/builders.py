"""Events and deliveries as the monitor makes them, for the tests of notifiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lastseen.model import Delivery, Event, Message, Notification, Outage, OutageReason, Severity, Status
from lastseen.notifiers.message import render

UNSET: Any = object()


def at(clock: str, day: int = 10) -> datetime:
    """`03:00:12` in October 2025, UTC; the 10th is a Friday."""
    hour, minute, second = (*map(int, clock.split(":")), 0)[:3]
    return datetime(2025, 10, day, hour, minute, second, tzinfo=UTC)


def text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def event(type_: str, when: datetime, name: str = "db-01", machine_id: int = 1, **changes: Any) -> Event:
    """An event of a machine. Further keywords replace parts of the snapshot, or of the event."""
    fields = {
        "uid": f"e-{type_}-{machine_id}-{when.timestamp():.0f}",
        "severity": Severity.ALERT if type_.endswith(("offline", "error", "failing")) else Severity.INFO,
        "reason": "silent",
        "seq": 17,
        "incident": "e-incident",
        "previous_status": Status.ONLINE,
        "status": Status.OFFLINE,
        "machine": name,
    }
    fields.update({key: changes.pop(key) for key in list(changes) if key in fields})
    snapshot = {
        "machine": {
            "id": machine_id,
            "name": name,
            "hostname": changes.pop("hostname", ""),
            "description": changes.pop("description", ""),
            "status": "offline",
            "last_seen": text(changes.pop("last_seen", None)),
        },
        "slug": name,
        "kind": "server",
        "group": "http",
        "tags": [],
        "offline_after_seconds": 120,
        "limit_from": "the default",
        "outage": None,
        "since": None,
        "message": "",
        **changes,
    }
    return Event(type=type_, at=when, snapshot=snapshot, machine_id=machine_id, **fields)


def offline(
    name: str = "db-01", machine_id: int = 1, since: str = "03:00:12", noticed: str = "03:02:12", **changes: Any
) -> Event:
    outage = {
        "started_at": text(at(since)),
        "detected_at": text(at(noticed)),
        "ended_at": None,
        "seconds": None,
        "reason": changes.get("reason", "silent"),
    }
    given = {"last_seen": at(since), "since": text(at(since)), "outage": outage, **changes}
    return event("machine.offline", at(noticed), name, machine_id, **given)


def online(
    name: str = "db-01", machine_id: int = 1, since: str = "03:00:12", until: str = "03:40:00", **changes: Any
) -> Event:
    outage = {
        "started_at": text(at(since)),
        "detected_at": None,
        "ended_at": text(at(until)),
        "seconds": (at(until) - at(since)).total_seconds(),
        "reason": "silent",
    }
    given = {
        "last_seen": at(until),
        "since": text(at(since)),
        "outage": outage,
        "previous_status": Status.OFFLINE,
        "status": Status.ONLINE,
        **changes,
    }
    return event("machine.online", at(until), name, machine_id, **given)


def delivery(
    of: Event, ended: datetime | None = None, outage: Outage | None = UNSET, reply_to: str | None = None
) -> Delivery:
    """`ended`: its outage was over by then."""
    if outage is UNSET:
        begun = of.snapshot.get("outage")
        outage = begun and Outage(
            of.machine_id or 0,
            datetime.fromisoformat(begun["started_at"]),
            of.at,
            OutageReason(begun["reason"]),
            opened_by=of.uid,
            ended_at=ended,
        )
    return Delivery(
        Notification(
            uid=f"n-{of.uid}",
            event=of.uid,
            channel="c-1",
            due_at=of.at,
            created_at=of.at,
            expires_at=of.at + timedelta(hours=76),
            machine_id=of.machine_id,
        ),
        of,
        outage,
        reply_to,
    )


def message(of: Event | None = None, **changes: Any) -> Message:
    """A message as the dispatcher would hand it on."""
    of = of or offline()
    words = {"title": "🔴 db-01 offline since 03:00", "text": "🔴 db-01 offline since 03:00\nbody", "html": "<b>x</b>"}
    return Message(events=(of,), id=f"n-{of.uid}", **{"wall": of.at, **words, **changes})


def read(*deliveries: Delivery, now: datetime, **options: Any) -> list[str]:
    """The message of these, line by line, in UTC unless another zone is given."""
    return render(list(deliveries), now, **{"tz": UTC, **options}).text.splitlines()
