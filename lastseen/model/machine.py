"""What is watched, what machines say, what people order, what is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lastseen.model.names import NO_GROUP
from lastseen.model.outbox import Channel, Event, Notification
from lastseen.model.words import (
    HTTP_SOURCE,
    BlindReason,
    EndReason,
    MachineRef,
    OutageReason,
    RunOutcome,
    Said,
    Status,
)

# --- what is watched --------------------------------------------------------------------------------------------------


class Kind(msgspec.Struct, frozen=True, gc=False):
    """A group of machines with a common threshold. None: the default threshold; NEVER: never offline by silence."""

    name: str = "default"
    offline_after: timedelta | None = None
    every: timedelta | None = None


class Machine(msgspec.Struct, frozen=True, gc=False):
    """What people wrote about a machine.

    `schedule`: when its job is due (cron, or systemd's OnCalendar) in `timezone` (an IANA name; None: UTC); `grace`:
    how long after that it may be silent; of a machine that is no job, how long after a goodbye. `max_runtime`: how long
    a run may take from its start. `owner`: the user whose it is; None: it is shared.
    """

    id: int
    uid: str
    slug: str
    name: str
    hostname: str = ""
    description: str = ""
    kind: str = "default"
    group: str = NO_GROUP
    tags: tuple[str, ...] = ()
    every: timedelta | None = None
    offline_after: timedelta | None = None
    enabled: bool = True
    resume_by_hand: bool = False
    schedule: str | None = None
    timezone: str | None = None
    grace: timedelta | None = None
    max_runtime: timedelta | None = None
    owner: int | None = None


class Liveness(msgspec.Struct, frozen=True, gc=False):
    """What the monitor knows about a machine: one narrow row.

    `check_at` is a promise to look again, never later than the true deadline; None: nothing to look for.
    `back_at` is when it was first heard since it went offline (or ever, while provisioning).
    `heard` and `heard_before` are bit sets of the sources it was heard on since the last settle, and before it.
    `expect_at` is when the machine itself said that it will be heard next; it holds until it is heard again.
    `run_due_at` is when the first of its open runs should have ended. `present` is what its broker last said.
    `seq` counts its events; `incident` is the uid of the event that opened the open incident, if one is open.
    `flapping_since` is when it was found to change too often, until it holds still.
    """

    status: Status
    status_since: datetime
    watch_from: datetime
    last_seen: datetime | None = None
    check_at: datetime | None = None
    back_at: datetime | None = None
    goodbye_at: datetime | None = None
    expect_at: datetime | None = None
    run_due_at: datetime | None = None
    present: bool | None = None
    heard: int = 0
    heard_before: int = 0
    seq: int = 0
    incident: str | None = None
    flapping_since: datetime | None = None

    @property
    def silent_since(self) -> datetime:
        """Where silence is counted from: the later of last_seen and the start of watching."""
        return self.watch_from if self.last_seen is None else max(self.last_seen, self.watch_from)

    @property
    def awaited(self) -> bool:
        """It was resumed and counts as online, and neither it nor its broker said anything since, as far as this row
        tells: when a run began, `status_of` knows. (A broker's word that it is there begins watching too: what says
        goodbye after that was there.)"""
        untold = self.present is not True and self.goodbye_at in (None, self.watch_from)
        return self.status is Status.ONLINE and untold and self.silent_since != self.last_seen


class Outage(msgspec.Struct, frozen=True, gc=False):
    """From the later of last_seen and the start of watching to the first heartbeat after it."""

    machine_id: int
    started_at: datetime
    detected_at: datetime
    reason: OutageReason
    opened_by: str  # uid of the machine.offline event
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    closed_by: str | None = None
    acked_at: datetime | None = None
    acked_by: str | None = None


class Run(msgspec.Struct, frozen=True, gc=False):
    """One run of a job. Open while `ended_at` is None; `started_at` is None where only the end was told. `run` is the
    machine's own name for it. `output` is the end of what it printed."""

    uid: str
    machine_id: int
    run: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: RunOutcome | None = None
    exit_code: int | None = None
    output: str = ""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """All that a store knows of one machine now. `outage` is the open one. `error_acked_by`: of a machine in error, who
    has seen that, at `error_acked_at`, since it was told of it last; of an outage the outage says so."""

    machine: Machine
    kind: Kind
    liveness: Liveness
    outage: Outage | None = None
    error_acked_at: datetime | None = None
    error_acked_by: str | None = None

    @property
    def since(self) -> datetime:
        """Since when it is how it is. Of an outage, from where it is counted: noticed was it at `status_since`."""
        return self.liveness.status_since if self.outage is None else self.outage.started_at


# --- what machines say ------------------------------------------------------------------------------------------------


class Beat(msgspec.Struct, frozen=True, gc=False):
    """One report of one machine, as it goes to `Store.record`. `body` is a JSON object as text, kept as it came.
    `next_in`: in so many seconds it will be heard next. `run` and `exit_code` are of the run that it tells of.

    A Struct, because one is made for every heartbeat: a frozen dataclass takes eight times as long to make.
    """

    machine: MachineRef
    at: datetime
    said: Said = Said.ALIVE
    source: int = HTTP_SOURCE
    body: str | None = None
    said_at: datetime | None = None
    next_in: float | None = None
    run: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a `record` did. `unknown`: no such machine, nothing kept of these. `due`: something wants deciding now."""

    unknown: frozenset[MachineRef] = frozenset()
    due: bool = False


class Signal(msgspec.Struct, frozen=True, gc=False):
    """A report that waits to be decided on. `message` is its `message` field, else the last line of its `output`, else
    ""; `output` that field."""

    said: Said
    at: datetime
    message: str = ""
    run: str | None = None
    exit_code: int | None = None
    output: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A way in as a row. `id` is its bit in `Liveness.heard`; `config` holds no secrets."""

    id: int
    name: str
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlindPeriod:
    """A stretch in which a source could not have heard anybody; open while `ended_at` is None."""

    source: int
    started_at: datetime
    ended_at: datetime | None
    reason: BlindReason


# --- what people order ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watch:
    """Declare a machine or change it. `changes` are fields of Machine, those of WATCHABLE; what is not named stays.
    `expect`: "any", "new" (else Conflict) or "known" (else UnknownMachine)."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    expect: str = "any"


WATCHABLE = frozenset(
    {"name", "hostname", "description", "kind", "group", "tags", "every", "offline_after"}
    | {"schedule", "timezone", "grace", "max_runtime", "owner"}
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Not watched, heartbeats accepted. `by_hand`: only a person resumes it."""

    by_hand: bool = True


@dataclass(frozen=True, slots=True)
class Resume:
    pass


@dataclass(frozen=True, slots=True)
class Disable:
    """Its keys are refused, and it is paused."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Its keys are accepted again, and it is watched again."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove it; its history stays."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    by: str


Order = Watch | Pause | Resume | Disable | Enable | Forget | Acknowledge


# --- what is decided --------------------------------------------------------------------------------------------------


class Case(msgspec.Struct, frozen=True, gc=False):
    """Everything `decide` may look at. `told`: uids of the channels that heard of the open incident. `runs`: its newest
    runs, the oldest first, and all that are open; left out where nothing is to be decided about runs. Read only if they
    are asked for: `newest_events`, so many of its own, the oldest first, `began_to_flap`, its newest
    `machine.flapping`, and `told_of`, who heard of an incident. `until`: the moment up to which silence is judged,
    where what was said since may not be stored yet; None: `now`."""

    standing: Standing
    now: datetime
    signals: tuple[Signal, ...] = ()
    order: Order | None = None
    blind: tuple[BlindPeriod, ...] = ()
    channels: tuple[Channel, ...] = ()
    told: frozenset[str] = frozenset()
    runs: tuple[Run, ...] = ()
    newest_events: Callable[[int], Sequence[Event]] = lambda _: ()
    began_to_flap: Callable[[], Event | None] = lambda: None
    told_of: Callable[[str], frozenset[str]] = lambda _: frozenset()
    until: datetime | None = None

    @property
    def audience(self) -> tuple[Channel, ...]:
        """Those of `channels` that may hear of it."""
        owner = self.standing.machine.owner
        return tuple(channel for channel in self.channels if channel.hears_of(owner))


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Everything a store writes for one machine, in one transaction.

    `liveness` replaces the row; `events`, then what hangs on them: `outages` (put by `opened_by`), `notifications`;
    and `runs` (put by `uid`).
    The machine has a row in `machine_offline_notifications` exactly while it has an open outage. `removed`: the machine
    is gone, its history stays.
    """

    liveness: Liveness
    events: tuple[Event, ...] = ()
    outages: tuple[Outage, ...] = ()
    notifications: tuple[Notification, ...] = ()
    runs: tuple[Run, ...] = ()
    removed: bool = False
