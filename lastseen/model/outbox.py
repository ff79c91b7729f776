"""Events, channels, notifications, and what becomes of a send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from lastseen.model.wishes import AS_USUAL, HELD, Preferences
from lastseen.model.words import Cause, EventType, NotificationState, Scope, Severity, Status

if TYPE_CHECKING:
    from lastseen.model.machine import Outage


class Event(msgspec.Struct, frozen=True, gc=False):
    """A committed fact. Messages are rendered from `snapshot` alone (its fields: `lastseen.monitor.decide.snapshot`).

    `seq` is the machine's own counter (None for events without a machine); `incident` the uid of the event that opened
    the incident. `subject` names what an event without a machine is about: {"id", "name"} under "source" or "channel".
    """

    uid: str
    type: str
    severity: Severity
    at: datetime
    reason: str
    snapshot: Mapping[str, Any]
    machine_id: int | None = None
    machine: str | None = None
    seq: int | None = None
    incident: str | None = None
    previous_status: Status | None = None
    status: Status | None = None
    last_seen: datetime | None = None
    channel: str | None = None
    source: int | None = None


LEFT_BEHIND = ", whose it was, is no user any more"
"""How the reason ends for which such a channel is off."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination. `uid` is its durable identity; `config` holds no secrets."""

    uid: str
    name: str
    type: str
    id: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    disabled_by: str | None = None  # "person" or "far_end"
    disabled_reason: str | None = None
    owner_id: int | None = None
    lane: str = ""
    version: int = 1  # grows with every change of the row, its secrets included
    prefs: Preferences = AS_USUAL
    fallback: str | None = None  # uid of another channel

    @property
    def is_left_behind(self) -> bool:
        """It was somebody's who is no user any more, and nobody has taken it over."""
        return self.owner_id is None and not self.enabled and (self.disabled_reason or "").endswith(LEFT_BEHIND)

    def others(self, known: Iterable[Channel]) -> tuple[Channel, ...]:
        """Who is told of this one's trouble: its owner's other channels, or everybody where nobody owns it."""
        mine = (other for other in known if self.owner_id is None or other.owner_id == self.owner_id)
        return tuple(other for other in mine if other.enabled and other.uid != self.uid)

    def hears_of(self, owner: int | None) -> bool:
        """What is this user's, None: shared. Somebody's channel hears of that and of what is theirs, one that everybody
        shares of all."""
        return self.owner_id is None or owner is None or owner == self.owner_id

    def declines(self, event: Event) -> str | None:
        """Why its preferences leave the event out, whatever it was told before; None: they do not."""
        wishes = self.prefs
        if not self.wants(event.type):
            return f"wants only {', '.join(wishes.events)}"
        return wishes.machines.misses(event.snapshot)

    def wants(self, type_: str) -> bool:
        """Whether its preferences let events of this type through. Who is told that a machine flaps, and so of none of
        its changes, is told how that ended."""
        asked = {type_, EventType.FLAPPING} if type_ == EventType.STEADY else {type_}
        patterns = self.prefs.events
        return not patterns or any(fnmatchcase(one, pattern) for one in asked for pattern in patterns)


class Notification(msgspec.Struct, frozen=True, gc=False):
    """One event for one channel: a row in the outbox. `uid` is what far ends see (`webhook-id`)."""

    uid: str
    event: str  # uid
    channel: str  # uid
    due_at: datetime
    created_at: datetime
    expires_at: datetime
    machine_id: int | None = None
    incident: str | None = None
    occasion: int = 0
    cause: Cause = Cause.FIRST
    state: NotificationState = NotificationState.PENDING
    reason: str | None = None
    while_open: bool = False
    solo: bool = False
    attempts: int = 0
    rejections: int = 0  # how often the far end refused this very message
    lease_token: int | None = None
    finished_at: datetime | None = None
    receipt: str | None = None

    @property
    def held(self) -> bool:
        """It waits for something that may change: a wish of people, or an incident that lasts."""
        waits = self.while_open or (self.reason or "").startswith(HELD)
        return waits and self.state is NotificationState.PENDING


