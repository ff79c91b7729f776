"""What is written down of one machine around a moment: everything read by an index, and bounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select, true

from lastseen.errors import UnknownMachine
from lastseen.model import (
    ENDINGS,
    BlindPeriod,
    Event,
    Kind,
    Liveness,
    MachineRef,
    Outage,
    Severity,
    Silence,
    Standing,
    Status,
    replace,
)
from lastseen.model.story import Facts, RefusedKey, Told, Try
from lastseen.model.wishes import matchable
from lastseen.storage.rows import (
    MACHINE,
    api_keys,
    as_blind_period,
    as_machine,
    as_outage,
    attempt_items,
    attempts,
    blind_periods,
    channel_state,
    channels,
    events,
    machines,
    notifications,
    outages,
    silences,
    sources,
)
from lastseen.storage.sql_cases import find_ids, standings
from lastseen.storage.sql_deliveries import read_events
from lastseen.storage.sql_history import machine_id_of
from lastseen.storage.sql_refusals import as_refused, by_key
from lastseen.storage.sql_wishes import as_silence
from lastseen.storage.sqltools import chunks

EVENTS, TOLD, TRIES, OTHERS = 100, 300, 5, 20
"""Most events of an incident, notifications of them, attempts of each of those; and of anything else."""

NEAR = timedelta(days=1)
"""Of a quiet time, which may last for years, so much around the moment is looked at for what is no event."""


def account(connection: Connection, ref: MachineRef, since: datetime, until: datetime, now: datetime) -> Facts:
    """`Accounts.account`."""
    ids = find_ids(connection, [ref])
    removed_at = None
    if ref in ids:
        standing = standings(connection, [ids[ref]])[ids[ref]]
    else:
        standing, removed_at = _remains(connection, ref)
    incident = _incident(connection, standing.machine.id, since, until)
    if incident is None:
        return replace(_quiet(connection, standing, since, until, now), removed_at=removed_at)
    return replace(_of_incident(connection, standing, incident, now), removed_at=removed_at)


def _remains(connection: Connection, ref: MachineRef) -> tuple[Standing, datetime]:
    """What is left of a machine that was removed, and when it was: its row and its events; how it stood is gone. Raises
    UnknownMachine."""
    machine_id = machine_id_of(connection, ref)
    query = select(*MACHINE, machines.c.created_at, machines.c.deleted_at).where(machines.c.id == machine_id)
    row = connection.execute(query).one()
    if row.deleted_at is None:
        raise UnknownMachine(ref)
    machine = as_machine(row, ())
    liveness = Liveness(Status.PAUSED, status_since=row.deleted_at, watch_from=row.created_at)
    return Standing(machine, Kind(machine.kind), liveness), row.deleted_at


def _incident(connection: Connection, machine_id: int, since: datetime, until: datetime) -> int | None:
    """The newest that was noticed in the span, else whose outage touches it, else that was open then by its events."""
    noticed = (events.c.id == events.c.incident_id) & events.c.at.between(since, until)
    noticed &= events.c.seq > _newest_before(events.c.seq, events.c.machine_id == machine_id, events.c.at < since)
    opener = _nearest(connection, machine_id, noticed, newest=True)
    if opener is not None:
        return int(opener.id)
    over = outages.c.ended_at < since
    by_outage = (
        select(events.c.incident_id)
        .join(outages, outages.c.opened_by == events.c.id)
        .where(outages.c.machine_id == machine_id, outages.c.started_at <= until)
        .where(outages.c.id > _newest_before(outages.c.id, outages.c.machine_id == machine_id, over))
        .where(or_(outages.c.ended_at.is_(None), outages.c.ended_at >= since))
        .order_by(outages.c.id.desc())
        .limit(1)
    )
    found: int | None = connection.execute(by_outage).scalar()
    if found is not None:
        return found
    row = _nearest(connection, machine_id, events.c.at <= until, newest=True)
    return None if row is None or (_ends(row) and row.at < since) else row.incident_id


def _newest_before(number: Any, *which: Any) -> Any:
    """Where what is looked for begins: a machine has its events and outages one after the other, a hundred thousand
    perhaps, of which no older ones are read then."""
    query = select(number).where(*which).order_by(number.desc()).limit(1).correlate(None)
    return func.coalesce(query.scalar_subquery(), 0)


def _nearest(connection: Connection, machine_id: int, condition: Any, newest: bool) -> Any:
    """The machine's event of an incident that is the newest, or the oldest, of those."""
    order = events.c.seq.desc() if newest else events.c.seq
    query = select(events).where(events.c.machine_id == machine_id, events.c.incident_id.is_not(None), condition)
    return connection.execute(query.order_by(order).limit(1)).first()


