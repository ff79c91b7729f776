"""When a machine changes so often that each change is no news. Pure arithmetic over its newest events.

=====================================  =================================================================================
when                                   what happens
=====================================  =================================================================================
the Nth change within the window       `machine.flapping`, an alert, after the event of the change itself
while it flaps                         its changes are events as ever; channels for people are not told of them
no change for a window                 `machine.steady`: an info that ends the flapping where it is online, else an
                                       alert of the incident that is open, because nobody was told of that one
paused or removed                      `machine.steady` for the history, told to nobody: somebody has taken it in hand
=====================================  =================================================================================

A change is an event with which its status became another one of online, offline and error; the first heartbeat ever,
a pause and its end are none. Time in which nobody could have heard it does not count as steady.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model import BlindPeriod, Event, EventType, Liveness, Status
from lastseen.monitor.deadline import Rules, concerning, credited
from lastseen.monitor.snapshot import whole_seconds

LOOKED_AT = 4
"""So many events of a machine are looked at for each change that it takes: others may be among them."""

MOST = 500
"""Changes that a message counts."""

UNSTEADY = frozenset({Status.ONLINE, Status.OFFLINE, Status.ERROR})


def is_change(before: Status | None, after: Status | None) -> bool:
    """From one status in which a machine is watched to another."""
    return before != after and before in UNSTEADY and after in UNSTEADY


def may_begin(row: Liveness, now: datetime, rules: Rules) -> bool:
    """Whether it is worth looking at what it did before: without its events."""
    enough = 0 < rules.flapping_changes <= row.seq + 1 and row.flapping_since is None
    return enough and row.status_since >= now - rules.flapping_window


def changes(events: Iterable[Event], since: datetime) -> list[Event]:
    """Those of its events that are changes, from the moment on in which somebody last took it in hand."""
    found: list[Event] = []
    for event in events:
        if event.type in (EventType.PAUSED, EventType.RESUMED):
            found.clear()
        elif event.at >= since and is_change(event.previous_status, event.status):
            found.append(event)
    return found


def steady_at(row: Liveness, blind: Sequence[BlindPeriod], now: datetime, rules: Rules) -> datetime:
    """When it will have held still for a window."""
    window = rules.flapping_window
    return credited(row.status_since, window, window, concerning(row, blind), now)


def summary(changed: Sequence[Event], window: timedelta) -> dict[str, Any]:
    """For the snapshot of both events: how many changes, from when to when, and how long it was offline in between."""
    ends = [event.snapshot.get("outage") or {} for event in changed if event.previous_status is Status.OFFLINE]
    return {
        "changes": len(changed),
        "window_seconds": whole_seconds(window),
        "since": rfc3339(changed[0].at) if changed else None,
        "until": rfc3339(changed[-1].at) if changed else None,
        "offline_seconds": sum(end.get("seconds") or 0 for end in ends),
    }
