"""Writing verdicts, many at once: events first, and what hangs on an event only where that event is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from lastseen.model import Case, Event, Notification, Outage, Verdict
from lastseen.storage import dialect as sql
from lastseen.storage.rows import (
    EVENT_FIELDS,
    LIVENESS_FIELDS,
    NOTIFICATION_FIELDS,
    OUTAGE_FIELDS,
    RUN_FIELDS,
    api_keys,
    channels,
    event_values,
    events,
    liveness,
    liveness_values,
    machine_identities,
    machines,
    new_notification_values,
    notifications,
    offline_marks,
    outages,
    reports,
    run_values,
    runs,
)
from lastseen.storage.sql_held import look_again
from lastseen.storage.sqltools import bump, chunks, several


@dataclass(frozen=True, slots=True)
class Decided:
    case: Case
    verdict: Verdict

    @property
    def machine_id(self) -> int:
        return self.case.standing.machine.id


_EVENTS = sql.insert_or_ignore(events, EVENT_FIELDS, "uid")
_NOTIFICATIONS = sql.insert_or_ignore(notifications, NOTIFICATION_FIELDS)
_put_outage = sql.insert(outages)
_OUTAGES = sql.Many(
    _put_outage.on_conflict_do_update(
        index_elements=["opened_by"],
        set_={n: _put_outage.excluded[n] for n in ("ended_at", "end_reason", "closed_by", "acked_at", "acked_by")},
    ),
    *OUTAGE_FIELDS,
)
_put_run = sql.insert(runs)
_RUNS = sql.Many(
    _put_run.on_conflict_do_update(
        index_elements=["uid"],
        set_={n: _put_run.excluded[n] for n in ("ended_at", "outcome", "exit_code", "output")},
    ),
    *RUN_FIELDS,
)
_MARKS = sql.insert_or_ignore(offline_marks, ("machine_id", "notified_at", "event_id"), "machine_id")
_UNMARK = sql.Many(delete(offline_marks).where(offline_marks.c.machine_id == bindparam("of_machine")))


def write_verdicts(connection: Connection, decided: Sequence[Decided], now: datetime) -> list[Event]:
    """The events that were new, in order."""
    new, ids = write_events(connection, [event for one in decided for event in one.verdict.events])
    ids |= event_ids(connection, _named(decided) - ids.keys())
    stale = {event.uid for one in decided for event in one.verdict.events} - {event.uid for event in new}
    _write_liveness(connection, decided)
    _write_outages(connection, [o for one in decided for o in one.verdict.outages if not _hangs(o, stale)], ids)
    write_notifications(
        connection, [n for one in decided for n in one.verdict.notifications if n.event not in stale], ids
    )
    if new or any(one.case.order is not None for one in decided):
        look_again(connection, now, {one.machine_id for one in decided})
    _RUNS(connection, [run_values(run) for one in decided for run in one.verdict.runs])
    _signals_seen(connection, decided)
    _remove(connection, [one.machine_id for one in decided if one.verdict.removed], now)
    return new


def _hangs(outage: Outage, stale: set[str]) -> bool:
    return (outage.closed_by or outage.opened_by) in stale


def write_events(connection: Connection, given: Sequence[Event]) -> tuple[list[Event], dict[str, int]]:
    """Insert those that are not there yet; returns them, and the ids of all that were given.

    Their ids are reserved before they are written, so that an event may name itself as its incident, and what hangs on
    it need not ask for its id.
    """
    if not given:
        return [], {}
    ids = event_ids(connection, [event.uid for event in given])
    new = list({event.uid: event for event in given if event.uid not in ids}.values())
    if not new:
        return [], ids
    ids |= zip([event.uid for event in new], sql.of(connection).reserve_ids(connection, events, len(new)), strict=True)
    incidents = {event.incident for event in new if event.incident is not None}
    known = ids | event_ids(connection, incidents - ids.keys())
    channel_ids = ids_of_channels(connection) if any(event.channel for event in new) else {}
    rows = []
    for event in new:
        row = event_values(event, channel_ids.get(event.channel or ""))
        row["id"], row["incident_id"] = ids[event.uid], known.get(event.incident or "")
        rows.append(row)
    _EVENTS(connection, rows)
    return new, ids


_IDS = select(events.c.uid, events.c.id).where(events.c.uid.in_(several()))


def event_ids(connection: Connection, uids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(uids):
        found.update({row[0]: row[1] for row in connection.execute(_IDS, {"several": some})})
    return found


def _named(decided: Sequence[Decided]) -> set[str]:
    """All events that outages and notifications name."""
    uids = {n.event for one in decided for n in one.verdict.notifications}
    for one in decided:
        for outage in one.verdict.outages:
            uids.add(outage.opened_by)
            if outage.closed_by is not None:
                uids.add(outage.closed_by)
    return uids


def ids_of_channels(connection: Connection) -> dict[str, int]:
    """Removed ones too: their rows keep their past."""
    return {row[0]: row[1] for row in connection.execute(select(channels.c.uid, channels.c.id))}


def write_notifications(connection: Connection, rows: Sequence[Notification], event_id: Mapping[str, int]) -> None:
    if not rows:
        return
    channel_ids = ids_of_channels(connection)
    values = [
        new_notification_values(row, event_id[row.event], channel_ids[row.channel])
        for row in rows
        if row.channel in channel_ids
    ]
    _NOTIFICATIONS(connection, values)


_LIVENESS = sql.Many(
    update(liveness)
    .where(liveness.c.machine_id == bindparam("of_machine"), liveness.c.event_seq == bindparam("seq_before"))
    .values({name: bindparam(name) for name in LIVENESS_FIELDS})
)


def _write_liveness(connection: Connection, decided: Sequence[Decided]) -> None:
    rows = [
        {
            **liveness_values(one.verdict.liveness),
            "of_machine": one.machine_id,
            "seq_before": one.case.standing.liveness.seq,
        }
        for one in decided
    ]
    _LIVENESS(connection, rows)


def _write_outages(connection: Connection, given: Sequence[Outage], event_id: Mapping[str, int]) -> None:
    """Those that ended first: a machine has one open outage at most. The offline mark is there while one is open."""
    ended = [outage for outage in given if outage.ended_at is not None]
    opened = [outage for outage in given if outage.ended_at is None]
    for some in (ended, opened):
        _OUTAGES(connection, [_outage_values(outage, event_id) for outage in some])
    _UNMARK(connection, [{"of_machine": machine_id} for machine_id in sorted({o.machine_id for o in ended})])
    marks = [
        {"machine_id": o.machine_id, "notified_at": o.detected_at, "event_id": event_id[o.opened_by]} for o in opened
    ]
    _MARKS(connection, marks)


def _outage_values(outage: Outage, event_id: Mapping[str, int]) -> dict[str, Any]:
    return {
        "machine_id": outage.machine_id,
        "started_at": outage.started_at,
        "detected_at": outage.detected_at,
        "ended_at": outage.ended_at,
        "reason": outage.reason.value,
        "end_reason": outage.end_reason and outage.end_reason.value,
        "opened_by": event_id[outage.opened_by],
        "closed_by": None if outage.closed_by is None else event_id[outage.closed_by],
        "acked_at": outage.acked_at,
        "acked_by": outage.acked_by,
    }


def _signals_seen(connection: Connection, decided: Sequence[Decided]) -> None:
    for some in chunks([one.machine_id for one in decided if one.case.signals]):
        connection.execute(
            update(reports).where(reports.c.pending, reports.c.machine_id.in_(some)).values(pending=False)
        )


def _remove(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """The machine goes, its history stays. Its slug is free, its keys are refused."""
    if not ids:
        return
    for some in chunks(ids):
        connection.execute(update(machines).where(machines.c.id.in_(some)).values(deleted_at=now))
        connection.execute(delete(liveness).where(liveness.c.machine_id.in_(some)))
        connection.execute(delete(offline_marks).where(offline_marks.c.machine_id.in_(some)))
        revoke = update(api_keys).where(api_keys.c.machine_id.in_(some), api_keys.c.revoked_at.is_(None))
        connection.execute(revoke.values(revoked_at=now))
        tombstones = update(machine_identities).where(machine_identities.c.machine_id.in_(some))
        connection.execute(tombstones.values(machine_id=None, ignored=True))
        connection.execute(
            update(reports).where(reports.c.pending, reports.c.machine_id.in_(some)).values(pending=False)
        )
    bump(connection, "keys_version")
    bump(connection, "slugs_version")
