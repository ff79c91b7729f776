"""What waits for something that may change: a wish of people, or an incident that lasts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from lastseen.model.wishes import HELD
from lastseen.storage.rows import notifications
from lastseen.storage.sql_outbox import PENDING, is_open
from lastseen.storage.sqltools import chunks, several

_HELD = (
    select(notifications.c.id)
    .where(is_open(notifications), PENDING, notifications.c.due_at > bindparam("now"))
    .where(or_(notifications.c.while_open, notifications.c.reason.startswith(HELD)))
    .with_for_update(key_share=True, skip_locked=True)
)
_OF_THESE = _HELD.where(notifications.c.machine_id.in_(several()))


def look_again(connection: Connection, now: datetime, machines: Collection[int] | None = None) -> None:
    """It is due now: whether it still has to wait is decided anew. Of these machines, or (None) of all. What somebody
    else is just writing is not held by these machines: `take` holds nothing of one that is being decided on."""
    if machines is None:
        due = list(connection.execute(_HELD, {"now": now}).scalars())
    else:
        asked = ({"now": now, "several": some} for some in chunks(sorted(machines)))
        due = [row_id for one in asked for row_id in connection.execute(_OF_THESE, one).scalars()]
    for some in chunks(due):
        connection.execute(update(notifications).where(notifications.c.id.in_(some), PENDING).values(due_at=now))
