"""What a database must be told that was restored: it is not yesterday any more.

Statements that every database understands, in the caller's transaction, on this program's schema.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from lastseen.clock import rfc3339
from lastseen.model import NotificationState
from lastseen.storage import sql_deeds, tables_io
from lastseen.storage.rows import attempts, events, leases, link_tokens, liveness, meta, nodes, notifications, sessions
from lastseen.storage.sql_deeds import by_operator
from lastseen.storage.sql_nodes import forget_settings
from lastseen.storage.sql_outbox import is_open

RESTORED = "restored"
"""The reason in rows that were waiting when the backup was made."""

SKIPPED = 1000
"""Events of a machine that may have been told after the backup, at least; one a second beside that."""

_TROUBLE = "note:trouble:"


def come_back(connection: Connection, taken_at: datetime, now: datetime) -> int:
    """How many notifications were cancelled.

    What waited to be told is cancelled: somebody was told of it since, or it is too late. Nobody holds a lease any
    more. Nobody is logged in: who was logged out since the backup, or has another password, must not be in again. The
    marks of who listened stay as they were, so that the next start finds the time since then blind.

    What happened after the backup is not in it, but far ends have heard of it, under ids that come of the machine and
    its count of events. So the count goes on far behind anything that can have been: an id that a far end knows already
    would make it throw away a new alert. A second restore of the same file skips more than the first.
    """
    count = _cancel(connection, now)
    connection.execute(update(leases).values(until=now))
    for over in (nodes, sessions, link_tokens):
        connection.execute(delete(over))
    forget_settings(connection)
    gap = SKIPPED + max(0, round((now - taken_at) / timedelta(seconds=1)))
    connection.execute(update(liveness).values(event_seq=liveness.c.event_seq + gap))
    newest = connection.execute(select(func.max(events.c.id))).scalar() or 0
    given = tables_io.counters(connection).get(events.name, newest)
    tables_io.set_counters(connection, {events.name: given + gap})
    _troubles_of_another_life(connection, now)
    sql_deeds.keep(connection, [by_operator("restore", now, {"taken_at": rfc3339(taken_at)})])
    return count


def _cancel(connection: Connection, now: datetime) -> int:
    lost = update(attempts).where(attempts.c.finished_at.is_(None))
    connection.execute(lost.values(finished_at=now, outcome="lost"))
    ended = {"state": NotificationState.CANCELLED.value, "reason": RESTORED, "finished_at": now, "lease_token": None}
    return connection.execute(update(notifications).where(is_open(notifications)).values(ended)).rowcount


def _troubles_of_another_life(connection: Connection, now: datetime) -> None:
    """The uid of a trouble's beginning comes of the end before it (`lastseen.monitor.troubles`), and may have been told
    since the backup: the next one follows from this moment instead."""
    notes = select(meta.c.key, meta.c.value).where(meta.c.key.like(f"{_TROUBLE}%"))
    for key, value in connection.execute(notes).all():
        known = msgspec.json.decode(value)
        if known.get("begun") is None:
            text = msgspec.json.encode({**known, "ended": f"{RESTORED} {now.isoformat()}"}).decode()
            connection.execute(update(meta).where(meta.c.key == key).values(value=text))
