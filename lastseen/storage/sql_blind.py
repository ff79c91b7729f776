"""Time in which nobody could be heard on a source: what one node missed, less what other nodes heard meanwhile.

The row of a listener says since when it hears without a gap (`listening_since`) and until when it did (`heard_until`).
`left_at` is set while its link is lost; a row whose mark is old is that of a node that died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from lastseen.model import BlindPeriod
from lastseen.storage import dialect as sql
from lastseen.storage.rows import blind_periods, listeners, sources
from lastseen.storage.sql_ways import REMOVED

FRESH = timedelta(seconds=12)
"""How old the mark of a node may be that still counts as one that hears. It leaves one every 5 s."""

Span = tuple[datetime, datetime]


def write(connection: Connection, period: BlindPeriod, node: str, now: datetime) -> list[BlindPeriod]:
    """What this node missed. One that is open is to be written again and again: others may cease to hear. What is over
    and was written down: nothing where others heard all the time."""
    heard = _heard_by_others(connection, period.source, node, now)
    if period.ended_at is None:
        _set_listening(connection, period, node, left_at=period.started_at)
        _open(connection, period, heard, now)
        return []
    ended = max(period.ended_at, period.started_at)
    # who asks once more about an older time has heard since, or lost its link again
    anew = or_(listeners.c.listening_since < ended, listeners.c.left_at <= ended)
    _set_listening(connection, period, node, anew, left_at=None, listening_since=ended)
    written = dict.fromkeys(_end_open(connection, period, ended), ended)
    for start, end in _without((period.started_at, ended), heard):
        written[start] = end
        put = sql.insert(blind_periods).values(
            source_id=period.source, started_at=start, ended_at=end, reason=period.reason.value
        )
        connection.execute(
            put.on_conflict_do_update(
                index_elements=["source_id", "started_at", "reason"], set_={"ended_at": put.excluded.ended_at}
            )
        )
    return [BlindPeriod(period.source, start, end, period.reason) for start, end in sorted(written.items())]


def _heard_by_others(connection: Connection, source: int, node: str, now: datetime) -> list[Span]:
    """Of each other node the last time that it heard without a gap, the earliest first.

    A mark that is fresh is believed to mean *now* by who was there meanwhile. Who has just begun cannot tell a node
    that is there from one that died with its predecessor: all of them may have been killed a moment ago."""
    query = select(listeners.c.listening_since, listeners.c.heard_until, listeners.c.left_at).where(
        listeners.c.source_id == source,
        listeners.c.node_id != node,
        listeners.c.heard_until > listeners.c.listening_since,
    )
    believed = timedelta(0) if _has_just_begun(connection, source, node, now) else FRESH
    return sorted(
        (
            row.listening_since,
            now
            if row.left_at is None and row.heard_until >= now - believed
            else min(row.heard_until, row.left_at or now),
        )
        for row in connection.execute(query)
    )


def _has_just_begun(connection: Connection, source: int, node: str, now: datetime) -> bool:
    query = select(listeners.c.listening_since).where(listeners.c.source_id == source, listeners.c.node_id == node)
    begun: datetime | None = connection.execute(query).scalar()
    return begun is None or now - begun < FRESH


def _open(connection: Connection, period: BlindPeriod, heard: Sequence[Span], now: datetime) -> None:
    """Unless somebody hears, or it is open already."""
    started_at = max([period.started_at, *(end for _, end in heard)])
    if heard and started_at >= now:
        _end_open(connection, period, now)  # opened by one that had just begun
        return
    if _is_open(connection, period) or _is_removed(connection, period.source):
        return  # nobody will end it for a source that is removed, and nobody is held for it
    row = {"source_id": period.source, "started_at": started_at, "reason": period.reason.value}
    same = [blind_periods.c[name] == value for name, value in row.items()]
    if not connection.execute(update(blind_periods).where(*same).values(ended_at=None)).rowcount:
        connection.execute(sql.insert(blind_periods).values(**row, ended_at=None).on_conflict_do_nothing())


def _without(whole: Span, heard: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span."""
    start, end = whole
    touched = False
    for since, until in heard:
        if until <= start or since >= end:
            continue
        touched = True
        if since > start:
            yield start, since
        start = max(start, until)
    if start < end or not touched:
        yield start, end


def _set_listening(
    connection: Connection, period: BlindPeriod, node: str, *only: ColumnElement[bool], **values: datetime | None
) -> None:
    ours = update(listeners).where(listeners.c.source_id == period.source, listeners.c.node_id == node, *only)
    connection.execute(ours.values(**values))


def _end_open(connection: Connection, period: BlindPeriod, ended: datetime) -> list[datetime]:
    """One that a process left open which has ended since, for the same reason: when it began."""
    open_one = update(blind_periods).where(
        blind_periods.c.source_id == period.source,
        blind_periods.c.reason == period.reason.value,
        blind_periods.c.ended_at.is_(None),
        blind_periods.c.started_at <= ended,
    )
    closed = open_one.values(ended_at=ended).returning(blind_periods.c.started_at)
    return list(connection.execute(closed).scalars())


def _is_removed(connection: Connection, source: int) -> bool:
    return connection.execute(select(sources.c.kind).where(sources.c.id == source)).scalar() == REMOVED


def _is_open(connection: Connection, period: BlindPeriod) -> bool:
    query = (
        select(func.count())
        .select_from(blind_periods)
        .where(
            blind_periods.c.source_id == period.source,
            blind_periods.c.reason == period.reason.value,
            blind_periods.c.ended_at.is_(None),
        )
    )
    return bool(connection.execute(query).scalar())