def _ends(row: Any) -> bool:
    return row.type in ENDINGS and row.severity == Severity.INFO.value


def _of_incident(connection: Connection, standing: Standing, incident: int, now: datetime) -> Facts:
    rows = connection.execute(
        select(events.c.id, events.c.uid, events.c.at, events.c.type, events.c.severity)
        .where(events.c.incident_id == incident)
        .order_by(events.c.id)
        .limit(EVENTS + 1)
    ).all()
    kept = rows[:EVENTS]
    found = _outages(connection, [row.id for row in kept])
    start = min([kept[0].at, *(one.started_at for one in found)])
    end = next((row.at for row in reversed(kept) if _ends(row)), None)
    told, cut = _told(connection, [row.id for row in kept])
    return _around(
        connection,
        standing,
        (start, end or now),
        start=start,
        end=end,
        incident=kept[0].uid,
        outages=found,
        told=told,
        cut=cut or len(rows) > EVENTS,
        **_happened(connection, kept),
    )


def _quiet(connection: Connection, standing: Standing, since: datetime, until: datetime, now: datetime) -> Facts:
    machine_id = standing.machine.id
    before = _nearest(connection, machine_id, events.c.at < since, newest=True)
    mine = events.c.machine_id == machine_id
    later = events.c.seq > _newest_before(events.c.seq, mine, events.c.at <= until)
    after = _nearest(connection, machine_id, later & (events.c.at > until), newest=False)
    made = connection.execute(select(machines.c.created_at).where(machines.c.id == machine_id)).scalar_one()
    start, end = (made if before is None else before.at), (None if after is None else after.at)
    near = (max(start, since - NEAR), min(end or now, until + NEAR))
    begins = events.c.seq > _newest_before(events.c.seq, mine, events.c.at < start)
    span = select(events.c.id, events.c.uid).where(mine, events.c.incident_id.is_(None), begins)
    span = span.where(events.c.at >= start, events.c.at < end if end is not None else true())
    rows = connection.execute(span.order_by(events.c.seq.desc()).limit(OTHERS + 1)).all()
    kept = rows[:OTHERS][::-1]
    told, cut = _told(connection, [row.id for row in kept])
    uids = {row.id: row.uid for row in (before, after) if row is not None}
    known = read_events(connection, uids)
    return _around(
        connection,
        standing,
        near,
        start=start,
        end=end,
        told=told,
        before=None if before is None else known[before.uid],
        after=None if after is None else known[after.uid],
        cut=cut or len(rows) > OTHERS,
        **_happened(connection, kept),
    )


def _around(connection: Connection, standing: Standing, span: tuple[datetime, datetime], **known: Any) -> Facts:
    """With what was so in that span whatever happened."""
    heard = standing.liveness.heard | standing.liveness.heard_before
    bits = [bit for bit in range(heard.bit_length()) if heard >> bit & 1]
    enabled = select(func.count()).select_from(channels).where(channels.c.deleted_at.is_(None), channels.c.enabled)
    return Facts(
        standing=standing,
        refused=tuple(_refused(connection, standing.machine.id, *span)),
        blind=tuple(_blind(connection, bits, *span)),
        silences=tuple(_silences(connection, standing, *span)),
        names={row.id: row.name for row in connection.execute(select(sources.c.id, sources.c.name))},
        channels=connection.execute(enabled).scalar_one(),
        **known,
    )


def _happened(connection: Connection, rows: Sequence[Any]) -> dict[str, Any]:
    known: dict[str, Event] = read_events(connection, [row.id for row in rows])
    return {"events": tuple(known[row.uid] for row in rows), "numbers": {row.uid: row.id for row in rows}}


def _outages(connection: Connection, event_ids: Collection[int]) -> tuple[Outage, ...]:
    opened, closed = events.alias("opened"), events.alias("closed")
    query = (
        select(outages, opened.c.uid.label("opened_uid"), closed.c.uid.label("closed_uid"))
        .join(opened, opened.c.id == outages.c.opened_by)
        .outerjoin(closed, closed.c.id == outages.c.closed_by)
        .where(outages.c.opened_by.in_(list(event_ids)))
        .order_by(outages.c.id)
    )
    return tuple(as_outage(row, row.opened_uid, row.closed_uid) for row in connection.execute(query))


