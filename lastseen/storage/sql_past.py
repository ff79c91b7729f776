"""What uptime is counted from, for many machines at once: everything read by an index on machine or time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_ as or_bits
from typing import Any

from sqlalchemy import Connection, Table, func, or_, select

from lastseen.model import Machine, Silence, Standing, Status
from lastseen.model.past import UNWATCHED, Change, Past, Span, watched
from lastseen.model.wishes import matchable
from lastseen.storage.rows import blind_periods, events, listeners, machines, outages, silences
from lastseen.storage.sql_wishes import as_silence
from lastseen.storage.sqltools import chunks

LISTENING = timedelta(seconds=60)
"""Who listens marks that every 5 s; who has not done so for this long has stopped."""

_UNWATCHED = sorted(status.value for status in UNWATCHED if status is not None)


def pasts(connection: Connection, standings: Sequence[Standing], since: datetime, now: datetime) -> dict[int, Past]:
    """`Pasts.pasts`."""
    ids = [standing.machine.id for standing in standings]
    out, changes = _outages(connection, ids, since), _changes(connection, ids, since)
    blind, quiet = _blind(connection, standings, since, now), _silences(connection, since, now)
    return {
        standing.machine.id: Past(
            watched(changes[standing.machine.id], standing.liveness.status, since),
            out[standing.machine.id],
            tuple(span for bit, span in blind if _heard(standing) >> bit & 1),
            tuple((one.starts_at, one.ends_at) for one in quiet if _means(one, standing.machine)),
        )
        for standing in standings
    }


def _heard(standing: Standing) -> int:
    return standing.liveness.heard | standing.liveness.heard_before


def _later(table: Table, number: str, at: str, machine_ids: Collection[int], since: datetime) -> Any:
    """To select from: the rows of these machines behind the newest that was over by then. A machine has them one after
    the other, by `number`; those before need not be read, and there may be a hundred thousand."""
    before = table.alias("before")
    over = select(before.c[number]).where(before.c.machine_id == machines.c.id, before.c[at] <= since)
    last = over.order_by(before.c[number].desc()).limit(1).scalar_subquery()
    begins = select(machines.c.id, last.label("last")).where(machines.c.id.in_(machine_ids)).cte("begins")
    begins = begins.prefix_with("MATERIALIZED")  # or the last one is looked for once for each row
    later = table.c[number] > func.coalesce(begins.c.last, 0)
    return begins.join(table, (table.c.machine_id == begins.c.id) & later)


def _outages(connection: Connection, ids: Collection[int], since: datetime) -> Mapping[int, tuple[Span, ...]]:
    found: dict[int, list[Span]] = defaultdict(list)
    query = select(outages.c.machine_id, outages.c.started_at, outages.c.ended_at)
    for some in chunks(ids):
        for machine, start, end in connection.execute(
            query.select_from(_later(outages, "id", "ended_at", some, since))
        ):
            found[machine].append((start, end))
    return defaultdict(tuple, {machine: tuple(spans) for machine, spans in found.items()})


def _changes(connection: Connection, ids: Collection[int], since: datetime) -> Mapping[int, list[Change]]:
    """Those that began or ended being watched."""
    found: dict[int, list[Change]] = defaultdict(list)
    concerned = or_(events.c.previous_status.in_(_UNWATCHED), events.c.status.in_(_UNWATCHED))
    query = select(events.c.machine_id, events.c.at, events.c.previous_status, events.c.status)
    query = query.where(concerned).order_by(events.c.machine_id, events.c.seq)
    for some in chunks(ids):
        for row in connection.execute(query.select_from(_later(events, "seq", "at", some, since))):
            found[row.machine_id].append(Change(row.at, _status(row.previous_status), _status(row.status)))
    return found


def _status(value: str | None) -> Status | None:
    return None if value is None else Status(value)


def _blind(
    connection: Connection, standings: Sequence[Standing], since: datetime, now: datetime
) -> list[tuple[int, Span]]:
    """Of the sources that one of them is heard on, with their bits. Whoever stopped listening writes that down when it
    begins again: until then its last mark tells."""
    heard = reduce(or_bits, map(_heard, standings), 0)
    bits = [bit for bit in range(heard.bit_length()) if heard >> bit & 1]
    late = or_(blind_periods.c.ended_at.is_(None), blind_periods.c.ended_at > since)
    query = select(blind_periods.c.source_id, blind_periods.c.started_at, blind_periods.c.ended_at)
    written = connection.execute(query.where(blind_periods.c.source_id.in_(bits), late))
    spans = [(row.source_id, (row.started_at, row.ended_at)) for row in written]
    newest = func.max(listeners.c.heard_until)
    mine = select(listeners.c.source_id, newest).where(listeners.c.source_id.in_(bits))
    marks = connection.execute(
        mine.group_by(listeners.c.source_id).having(func.max(listeners.c.alive_at) < now - LISTENING)
    )
    return [*spans, *((source, (mark, None)) for source, mark in marks)]


def _silences(connection: Connection, since: datetime, now: datetime) -> list[Silence]:
    """Those of every chat: a mute of one chat is nobody else's."""
    query = select(silences).where(silences.c.ends_at > since, silences.c.starts_at < now)
    found = (as_silence(row) for row in connection.execute(query.order_by(silences.c.id)))
    return [one for one in found if not one.matcher.channels]


def _means(silence: Silence, machine: Machine) -> bool:
    return silence.matcher.misses(matchable(machine)) is None
