"""How the tables grow, for `doctor`: their rows, since when, and how many are new. Bounded, and by ids alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from lastseen.model.retention import TableSize
from lastseen.storage.rows import attempts, audit_log, events, notifications, outages, reports, runs

WEEK = timedelta(days=7)

MOST = 1_000_000
"""Rows that are counted, of one table."""

GROWING: tuple[tuple[Any, Any], ...] = (
    (events, events.c.at),
    (outages, outages.c.detected_at),
    (notifications, notifications.c.created_at),
    (attempts, attempts.c.started_at),
    (reports, reports.c.at),
    (audit_log, audit_log.c.at),
    (runs, func.coalesce(runs.c.started_at, runs.c.ended_at)),
)
"""Tables that grow with time, and when a row of each came. Their ids rise with that."""


def table_sizes(connection: Connection, now: datetime) -> Iterable[TableSize]:
    for table, at in GROWING:
        first = connection.execute(select(at).order_by(table.c.id).limit(1)).scalar()
        if first is None:
            yield TableSize(table.name, 0)
            continue
        counted = select(func.count()).select_from(select(table.c.id).limit(MOST).subquery())
        recent = select(func.count()).select_from(
            select(table.c.id).where(table.c.id >= _since(connection, table, at, now - WEEK)).limit(MOST).subquery()
        )
        rows = connection.execute(counted).scalar_one()
        yield TableSize(table.name, rows, first, connection.execute(recent).scalar_one())


def _since(connection: Connection, table: Any, at: Any, moment: datetime) -> int:
    """The first id that came then or later, found by halves: these times are in no index."""
    low, high = connection.execute(select(func.min(table.c.id), func.max(table.c.id) + 1)).one()
    while low < high:
        middle = (low + high) // 2
        row = select(table.c.id, at.label("at")).where(table.c.id >= middle).order_by(table.c.id).limit(1)
        found = connection.execute(row).one()
        if found.at >= moment:
            high = middle
        else:
            low = found.id + 1
    return int(low)
