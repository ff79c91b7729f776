"""Evidence out of the database and the world, in one snapshot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from tests.chaos.evidence import Blind, Event, Evidence, Machine, Notification, Outage

if TYPE_CHECKING:
    from tests.chaos.world import World

EVENTS = """
SELECT uid, machine_id, seq, type, extract(epoch FROM at)::float8, previous_status, status, reason,
       extract(epoch FROM last_seen)::float8
FROM events WHERE machine_id IS NOT NULL
"""
OUTAGES = """
SELECT machine_id, extract(epoch FROM started_at)::float8, extract(epoch FROM ended_at)::float8 FROM outages
"""
NOTIFICATIONS = """
SELECT n.uid, e.uid, c.name, n.cause, n.state, n.reason,
       array_remove(array_agg(CASE WHEN a.id IS NOT NULL THEN coalesce(a.outcome, 'open') END ORDER BY a.id), NULL)
FROM notifications n JOIN events e ON e.id = n.event_id JOIN channels c ON c.id = n.channel_id
LEFT JOIN delivery_attempt_items i ON i.notification_id = n.id LEFT JOIN delivery_attempts a ON a.id = i.attempt_id
GROUP BY n.id, e.uid, c.name
"""
BLIND = """
SELECT s.name, extract(epoch FROM b.started_at)::float8, extract(epoch FROM b.ended_at)::float8, b.reason
FROM blind_periods b JOIN sources s ON s.id = b.source_id
"""
LIVENESS = "SELECT machine_id, status, extract(epoch FROM last_seen)::float8 FROM liveness"
STATUSES = "SELECT machine_id, status FROM liveness"
TIMES = "SELECT extract(epoch FROM clock_timestamp())::float8"


def statuses(url: str) -> dict[int, str]:
    with psycopg.connect(url, connect_timeout=2) as connection:
        return dict(connection.execute(STATUSES).fetchall())


def gather(url: str, world: World) -> Evidence:
    """What machines said is taken before the database is read, and what receivers took after it."""
    from tests.chaos.world import GRACE

    beats, faults = list(world.beats), list(world.faults)
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def query(statement: str) -> Sequence[Any]:
            return connection.execute(statement.encode()).fetchall()

        taken_at = query(TIMES)[0][0]
        known = {row[0]: row[1:] for row in query(LIVENESS)}
        machines = [
            Machine(
                one.id,
                f"m{number}",
                world.thresholds[one.id],
                GRACE,
                known[one.id][0],
                known[one.id][1],
                via=one.via,
            )
            for number, one in enumerate(world.machines)
        ]
        return Evidence(
            machines,
            [Event(*row) for row in query(EVENTS)],
            [Outage(*row) for row in query(OUTAGES)],
            [Notification(*row[:6], tuple(row[6])) for row in query(NOTIFICATIONS)],
            [Blind(*row) for row in query(BLIND)],
            [receiver.name for receiver in world.receivers],
            [one for receiver in world.receivers for one in receiver.taken()],
            [beat for beat in beats if beat.sent < taken_at],
            faults,
            world.lateness,
            taken_at,
            sum(len(receiver.refused) for receiver in world.receivers),
            {"clock apart, ms": round(abs(time.time() - taken_at) * 1000)},
        )
