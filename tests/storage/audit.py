"""What the tables must say of one another after anything that may have happened, whichever database holds them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

Query = Callable[[str], Sequence[Any]]
"""The rows that a statement finds."""

_OFFLINE = "SELECT machine_id FROM liveness WHERE status = 'offline' ORDER BY 1"
_CHANGES = """
SELECT machine_id, seq, previous_status, status, type FROM events WHERE machine_id IS NOT NULL ORDER BY machine_id, seq
"""
MUST_BE_EMPTY = {
    "an incident is open exactly while something is wrong": """
        SELECT machine_id FROM liveness WHERE (status IN ('offline', 'error')) <> (incident IS NOT NULL)
        """,
    "every event of a machine has a notification for each channel": """
        SELECT e.id, c.id FROM events e CROSS JOIN channels c
        LEFT JOIN notifications n ON n.event_id = e.id AND n.channel_id = c.id
        WHERE n.id IS NULL AND e.machine_id IS NOT NULL
        """,
    "what ended untold has a reason": """
        SELECT id FROM notifications WHERE state IN ('dead', 'cancelled', 'skipped') AND reason IS NULL
        """,
    "nothing is told twice of an event on the same occasion": """
        SELECT event_id, channel_id, occasion FROM notifications GROUP BY 1, 2, 3 HAVING count(*) > 1
        """,
    "an outage that is over has its end": """
        SELECT id FROM outages WHERE ended_at IS NOT NULL AND closed_by IS NULL
        """,
    "who was heard after it was found silent is on its way back": """
        SELECT machine_id FROM liveness
        WHERE status IN ('offline', 'provisioning') AND back_at IS NULL AND last_seen > status_since
        """,
    "what a machine said and nobody decided on is going to be looked at": """
        SELECT reports.id FROM reports JOIN liveness ON liveness.machine_id = reports.machine_id
        WHERE pending AND check_at IS NULL
        """,
    "what is not decided is not sent": """
        SELECT n.id FROM notifications n LEFT JOIN delivery_attempt_items i ON i.notification_id = n.id
        WHERE n.state = 'delivered' AND i.attempt_id IS NULL
        """,
}
_FIRST_TRIES = """
SELECT n.channel_id, n.machine_id, e.seq, min(i.attempt_id) AS first_try
FROM notifications n JOIN events e ON e.id = n.event_id JOIN delivery_attempt_items i ON i.notification_id = n.id
WHERE n.cause = 'first' AND n.machine_id IS NOT NULL GROUP BY n.channel_id, n.machine_id, e.seq ORDER BY 1, 2, 3
"""


def audit(query: Query) -> None:
    offline = query(_OFFLINE)
    assert query("SELECT machine_id FROM outages WHERE ended_at IS NULL ORDER BY 1") == offline
    assert query("SELECT machine_id FROM machine_offline_notifications ORDER BY 1") == offline
    for what, statement in MUST_BE_EMPTY.items():
        assert not query(statement), what
    _one_after_the_other(query(_CHANGES))


def _one_after_the_other(rows: Sequence[Any]) -> None:
    changes: dict[object, list[tuple[object, ...]]] = defaultdict(list)
    for machine_id, *change in rows:
        changes[machine_id].append(tuple(change))
    for events in changes.values():
        assert [seq for seq, *_ in events] == list(range(1, len(events) + 1)), "a gap in seq"
        for (_, _, before, _), (_, previous, _, _) in itertools.pairwise(events):
            assert previous == before, "events of a machine follow from one another"


def in_turn(query: Query) -> None:
    """On each channel, what is told of a machine was begun in the order of its events."""
    for _, group in itertools.groupby(query(_FIRST_TRIES), key=lambda row: (row[0], row[1])):
        begun = [row[3] for row in group]
        assert begun == sorted(begun), "overtaken"
