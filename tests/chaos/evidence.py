"""What an auditor is given: the rows of the database, what receivers took, what machines did, what was broken when.

All times are seconds since 1970 in the database's time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Beat:
    """One attempt of a machine to say something. `acked`: when it was told that this is safe; None: it never was.
    `via`: the way in; only what was acknowledged over `http` is promised to be in the database."""

    machine: int
    said: str  # alive, ok, error or goodbye
    sent: float
    acked: float | None
    via: str = "http"


@dataclass(frozen=True, slots=True)
class Fault:
    """`deaf`: nobody could have been heard on these sources while it lasted. `held`: who spoke then was heard when it
    was over, or even meanwhile, and must not be blamed before; who did not, was as silent as ever."""

    kind: str
    start: float
    end: float
    deaf: tuple[str, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a receiver took. `answered`: it said yes; otherwise it took it, and the sender was not told."""

    channel: str
    id: str
    type: str
    machine: int | None
    sequence: int | None
    event: str
    at: float
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    id: int
    slug: str
    threshold: float
    grace: float
    status: str
    last_seen: float | None
    via: str = "http"


@dataclass(frozen=True, slots=True)
class Event:
    uid: str
    machine: int
    seq: int
    type: str
    at: float
    before: str | None
    after: str | None
    reason: str
    last_seen: float | None


@dataclass(frozen=True, slots=True)
class Outage:
    machine: int
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Notification:
    id: str
    event: str
    channel: str
    cause: str
    state: str
    reason: str | None
    attempts: tuple[str, ...] = ()
    """The outcomes of the attempts, in their order; `open` for one without."""


@dataclass(frozen=True, slots=True)
class Blind:
    source: str
    start: float
    end: float | None
    reason: str


@dataclass(frozen=True)
class Evidence:
    machines: Sequence[Machine] = ()
    events: Sequence[Event] = ()
    outages: Sequence[Outage] = ()
    notifications: Sequence[Notification] = ()
    blind: Sequence[Blind] = ()
    channels: Sequence[str] = ()
    deliveries: Sequence[Delivery] = ()
    beats: Sequence[Beat] = ()
    faults: Sequence[Fault] = ()
    lateness: float = 0.0
    """Seconds that whoever wanted to run had to wait for a processor at most, as was measured beside the machines."""
    taken_at: float = 0.0
    """When the database was read: what came later is in none of this."""
    refused: int = 0
    """Deliveries whose signature was wrong."""
    more: dict[str, int] = field(default_factory=dict)
