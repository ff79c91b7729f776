"""The state table: every status × every fact, and nothing else decides a change of status.

::

               first heartbeat, ok, present
      PROVISIONING ──────────────────────────► ONLINE ◄────────────────┐
        │   │                                  │ ▲  │                  │
        │   │ error, failed      silent, gone, │ │  │ error,           │ ok
        │   │              overrun             │ │  │ failed           │
        │   │              heard, ok, present  ▼ │  ▼                  │
        │   └──────────────┐                 OFFLINE ─error, failed─► ERROR ─┐ failed: told again
        │                  │                   ▲                     │ ▲ ▲   │
        │                  └───────────────────┼─────────────────────┼─┘ └───┘
        │                                      └ silent, gone, overrun
        │
        └── pause ──► PAUSED ── resume ──► ONLINE, or PROVISIONING when it was never heard of
                        ▲
                        └── pause ── ONLINE, OFFLINE, ERROR            forget: from anywhere, out

`provisioning` never becomes `offline`. `error` ends with an explicit ok, never with a heartbeat without status.
After `offline` any heartbeat but an error gives `online`; every failed run of a job is an event.
That somebody has seen an outage or an error is an event, and changes no status.
`late` is derived (see `lastseen.monitor.status`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lastseen.model import EndReason, EventType, Status


class Fact(StrEnum):
    """What can have happened to a machine."""

    HEARD = "heard"  # a heartbeat without a status
    OK = "ok"  # a heartbeat that says it is well
    ERROR = "error"  # a heartbeat that says it is not
    GOODBYE = "goodbye"  # it said that it stops, or its broker said so: the grace begins
    GONE = "gone"  # the grace is over and it was not heard
    SILENT = "silent"  # its threshold is over and it was not heard
    FAILED = "failed"  # a job's run failed: told each time, where an error is told once
    OVERRUN = "overrun"  # a run was started and did not end in time
    START = "start"  # a run began
    PRESENT = "present"  # its broker says that it is there, and did not say so before
    REGISTERED = "registered"  # it was declared
    CHANGED = "changed"  # what people wrote about it was changed
    ACKNOWLEDGED = "acknowledged"  # somebody has seen it
    PAUSE = "pause"
    RESUME = "resume"
    RESUME_UNHEARD = "resume unheard"  # resumed, and neither it nor its broker ever said anything
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Move:
    """What a fact does: the status after it, the event it is told by, and whether it ends an open outage or opens one.
    `to` None: the machine is gone."""

    to: Status | None
    event: EventType
    ends: EndReason | None = None
    opens: bool = False


_P, _ON, _OFF, _E, _Z = Status.PROVISIONING, Status.ONLINE, Status.OFFLINE, Status.ERROR, Status.PAUSED
_ONLINE = Move(_ON, EventType.ONLINE, ends=EndReason.HEARD)
_ERROR = Move(_E, EventType.ERROR, ends=EndReason.HEARD)
_FAILED_AGAIN = Move(_E, EventType.ERROR)
_OFFLINE = Move(_OFF, EventType.OFFLINE, opens=True)
_SEEN_OFFLINE = Move(_OFF, EventType.ACKNOWLEDGED)
_SEEN_ERROR = Move(_E, EventType.ACKNOWLEDGED)
_PAUSED = Move(_Z, EventType.PAUSED, ends=EndReason.PAUSED)
_REMOVED = Move(None, EventType.REMOVED, ends=EndReason.REMOVED)

STAY = None
"""The fact changes no status and is no event."""

TABLE: dict[tuple[Status, Fact], Move | None] = {
    (_P, Fact.HEARD): _ONLINE,
    (_P, Fact.OK): _ONLINE,
    (_P, Fact.ERROR): _ERROR,
    (_P, Fact.GOODBYE): STAY,
    (_P, Fact.GONE): STAY,
    (_P, Fact.SILENT): STAY,
    (_P, Fact.FAILED): _ERROR,
    (_P, Fact.OVERRUN): STAY,
    (_P, Fact.START): STAY,
    (_P, Fact.PRESENT): _ONLINE,
    (_P, Fact.REGISTERED): Move(_P, EventType.REGISTERED),
    (_P, Fact.CHANGED): STAY,
    (_P, Fact.ACKNOWLEDGED): STAY,
    (_P, Fact.PAUSE): _PAUSED,
    (_P, Fact.RESUME): STAY,
    (_P, Fact.RESUME_UNHEARD): STAY,
    (_P, Fact.FORGET): _REMOVED,
    (_ON, Fact.HEARD): STAY,
    (_ON, Fact.OK): STAY,
    (_ON, Fact.ERROR): _ERROR,
    (_ON, Fact.GOODBYE): STAY,
    (_ON, Fact.GONE): _OFFLINE,
    (_ON, Fact.SILENT): _OFFLINE,
    (_ON, Fact.FAILED): _ERROR,
    (_ON, Fact.OVERRUN): _OFFLINE,
    (_ON, Fact.START): STAY,
    (_ON, Fact.PRESENT): STAY,
    (_ON, Fact.REGISTERED): STAY,
    (_ON, Fact.CHANGED): STAY,
    (_ON, Fact.ACKNOWLEDGED): STAY,
    (_ON, Fact.PAUSE): _PAUSED,
    (_ON, Fact.RESUME): STAY,
    (_ON, Fact.RESUME_UNHEARD): STAY,
    (_ON, Fact.FORGET): _REMOVED,
    (_OFF, Fact.HEARD): _ONLINE,
    (_OFF, Fact.OK): _ONLINE,
    (_OFF, Fact.ERROR): _ERROR,
    (_OFF, Fact.GOODBYE): STAY,
    (_OFF, Fact.GONE): STAY,
    (_OFF, Fact.SILENT): STAY,
    (_OFF, Fact.FAILED): _ERROR,
    (_OFF, Fact.OVERRUN): STAY,
    (_OFF, Fact.START): STAY,
    (_OFF, Fact.PRESENT): _ONLINE,
    (_OFF, Fact.REGISTERED): STAY,
    (_OFF, Fact.CHANGED): STAY,
    (_OFF, Fact.ACKNOWLEDGED): _SEEN_OFFLINE,
    (_OFF, Fact.PAUSE): _PAUSED,
    (_OFF, Fact.RESUME): STAY,
    (_OFF, Fact.RESUME_UNHEARD): STAY,
    (_OFF, Fact.FORGET): _REMOVED,
    (_E, Fact.HEARD): STAY,
    (_E, Fact.OK): _ONLINE,
    (_E, Fact.ERROR): STAY,
    (_E, Fact.GOODBYE): STAY,
    (_E, Fact.GONE): _OFFLINE,
    (_E, Fact.SILENT): _OFFLINE,
    (_E, Fact.FAILED): _FAILED_AGAIN,
    (_E, Fact.OVERRUN): _OFFLINE,
    (_E, Fact.START): STAY,
    (_E, Fact.PRESENT): STAY,
    (_E, Fact.REGISTERED): STAY,
    (_E, Fact.CHANGED): STAY,
    (_E, Fact.ACKNOWLEDGED): _SEEN_ERROR,
    (_E, Fact.PAUSE): _PAUSED,
    (_E, Fact.RESUME): STAY,
    (_E, Fact.RESUME_UNHEARD): STAY,
    (_E, Fact.FORGET): _REMOVED,
    (_Z, Fact.HEARD): STAY,
    (_Z, Fact.OK): STAY,
    (_Z, Fact.ERROR): STAY,
    (_Z, Fact.GOODBYE): STAY,
    (_Z, Fact.GONE): STAY,
    (_Z, Fact.SILENT): STAY,
    (_Z, Fact.FAILED): STAY,
    (_Z, Fact.OVERRUN): STAY,
    (_Z, Fact.START): STAY,
    (_Z, Fact.PRESENT): STAY,
    (_Z, Fact.REGISTERED): STAY,
    (_Z, Fact.CHANGED): STAY,
    (_Z, Fact.ACKNOWLEDGED): STAY,
    (_Z, Fact.PAUSE): STAY,
    (_Z, Fact.RESUME): Move(_ON, EventType.RESUMED),
    (_Z, Fact.RESUME_UNHEARD): Move(_P, EventType.RESUMED),
    (_Z, Fact.FORGET): _REMOVED,
}
