"""The words: identifiers and enums."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    """The value with other fields. Most values of the model are msgspec Structs, because a sweep makes thousands of
    them and a frozen dataclass takes eight times as long to make; those that nobody makes many of are dataclasses."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changes)
    return cast("T", dataclasses.replace(cast("Any", value), **changes))


MachineRef = int | str
"""A machine's id (int) or its slug (str)."""

HTTP_SOURCE = 0
"""The id of the source `http`, which heartbeats given in code share: the lowest bit of `Liveness.heard`."""


class Status(StrEnum):
    """What a machine is. The arrows are drawn in `lastseen.monitor.decide`."""

    PROVISIONING = "provisioning"
    ONLINE = "online"
    OFFLINE = "offline"
    ERROR = "error"
    PAUSED = "paused"


class Said(StrEnum):
    """What one report says. All but `alive` and `note` are signals: kept in order until they were decided on.

    `present` and `absent` are a broker's word about a machine, not its own: they move no `last_seen`. `note` is only
    kept.
    """

    ALIVE = "alive"
    OK = "ok"
    ERROR = "error"
    GOODBYE = "goodbye"
    START = "start"
    NOTE = "note"
    PRESENT = "present"
    ABSENT = "absent"


HEARTBEATS = frozenset({Said.ALIVE, Said.OK, Said.ERROR})
"""What moves `last_seen`. A goodbye is the word that there will be no more of them."""

PRESENCE = frozenset({Said.PRESENT, Said.ABSENT})
"""The word of a broker, which may say the same again whenever it is asked."""

SIGNALS = frozenset({Said.OK, Said.ERROR, Said.GOODBYE, Said.START}) | PRESENCE


class EventType(StrEnum):
    """Committed facts. Whoever raises others may, so `Event.type` is a plain str."""

    OFFLINE = "machine.offline"
    ONLINE = "machine.online"
    ERROR = "machine.error"
    REGISTERED = "machine.registered"
    REMOVED = "machine.removed"
    PAUSED = "machine.paused"
    RESUMED = "machine.resumed"
    ACKNOWLEDGED = "machine.acknowledged"
    FLAPPING = "machine.flapping"
    STEADY = "machine.steady"
    SOURCE_BLIND = "source.blind"
    SOURCE_RESTORED = "source.restored"
    CHANNEL_FAILING = "channel.failing"
    CHANNEL_TEST = "channel.test"
    STORE_LOST = "system.store_lost"
    STORE_RESTORED = "system.store_restored"
    DISK_LOW = "system.disk_low"
    DISK_OK = "system.disk_ok"
    NEVER_REPORTED = "system.machine_never_reported"
    NO_CHANNEL = "system.no_channel"
    CHANNEL_BACK = "system.channel_back"


class Severity(StrEnum):
    ALERT = "alert"
    INFO = "info"


class OutageReason(StrEnum):
    SILENT = "silent"
    GOODBYE = "goodbye"
    RUN = "run"


class RunOutcome(StrEnum):
    """What became of a run. `overdue`: not finished in time, it may still end; `lost`: another began in its place."""

    SUCCESS = "success"
    FAIL = "fail"
    OVERDUE = "overdue"
    LOST = "lost"


class EndReason(StrEnum):
    HEARD = "heard"
    PAUSED = "paused"
    REMOVED = "removed"


class BlindReason(StrEnum):
    STOPPED = "stopped"
    STALLED = "stalled"
    CLOCK = "clock"
    STORE = "store"
    LINK = "link"
    UPLINK = "uplink"


class NotificationState(StrEnum):
    """One event for one channel.

    ::

        (made) ──► PENDING ──take──► SENDING ──finish──► DELIVERED
           │        ▲   │               │ └────────────► DEAD       gave up, or the far end will not have it
           │        │   │               │
           │        └───┼── try again ──┘ (also when its lease was lost)
           │            └──► CANCELLED  no longer true, or nobody wants it any more
           │            └──► DEAD       expired
           └──► SKIPPED   the channel did not want it
    """

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


FINISHED = frozenset(
    {NotificationState.DELIVERED, NotificationState.DEAD, NotificationState.CANCELLED, NotificationState.SKIPPED}
)
HEARD_OF_IT = frozenset(
    {NotificationState.PENDING, NotificationState.SENDING, NotificationState.DELIVERED, NotificationState.DEAD}
)
"""A channel with a notification of an incident in one of these states is told of its end."""


OWN_ENDS = frozenset({EventType.STORE_RESTORED, EventType.DISK_OK, EventType.CHANNEL_BACK})
"""Ends of lastseen's own troubles."""

ENDINGS = (
    frozenset({EventType.ONLINE, EventType.PAUSED, EventType.REMOVED, EventType.STEADY, EventType.SOURCE_RESTORED})
    | OWN_ENDS
)
"""Events with which an incident is over, where they are no alert."""


BEGUN_BY = {
    EventType.ONLINE: (EventType.OFFLINE, EventType.ERROR),
    EventType.STEADY: (EventType.FLAPPING,),
    EventType.SOURCE_RESTORED: (EventType.SOURCE_BLIND,),
    EventType.STORE_RESTORED: (EventType.STORE_LOST,),
    EventType.DISK_OK: (EventType.DISK_LOW,),
    EventType.CHANNEL_BACK: (EventType.NO_CHANNEL,),
}
"""What ends something, and the alerts with which that began."""

ENDS = frozenset(BEGUN_BY)

FOLLOWS = {**BEGUN_BY, EventType.ACKNOWLEDGED: BEGUN_BY[EventType.ONLINE]}
"""What is told to those who were told of one of these: an end, and that somebody has seen it."""

"""Types of events that, where they are no alert, are told to those who were told of what they end."""

MERE_ENDS = frozenset({EventType.ONLINE, EventType.STEADY})
"""Ends that are told to nobody else, not even to those who want everything."""

INFOS = frozenset(
    {EventType.REGISTERED, EventType.REMOVED, EventType.PAUSED, EventType.RESUMED, EventType.ACKNOWLEDGED}
)
"""Types of events that are no alert, and end none: told to those who want everything."""


class Cause(StrEnum):
    FIRST = "first"
    REMINDER = "reminder"
    REPLAY = "replay"
    FALLBACK = "fallback"


class Scope(StrEnum):
    """Whose trouble a failed send is."""

    NOTIFICATION = "notification"
    CHANNEL = "channel"
    LANE = "lane"
