"""Intervals between heartbeats: turns, what was handed in, and what was counted of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite renders it too

from lastseen.model.intervals import Counted, Heard, Tally, Turn
from lastseen.storage import tables
from lastseen.storage.rows import machines
from lastseen.storage.sqltools import chunks, is_id, seconds, table

turn_rows = table(tables.IntervalTurns)
hearers = table(tables.IntervalHearers)
parts = table(tables.IntervalParts)
counts = table(tables.IntervalCounts)

WEEK = timedelta(days=7)
_MICROSECOND = timedelta(microseconds=1)
_json = msgspec.json.Encoder()
_moments = msgspec.json.Decoder(dict[int, list[int]])
_ids = msgspec.json.Decoder(list[int])
_counts = msgspec.json.Decoder(dict[int, int])


# --- who listens ------------------------------------------------------------------------------------------------------


def begin(connection: Connection, node: str, now: datetime) -> Sequence[Turn]:
    give_up(connection, node, now)
    connection.execute(insert(hearers).values(node=node, until=now))
    return turns(connection)


def give_up(connection: Connection, node: str, now: datetime) -> None:
    before = connection.execute(select(hearers.c.until).where(hearers.c.node == node).with_for_update()).scalar()
    if before is not None:
        end(connection, node)
        _keep(connection, Heard(node, before, max(before, now), lost=None))


def hand_in(connection: Connection, heard: Heard) -> Sequence[Turn] | None:
    mine = update(hearers).where(hearers.c.node == heard.node, hearers.c.until == heard.start)
    if connection.execute(mine.values(until=heard.end)).rowcount != 1:
        return None
    if heard.moments or heard.lost is None or heard.lost or heard.known < _newest(connection):
        _keep(connection, heard)
    return turns(connection)


def end(connection: Connection, node: str) -> None:
    connection.execute(delete(hearers).where(hearers.c.node == node))


def handed_in(connection: Connection) -> tuple[Mapping[str, datetime], Sequence[Heard]]:
    until = {row.node: row.until for row in connection.execute(select(hearers))}
    return until, [_heard(row) for row in connection.execute(select(parts).order_by(parts.c.id))]


def _newest(connection: Connection) -> int:
    return connection.execute(select(func.max(turn_rows.c.id))).scalar() or 0


def _keep(connection: Connection, heard: Heard) -> None:
    moments = {
        machine: [(moment - heard.start) // _MICROSECOND for moment in some]
        for machine, some in (heard.moments or {}).items()
    }
    values = {
        "node": heard.node,
        "start_at": heard.start,
        "end_at": heard.end,
        "known": heard.known,
        "heard": _json.encode(moments).decode(),
        "lost": None if heard.lost is None else _json.encode(sorted(heard.lost)).decode(),
    }
    connection.execute(insert(parts).values(values))


def _heard(row: Any) -> Heard:
    moments = {
        machine: [row.start_at + one * _MICROSECOND for one in some]
        for machine, some in _moments.decode(row.heard).items()
    }
    lost = None if row.lost is None else frozenset(_ids.decode(row.lost))
    return Heard(row.node, row.start_at, row.end_at, row.known, moments, lost, row.id)


# --- whose turn it is -------------------------------------------------------------------------------------------------


def turns(connection: Connection) -> list[Turn]:
    return [_turn(row) for row in connection.execute(_turns().order_by(turn_rows.c.id))]


def _turns() -> Select[Any]:
    there = and_(machines.c.id == turn_rows.c.machine_id, machines.c.deleted_at.is_(None))
    return select(turn_rows, machines.c.slug).join(machines, there)


def _turn(row: Any) -> Turn:
    return Turn(row.machine_id, row.slug, row.starts_at, row.ends_at, row.asked, row.last_at, row.counted_until, row.id)


def change_turns(connection: Connection, over: Collection[int], begun: Sequence[Turn]) -> None:
    gone = select(machines.c.id).where(machines.c.deleted_at.is_not(None))
    connection.execute(delete(turn_rows).where(turn_rows.c.machine_id.in_(gone)))
    for some in chunks(over):
        connection.execute(delete(turn_rows).where(turn_rows.c.machine_id.in_(some)))
    longer = [{"turn": one.id, "end": one.ends_at} for one in begun if one.id]
    if longer:
        move = update(turn_rows).where(turn_rows.c.id == bindparam("turn"))
        connection.execute(move.values(ends_at=bindparam("end"), asked=False), longer)
    fresh = {one.machine_id: one for one in begun if not one.id}
    for some in chunks(fresh):
        there = select(machines.c.id).where(machines.c.id.in_(some), machines.c.deleted_at.is_(None))
        rows = [_values(fresh[machine]) for machine in connection.execute(there.order_by(machines.c.id)).scalars()]
        if rows:
            put = upsert(turn_rows).on_conflict_do_nothing(index_elements=["machine_id"])
            connection.execute(put, rows)


def _values(turn: Turn) -> dict[str, Any]:
    return {
        "machine_id": turn.machine_id,
        "starts_at": turn.starts_at,
        "ends_at": turn.ends_at,
        "asked": turn.asked,
        "last_at": turn.last_at,
        "counted_until": turn.counted_until,
    }


def ask(connection: Connection, turn: Turn, most: int) -> Turn | None:
    mine = turn_rows.c.machine_id == turn.machine_id
    others = select(func.count()).select_from(turn_rows).where(turn_rows.c.asked, ~mine)
    if connection.execute(others).scalar_one() >= most:
        return None
    before = connection.execute(select(turn_rows).where(mine)).first()
    if before is None:
        change_turns(connection, (), [turn])
    else:
        end_at = max(before.ends_at, turn.ends_at)
        connection.execute(update(turn_rows).where(mine).values(asked=True, ends_at=end_at))
    row = connection.execute(_turns().where(mine)).first()
    return None if row is None else _turn(row)


# --- what was counted -------------------------------------------------------------------------------------------------


def keep_counted(connection: Connection, counted: Sequence[Counted], until: datetime | None) -> None:
    for some in chunks(counted):
        _keep_counted(connection, {one.machine_id: one for one in some})
    if until is not None:
        connection.execute(delete(parts).where(parts.c.end_at <= until))


def _keep_counted(connection: Connection, counted: Mapping[int, Counted]) -> None:
    known = select(turn_rows.c.machine_id, turn_rows.c.counted_until).where(turn_rows.c.machine_id.in_(counted))
    rows = connection.execute(known.order_by(turn_rows.c.machine_id).with_for_update()).all()
    fresh = [
        counted[row.machine_id]
        for row in rows
        if row.counted_until is None or row.counted_until < counted[row.machine_id].counted_until
    ]
    if fresh:
        moved = update(turn_rows).where(turn_rows.c.machine_id == bindparam("machine"))
        moved = moved.values(last_at=bindparam("last"), counted_until=bindparam("until"))
        connection.execute(
            moved, [{"machine": one.machine_id, "last": one.last_at, "until": one.counted_until} for one in fresh]
        )
    _add(connection, [tally for one in fresh for tally in one.tallies])


def _add(connection: Connection, tallies: Sequence[Tally]) -> None:
    if not tallies:
        return
    keys = [(one.machine_id, one.week) for one in tallies]
    known = select(counts).where(tuple_(counts.c.machine_id, counts.c.week).in_(keys))
    before = {(row.machine_id, row.week): _tally(row) for row in connection.execute(known)}
    rows = [
        _count_values(one.plus(before[key]) if key in before else one)
        for key, one in zip(keys, tallies, strict=True)
    ]  # fmt: skip
    put = upsert(counts)
    changed = {name: put.excluded[name] for name in ("counts", "seconds", "first_at", "last_at")}
    connection.execute(put.on_conflict_do_update(index_elements=["machine_id", "week"], set_=changed), rows)


def tallies_of(connection: Connection, machine: int, since: datetime) -> list[Tally]:
    if not is_id(machine):
        return []
    mine = select(counts).where(counts.c.machine_id == machine, counts.c.week > since - WEEK)
    return [_tally(row) for row in connection.execute(mine.order_by(counts.c.week))]


def forget(connection: Connection, before: datetime, limit: int) -> int:
    old = select(counts.c.machine_id, counts.c.week).where(counts.c.week < before).order_by(counts.c.week).limit(limit)
    keys = [tuple(row) for row in connection.execute(old)]
    for some in chunks(keys):
        connection.execute(delete(counts).where(tuple_(counts.c.machine_id, counts.c.week).in_(some)))
    return len(keys)


def _tally(row: Any) -> Tally:
    span = timedelta(seconds=row.seconds)
    return Tally(row.machine_id, row.week, _counts.decode(row.counts), span, row.first_at, row.last_at)


def _count_values(one: Tally) -> dict[str, Any]:
    return {
        "machine_id": one.machine_id,
        "week": one.week.astimezone(UTC),
        "counts": _json.encode(one.counts).decode(),
        "seconds": seconds(one.span),
        "first_at": one.first_at,
        "last_at": one.last_at,
    }
