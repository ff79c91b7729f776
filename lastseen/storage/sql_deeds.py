"""Who did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from lastseen.model.people import Deed
from lastseen.storage.rows import audit_log
from lastseen.storage.sqltools import GREATEST_NUMBER, dumped, loaded, most


def keep(connection: Connection, deeds: Sequence[Deed]) -> None:
    rows = [
        {
            "at": deed.at,
            "who": deed.by,
            "user_id": deed.user_id,
            "verb": deed.verb,
            "subject": deed.subject,
            "through": deed.through,
            "address": deed.address,
            "changed": dumped(deed.changed),
        }
        for deed in deeds
    ]
    if rows:
        connection.execute(insert(audit_log), rows)


def by_operator(verb: str, now: datetime, changed: Mapping[str, Any]) -> Deed:
    """To the database as a whole, by whoever has it."""
    return Deed(now, "command line", verb, "database", through="command line", changed=changed)


def listed(
    connection: Connection, limit: int, before: int | None, subject: str | None, by: str | None
) -> Sequence[Deed]:
    query = select(audit_log).order_by(audit_log.c.id.desc()).limit(most(limit))
    if before is not None:
        query = query.where(audit_log.c.id < min(max(before, 0), GREATEST_NUMBER))
    if subject is not None:
        query = query.where(audit_log.c.subject == subject)
    if by is not None:
        query = query.where(audit_log.c.who == by)
    return [_as_deed(row) for row in connection.execute(query)]


def _as_deed(row: Any) -> Deed:
    at: datetime = row.at
    return Deed(
        at=at,
        by=row.who,
        verb=row.verb,
        subject=row.subject,
        user_id=row.user_id,
        through=row.through,
        address=row.address,
        changed=loaded(row.changed),
        id=row.id,
    )
