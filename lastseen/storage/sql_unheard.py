"""Machines that were declared and never heard."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, literal_column, select

from lastseen.model import Standing
from lastseen.storage.rows import liveness, machines
from lastseen.storage.sql_cases import standings
from lastseen.storage.sql_verdicts import event_ids
from lastseen.storage.sqltools import bounded


def never_reported(
    connection: Connection, before: datetime, after: int, limit: int, since: datetime | None
) -> list[Standing]:
    """`Declared.never_reported`. By the index of what is not online."""
    query = (
        select(liveness.c.machine_id)
        .join(machines, machines.c.id == liveness.c.machine_id)
        .where(liveness.c.status == literal_column("'provisioning'"), liveness.c.status != literal_column("'online'"))
        .where(liveness.c.last_seen.is_(None), liveness.c.watch_from <= before, liveness.c.machine_id > bounded(after))
        .where(machines.c.enabled, machines.c.deleted_at.is_(None))
        .order_by(liveness.c.machine_id)
        .limit(limit)
    )
    if since is not None:
        query = query.where(liveness.c.watch_from > since)
    return list(standings(connection, connection.execute(query).scalars().all()).values())


def written(connection: Connection, uids: Collection[str]) -> frozenset[str]:
    """`Declared.written`."""
    return frozenset(event_ids(connection, uids))
