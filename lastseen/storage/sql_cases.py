"""Reading what a decision may look at, for many machines at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select

from lastseen.model import (
    HEARD_OF_IT,
    KNOWN_SLUG,
    Beat,
    BlindPeriod,
    Case,
    Channel,
    ChannelState,
    Event,
    EventType,
    Machine,
    MachineRef,
    Order,
    Outage,
    Run,
    Said,
    Signal,
    Standing,
    Status,
    replace,
)
from lastseen.storage.asking import Ask
from lastseen.storage.fold import RUNS, signal_of
from lastseen.storage.rows import (
    KIND,
    LIVENESS,
    MACHINE,
    as_blind_period,
    as_channel,
    as_channel_state,
    as_event,
    as_kind,
    as_liveness,
    as_machine,
    as_outage,
    as_run,
    blind_periods,
    channel_state,
    channels,
    events,
    kinds,
    liveness,
    machine_tags,
    machines,
    notifications,
    outages,
    reports,
    runs,
)
from lastseen.storage.sqltools import chunks, is_id, several

_SAID = {said.value: said for said in Said}
_opened, _first, _later = events.alias("opened"), events.alias("first_of"), events.alias("later")

STANDING: Select[Any] = (
    select(*MACHINE, *KIND, *LIVENESS)
    .select_from(liveness)
    .join(machines, machines.c.id == liveness.c.machine_id)
    .join(kinds, kinds.c.name == machines.c.kind)
    .where(machines.c.deleted_at.is_(None), liveness.c.machine_id.in_(several()))
)
_KIND_AT, _LIVENESS_AT = len(MACHINE), len(MACHINE) + len(KIND)


def due_ids(connection: Connection, now: datetime, limit: int) -> list[int]:
    """Machines to decide on, the longest due first."""
    due = select(liveness.c.machine_id).where(liveness.c.check_at <= now)
    rows = connection.execute(due.order_by(liveness.c.check_at, liveness.c.machine_id).limit(limit))
    return [row[0] for row in rows]


def take_due(connection: Connection, now: datetime, limit: int, *, back: bool = False) -> list[int]:
    """The same, locked: what another transaction has locked is its to decide on, or is just being heard, and is looked
    at next time. What is read of them after this is as it will stay. `back`: only those that were heard again."""
    due = select(liveness.c.machine_id).where(liveness.c.check_at <= now)
    if back:
        due = due.where(liveness.c.back_at.is_not(None))
    first = due.order_by(liveness.c.check_at, liveness.c.machine_id).limit(limit)
    rows = connection.execute(first.with_for_update(key_share=True, skip_locked=True))
    return [row[0] for row in rows]


_HOLD = (
    select(liveness.c.machine_id)
    .where(liveness.c.machine_id.in_(several()))
    .order_by(liveness.c.machine_id)
    .with_for_update(key_share=True)
)


def hold(connection: Connection, ids: Iterable[int]) -> None:
    """Lock these, in the one order in which everybody who waits for locks does."""
    for some in chunks(sorted(set(ids))):
        connection.execute(_HOLD, {"several": some})


_BY_SLUG = select(machines.c.slug, machines.c.id).where(machines.c.slug.in_(several()), machines.c.deleted_at.is_(None))
_BY_ID = select(machines.c.id).where(machines.c.id.in_(several()), machines.c.deleted_at.is_(None))


def find_ids(connection: Connection, refs: Iterable[MachineRef]) -> dict[MachineRef, int]:
    """Ids of machines that are there, by what they were asked for."""
    wanted = list(dict.fromkeys(refs))
    found: dict[MachineRef, int] = {}
    for slugs in chunks([ref for ref in wanted if isinstance(ref, str) and KNOWN_SLUG.fullmatch(ref)]):
        found.update({row[0]: row[1] for row in connection.execute(_BY_SLUG, {"several": slugs})})
    for ids in chunks([ref for ref in wanted if isinstance(ref, int) and is_id(ref)]):
        found.update({row[0]: row[0] for row in connection.execute(_BY_ID, {"several": ids})})
    return found


def standings(connection: Connection, ids: Sequence[int]) -> dict[int, Standing]:
    """What is known of these machines, in the order of `ids`."""
    tags, open_outages = _tags(connection, ids), _open_outages(connection, ids)
    found: dict[int, Standing] = {}
    for some in chunks(ids):
        for row in connection.execute(STANDING, {"several": some}).all():  # one fetch, not one a row
            machine = as_machine(row, tuple(tags.get(row[0], ())))
            found[machine.id] = Standing(
                machine,
                as_kind(machine.kind, row[_KIND_AT], row[_KIND_AT + 1]),
                as_liveness(row[_LIVENESS_AT:]),
                open_outages.get(machine.id),
            )
    found |= _seen_errors(connection, [one for one in found.values() if one.liveness.status is Status.ERROR])
    return {machine_id: found[machine_id] for machine_id in ids if machine_id in found}


_ERROR_WORDS = (
    select(_first.c.uid, _later.c.type, _later.c.at, _later.c.reason)
    .select_from(_first)
    .join(_later, _later.c.incident_id == _first.c.id)
    .where(_first.c.uid.in_(several()))
    .where(or_(_later.c.type == EventType.ACKNOWLEDGED.value, _later.c.severity == literal_column("'alert'")))
    .order_by(_later.c.id)
)


def _seen_errors(connection: Connection, given: Sequence[Standing]) -> dict[int, Standing]:
    """Those of these that somebody has acknowledged: the newest word of the incident is that, and no alert."""
    newest: dict[str, Any] = {}
    for some in chunks([one.liveness.incident for one in given if one.liveness.incident is not None]):
        for row in connection.execute(_ERROR_WORDS, {"several": some}).all():
            newest[row.uid] = row
    seen = {uid: row for uid, row in newest.items() if row.type == EventType.ACKNOWLEDGED}
    return {
        one.machine.id: replace(one, error_acked_at=seen[incident].at, error_acked_by=seen[incident].reason)
        for one in given
        if (incident := one.liveness.incident or "") in seen
    }


def cases(connection: Connection, ids: Sequence[int], now: datetime, order: Order | None = None) -> dict[int, Case]:
    """Everything that `decide` may look at, read in the transaction that will write the verdicts. Good as long as that
    lasts: what few decisions look at is read when they do."""
    return {
        machine_id: replace(
            case,
            newest_events=partial(newest_events, connection, case.standing.machine),
            began_to_flap=partial(began_to_flap, connection, case.standing.machine),
            told_of=partial(_heard_of, connection),
        )
        for machine_id, case in foreseen(connection, ids, now, order).items()
    }


def foreseen(connection: Connection, ids: Sequence[int], now: datetime, order: Order | None = None) -> dict[int, Case]:
    """The same without what is read later."""
    known = standings(connection, ids)
    signals = _signals(connection, ids)
    shown = tuple(all_channels(connection))
    told = told_of(connection, [s.liveness.incident for s in known.values() if s.liveness.incident])
    blind = _blind(connection, known.values())
    told_of_runs = [i for i, s in known.items() if s.liveness.run_due_at or s.machine.kind == "job" or i in signals]
    their_runs = newest_runs_of(connection, told_of_runs)
    return {
        machine_id: Case(
            standing=standing,
            now=now,
            signals=tuple(signals.get(machine_id, ())),
            order=order,
            blind=blind,
            channels=shown,
            told=frozenset(told.get(standing.liveness.incident or "", ())),
            runs=tuple(their_runs.get(machine_id, ())),
        )
        for machine_id, standing in known.items()
    }


_fallback = channels.alias("fallback_channel")
_CHANNELS = (
    select(channels, channel_state, _fallback.c.uid.label("fallback"))
    .join_from(channels, channel_state, channel_state.c.channel_id == channels.c.id)
    .outerjoin(_fallback, and_(_fallback.c.id == channels.c.fallback_id, _fallback.c.deleted_at.is_(None)))
    .order_by(channels.c.id)
)
_PRESENT = _CHANNELS.where(channels.c.deleted_at.is_(None))


def all_channels(connection: Connection) -> list[Channel]:
    return [as_channel(row) for row in connection.execute(_PRESENT)]


_THESE = Ask(_PRESENT.where(channels.c.uid.in_(several())))


def channels_and_states(connection: Connection, uids: Sequence[str]) -> dict[str, tuple[Channel, ChannelState]]:
    """By uid; those that were removed are not among them."""
    return {row.uid: (as_channel(row), as_channel_state(row)) for row in _THESE(connection, several=uids)}


_TAGS = (
    select(machine_tags.c.machine_id, machine_tags.c.tag)
    .where(machine_tags.c.machine_id.in_(several()))
    .order_by(machine_tags.c.machine_id, machine_tags.c.tag)
)
_OPEN_OUTAGES = (
    select(outages, _opened.c.uid.label("opened_uid"))
    .join(_opened, _opened.c.id == outages.c.opened_by)
    .where(outages.c.machine_id.in_(several()), outages.c.ended_at.is_(None))
)
_SIGNALS = (
    select(
        *(reports.c.machine_id, reports.c.at, reports.c.kind, reports.c.source_id, reports.c.body),
        *(reports.c.run_id, reports.c.exit_code),
    )
    .where(reports.c.pending, reports.c.machine_id.in_(several()))
    .order_by(reports.c.machine_id, reports.c.at, reports.c.id)
)


def _tags(connection: Connection, ids: Sequence[int]) -> Mapping[int, list[str]]:
    tags: dict[int, list[str]] = defaultdict(list)
    for some in chunks(ids):
        for machine_id, tag in connection.execute(_TAGS, {"several": some}).all():
            tags[machine_id].append(tag)
    return tags


def _open_outages(connection: Connection, ids: Sequence[int]) -> dict[int, Outage]:
    found: dict[int, Outage] = {}
    for some in chunks(ids):
        for row in connection.execute(_OPEN_OUTAGES, {"several": some}).all():
            found[row.machine_id] = as_outage(row, row.opened_uid, None)
    return found


def _signals(connection: Connection, ids: Sequence[int]) -> Mapping[int, list[Signal]]:
    signals: dict[int, list[Signal]] = defaultdict(list)
    for some in chunks(ids):
        for machine_id, at, kind, source, body, run, code in connection.execute(_SIGNALS, {"several": some}).all():
            beat = Beat(machine_id, at, _SAID[kind], source, body, run=run, exit_code=code)
            signals[machine_id].append(signal_of(beat))
    return signals


_place = (
    func.row_number()
    .over(partition_by=runs.c.machine_id, order_by=func.coalesce(runs.c.ended_at, runs.c.started_at).desc())
    .label("place")
)
_newest = select(runs.c.id, _place).where(runs.c.machine_id.in_(several())).subquery()
_RUNS = (
    select(runs)
    .join(_newest, _newest.c.id == runs.c.id)
    .where((_newest.c.place <= RUNS) | runs.c.ended_at.is_(None))
    .order_by(runs.c.machine_id, runs.c.id)
)


def newest_runs_of(connection: Connection, ids: Sequence[int]) -> Mapping[int, list[Run]]:
    """The newest runs of machines, and all that are open."""
    found: dict[int, list[Run]] = defaultdict(list)
    for some in chunks(ids):
        for row in connection.execute(_RUNS, {"several": some}).all():
            found[row.machine_id].append(as_run(row))
    return found


_TOLD = (
    select(_first.c.uid, channels.c.uid)
    .select_from(_first)
    .join(_later, _later.c.incident_id == _first.c.id)
    .join(notifications, notifications.c.event_id == _later.c.id)
    .join(channels, channels.c.id == notifications.c.channel_id)
    .where(_first.c.uid.in_(several()), notifications.c.state.in_([state.value for state in HEARD_OF_IT]))
    .distinct()
)


def told_of(connection: Connection, incidents: Sequence[str]) -> Mapping[str, set[str]]:
    """Which channels heard of an incident, or will."""
    told: dict[str, set[str]] = defaultdict(set)
    for some in chunks(incidents):
        for incident, channel in connection.execute(_TOLD, {"several": some}):
            told[incident].add(channel)
    return told


def _heard_of(connection: Connection, incident: str) -> frozenset[str]:
    return frozenset(told_of(connection, [incident]).get(incident, ()))


_ITS_EVENTS = (
    select(events, _first.c.uid.label("incident_uid"))
    .outerjoin(_first, _first.c.id == events.c.incident_id)
    .where(events.c.machine_id == bindparam("machine"))
    .order_by(events.c.seq.desc())
)
_NEWEST = _ITS_EVENTS.limit(bindparam("count"))
_FLAPPING = _ITS_EVENTS.where(events.c.type == EventType.FLAPPING.value).limit(1)


def newest_events(connection: Connection, machine: Machine, count: int) -> list[Event]:
    """The newest of its events, the oldest first."""
    rows = connection.execute(_NEWEST, {"machine": machine.id, "count": count}).fetchall()
    return [as_event(row, machine.slug, None, row.incident_uid) for row in reversed(rows)]


def began_to_flap(connection: Connection, machine: Machine) -> Event | None:
    """The event with which it began to flap last."""
    row = connection.execute(_FLAPPING, {"machine": machine.id}).one_or_none()
    return None if row is None else as_event(row, machine.slug, None, row.incident_uid)


def _blind(connection: Connection, known: Iterable[Standing]) -> tuple[BlindPeriod, ...]:
    """Blind periods that may concern any of these: open, or ending after the earliest begin of a silence."""
    begins = [row.liveness.silent_since for row in known]
    begins += [row.liveness.goodbye_at for row in known if row.liveness.goodbye_at is not None]
    begins += [row.liveness.status_since for row in known if row.liveness.flapping_since is not None]
    if not begins:
        return ()
    ended = and_(blind_periods.c.ended_at.is_not(None), blind_periods.c.ended_at > min(begins))
    query = select(blind_periods).where(or_(blind_periods.c.ended_at.is_(None), ended))
    rows = connection.execute(query.order_by(blind_periods.c.started_at, blind_periods.c.id))
    return tuple(as_blind_period(row) for row in rows)
