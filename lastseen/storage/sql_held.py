"""What waits for something that may change: a wish of people, or an incident that lasts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from lastseen.model.wishes import HELD
from lastseen.storage.rows import notifications
from lastseen.storage.sql_outbox import PENDING, is_open
from lastseen.storage.sqltools import chunks

_HELD = (
    select(notifications.c.id, notifications.c.machine_id)
    .where(is_open(notifications), PENDING, notifications.c.due_at > bindparam("now"))
    .where(or_(notifications.c.while_open, notifications.c.reason.startswith(HELD)))
)


def look_again(connection: Connection, now: datetime, machines: Collection[int] | None = None) -> None:
    """It is due now: whether it still has to wait is decided anew. Of these machines, or (None) of all."""
    held = connection.execute(_HELD, {"now": now}).all()
    due = [row.id for row in held if machines is None or row.machine_id in machines]
    for some in chunks(due):
        connection.execute(update(notifications).where(notifications.c.id.in_(some), PENDING).values(due_at=now))