# --- who was told -----------------------------------------------------------------------------------------------------


def _told(connection: Connection, event_ids: Collection[int]) -> tuple[tuple[Told, ...], bool]:
    """And whether there are more."""
    query = (
        select(
            notifications,
            events.c.uid.label("event_uid"),
            *(channels.c.name, channels.c.type, channels.c.owner_id),
            case((channel_state.c.failures > 0, channel_state.c.ready_at)).label("ready_at"),
        )
        .join(events, events.c.id == notifications.c.event_id)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .outerjoin(channel_state, channel_state.c.channel_id == channels.c.id)
        .where(notifications.c.event_id.in_(list(event_ids)))
        .order_by(notifications.c.event_id, notifications.c.id)
        .limit(TOLD + 1)
    )
    rows = connection.execute(query).all()
    tries = _tries(connection, [row.id for row in rows[:TOLD]])
    return tuple(_as_told(row, tries[row.id]) for row in rows[:TOLD]), len(rows) > TOLD


def _tries(connection: Connection, ids: Sequence[int]) -> dict[int, list[Try]]:
    newest = func.row_number().over(
        partition_by=attempt_items.c.notification_id, order_by=attempt_items.c.attempt_id.desc()
    )
    found: dict[int, list[Try]] = defaultdict(list)
    for some in chunks(ids):
        numbered = (
            select(attempt_items, newest.label("number")).where(attempt_items.c.notification_id.in_(some)).subquery()
        )
        query = (
            select(numbered.c.notification_id, attempts.c.started_at, attempts.c.outcome, attempts.c.detail)
            .join(attempts, attempts.c.id == numbered.c.attempt_id)
            .where(numbered.c.number <= TRIES)
            .order_by(attempts.c.id)
        )
        for row in connection.execute(query):
            found[row.notification_id].append(Try(row.started_at, row.outcome or "", row.detail or ""))
    return found


def _as_told(row: Any, tries: Sequence[Try]) -> Told:
    return Told(
        uid=row.uid,
        event=row.event_uid,
        channel=row.name,
        channel_type=row.type,
        cause=row.cause,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        id=row.id,
        tries=tuple(tries),
        owner=row.owner_id,
        ready_at=row.ready_at,
    )


# --- what was so ------------------------------------------------------------------------------------------------------


def _refused(connection: Connection, machine_id: int, start: datetime, end: datetime) -> list[RefusedKey]:
    """Its own keys, and those that report for many machines: it may be one of them."""
    shared = and_(api_keys.c.machine_id.is_(None), api_keys.c.scope.in_(("fleet", "ping")))
    query = by_key(start, end).where(or_(api_keys.c.machine_id == machine_id, shared))
    rows = connection.execute(query.limit(OTHERS)).all()
    return [as_refused(row, _replaced(connection, row)) for row in rows]


def _replaced(connection: Connection, row: Any) -> bool:
    """A key is revoked at the very moment when the one that replaces it is first used."""
    if row.machine_id is None or row.revoked_at is None:
        return False
    newer = select(api_keys.c.id).where(
        api_keys.c.id > row.key_id,
        api_keys.c.machine_id == row.machine_id,
        api_keys.c.scope == row.scope,
        api_keys.c.first_used_at == row.revoked_at,
    )
    return connection.execute(newer.limit(1)).scalar() is not None


def _blind(connection: Connection, heard: Sequence[int], start: datetime, end: datetime) -> list[BlindPeriod]:
    """Of the sources that it is heard on; of all, while it was heard on none."""
    listening = heard or list(connection.execute(select(sources.c.id)).scalars())
    lasted = or_(blind_periods.c.ended_at > start, blind_periods.c.ended_at.is_(None))
    query = (
        select(blind_periods)
        .where(blind_periods.c.source_id.in_(listening), lasted, blind_periods.c.started_at < end)
        .order_by(blind_periods.c.started_at.desc())
        .limit(OTHERS)
    )
    return [as_blind_period(row) for row in connection.execute(query).all()][::-1]


def _silences(connection: Connection, standing: Standing, start: datetime, end: datetime) -> list[Silence]:
    snapshot = matchable(standing.machine)
    query = select(silences).where(silences.c.ends_at > start, silences.c.starts_at < end)
    rows = connection.execute(query.order_by(silences.c.ends_at.desc()).limit(OTHERS * 10))
    fitting = [one for one in map(as_silence, rows) if one.matcher.misses(snapshot) is None]
    return fitting[:OTHERS][::-1]
