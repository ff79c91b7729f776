"""What uptime is counted from, for many machines at once: everything read by an index on machine or time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_ as or_bits
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from lastseen.model import Machine, Silence, Standing, Status
from lastseen.model.past import UNWATCHED, Change, Past, Span, watched
from lastseen.storage.rows import blind_periods, events, listeners, outages, silences
from lastseen.storage.sql_wishes import as_silence
from lastseen.storage.sqltools import chunks

LISTENING = timedelta(seconds=60)
"""Who listens marks that every 5 s; who has not done so for this long has stopped."""

_UNWATCHED = sorted(status.value for status in UNWATCHED if status is not None)


def pasts(connection: Connection, machines: Sequence[Standing], since: datetime, now: datetime) -> dict[int, Past]:
    """`Pasts.pasts`."""
    ids = [standing.machine.id for standing in machines]
    out, changes = _outages(connection, ids, since), _changes(connection, ids, since)
    blind, quiet = _blind(connection, machines, since, now), _silences(connection, since, now)
    return {
        standing.machine.id: Past(
            watched(changes[standing.machine.id], standing.liveness.status, since),
            out[standing.machine.id],
            tuple(span for bit, span in blind if _heard(standing) >> bit & 1),
            tuple((one.starts_at, one.ends_at) for one in quiet if _means(one, standing.machine)),
        )
        for standing in machines
    }


def _heard(standing: Standing) -> int:
    return standing.liveness.heard | standing.liveness.heard_before


def _by_machine(
    connection: Connection, query: Select[Any], column: Any, ids: Collection[int]
) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for some in chunks(ids):
        for row in connection.execute(query.where(column.in_(some))):
            found[row.machine_id].append(row)
    return found


def _outages(connection: Connection, ids: Collection[int], since: datetime) -> Mapping[int, tuple[Span, ...]]:
    late = or_(outages.c.ended_at.is_(None), outages.c.ended_at > since)
    query = select(outages.c.machine_id, outages.c.started_at, outages.c.ended_at).where(late)
    found = _by_machine(connection, query, outages.c.machine_id, ids)
    return defaultdict(tuple, {id_: tuple((r.started_at, r.ended_at) for r in rows) for id_, rows in found.items()})


def _changes(connection: Connection, ids: Collection[int], since: datetime) -> Mapping[int, list[Change]]:
    """Those that began or ended being watched."""
    concerned = or_(events.c.previous_status.in_(_UNWATCHED), events.c.status.in_(_UNWATCHED))
    query = select(events.c.machine_id, events.c.at, events.c.previous_status, events.c.status)
    query = query.where(events.c.at > since, concerned).order_by(events.c.machine_id, events.c.seq)
    found = _by_machine(connection, query, events.c.machine_id, ids)
    return defaultdict(
        list,
        {
            id_: [Change(r.at, _status(r.previous_status), _status(r.status)) for r in rows]
            for id_, rows in found.items()
        },
    )


def _status(value: str | None) -> Status | None:
    return None if value is None else Status(value)


def _blind(
    connection: Connection, machines: Sequence[Standing], since: datetime, now: datetime
) -> list[tuple[int, Span]]:
    """Of the sources that one of them is heard on, with their bits. Whoever stopped listening writes that down when it
    begins again: until then its last mark tells."""
    heard = reduce(or_bits, map(_heard, machines), 0)
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
    described = {"slug": machine.slug, "group": machine.group, "kind": machine.kind, "tags": machine.tags}
    return silence.matcher.misses({**described, "machine": {"name": machine.name}}) is None