@dataclass(frozen=True, slots=True)
class Trouble:
    """A channel that fails: since when, how many notifications wait for it, and what its far end said last."""

    channel: Channel
    since: datetime
    waiting: int
    said: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send on a lane. `token` only grows; a result counts only where the row's own token equals it."""

    name: str
    owner: str
    token: int
    until: datetime
    channels: frozenset[str] = frozenset()  # uids of the lane's channels that this owner can send to


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel fares. `ready_at`: end of its cool-down; `failures`: in a row."""

    ready_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    succeeded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acked:
    """Who has seen it, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification in an attempt, with what its message is rendered from. `outage` is as it stands now, and
    `acked` who has seen what it tells of, where that was asked for."""

    notification: Notification
    event: Event
    outage: Outage | None = None
    reply_to: str | None = None  # receipt of the incident's first delivered notification on this channel
    acked: Acked | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send. More than one delivery only where the channel's notifier speaks for several at once.

    `probe`: sent ahead of its own wait, to see whether the channel is back; not counted as a try.
    """

    id: int
    channel: str  # uid
    deliveries: tuple[Delivery, ...]
    started_at: datetime
    probe: bool = False
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The far end has it. `receipt` is its own id for it; `taken` the notification uids it took, None for all;
    `moved` are config values that the far end changed (a chat that got a new id), to be stored."""

    receipt: str | None = None
    taken: frozenset[str] | None = None
    moved: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later. `after`: not before so long, by the far end's own word. `unreached`: there was no way to the
    far end (no name server, no route, no answer to the call); when that is so of all, our own line may be cut.
    `unsaid`: nothing was sent, because it is not its turn yet: no try, and what gathers meanwhile may go with it."""

    reason: str
    scope: Scope = Scope.CHANNEL
    after: timedelta | None = None
    unreached: bool = False
    unsaid: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The far end will not have it. Scope notification: three tries, then dead. Scope channel: the destination is
    gone; the channel is disabled and others are told. Scope lane: so for every channel of the lane."""

    reason: str
    scope: Scope = Scope.NOTIFICATION


Outcome = Delivered | Retry | Rejected


@dataclass(frozen=True, slots=True)
class Incident:
    """How an incident stands, and what one channel was told of it. `over`: when it ended. `acked_by`: who has seen it
    last, at `acked_at`. `waiting`: uids of the
    notifications of its alerts that are pending; `told`: one of them is on its way, delivered or dead; `cancelled`: one
    was cancelled."""

    over: datetime | None = None
    acked_by: str | None = None
    waiting: frozenset[str] = frozenset()
    told: bool = False
    cancelled: bool = False
    acked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """`batch`: how many notifications one send may speak for; only those with the same `key` go together, and what
    follows of the same machines."""

    batch: int = 1
    key: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    reason: str


Admission = Send | Hold | Cancel


@dataclass(frozen=True, slots=True)
class Sent:
    """What a retry plan may look at. `others`: the enabled channels that would be told of this one's
    trouble; there need be none where it has none."""

    attempt: Attempt
    outcome: Outcome
    channel: Channel
    state: ChannelState
    others: tuple[Channel, ...]
    now: datetime
    waiting: int = 0  # further open notifications of the channel


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Everything a store writes after a send, in one transaction.

    `notifications` replace the attempt's rows; `state` the channel's (`lane_wide`: every channel's of the lane).
    `release`: all rows of the channel that wait for another try are due now. `disable`: the channel is disabled with
    this reason and its open rows end dead with it. `moved` is merged into the channel's config. `events` and `more`
    are new events and notifications.
    """

    notifications: tuple[Notification, ...]
    state: ChannelState
    lane_wide: bool = False
    release: bool = False
    disable: str | None = None
    moved: Mapping[str, Any] | None = None
    events: tuple[Event, ...] = ()
    more: tuple[Notification, ...] = ()
