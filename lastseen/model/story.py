"""What is known of a machine around a moment, for `why`: what happened, who was told, which keys were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lastseen.model.machine import BlindPeriod, Outage, Standing
from lastseen.model.outbox import Event
from lastseen.model.wishes import Silence
from lastseen.model.words import MachineRef


class RefusedFor(StrEnum):
    """Why a known key was refused. `disabled`: its machine is."""

    REVOKED = "revoked"
    EXPIRED = "expired"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class RefusedCount:
    """So many requests with one key were refused within one hour, as a server counted them. `digest`: SHA-256 of the
    key, None where what came was none of our keys by its looks. `disabled`: the key is right, its machine disabled.
    `address`: where the last of them came from."""

    digest: str | None
    hour: datetime
    count: int
    first_at: datetime
    last_at: datetime
    disabled: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class RefusedKey:
    """A known key that was refused. `machine`: the slug of its machine, None for keys of no machine. `ended_at`: when
    it was revoked or expired; `replaced`: it was, by a newer key of the machine; `removed`: its machine was."""

    key_id: int
    scope: str
    hint: str
    label: str
    machine: str | None
    reason: RefusedFor
    count: int
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None = None
    replaced: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True)
class UnknownKeys:
    """Requests with keys that nobody knows: how many, when the last one came and from where."""

    count: int = 0
    last_at: datetime | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Which:
    """Which notifications: of the channel with this name, of this machine, given up or made since then, with one of
    these ids; `seen_by`: that this user sees, the machine and the channel (0: what is shared)."""

    channel: str | None = None
    machine: MachineRef | None = None
    since: datetime | None = None
    seen_by: int | None = None
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What was given up and can be told again: the first `rows`, and how many in all. Left out are those that were
    told since, or are about to be (`again`), and those of channels that are off or gone (`off`)."""

    rows: Sequence[Mapping[str, Any]]
    count: int
    again: int = 0
    off: int = 0


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to send, how it ended ("" while it has not), and what the far end said."""

    at: datetime
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A notification. `channel_type` and `tries` (the newest, oldest first) are empty where a store keeps none.
    `owner`: whose the channel is, None: shared. `ready_at`: the end of its cool-down, None: it does not fail."""

    uid: str
    event: str
    channel: str
    channel_type: str
    cause: str
    state: str
    reason: str | None
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None = None
    id: int = 0
    tries: tuple[Try, ...] = ()
    owner: int | None = None
    ready_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is written down of one machine for the stretch from `start` to `end` (None: it lasts).

    With an `incident` (a uid) that is its stretch, and `events`, `told` and `outages` are its own; else it is the quiet
    time around the moment asked about, with what happened that is no incident, between the incident before it
    (`before`: the last event of that) and the one after it (`after`: the first). `names`: of sources, by their ids.
    `removed_at`: the machine is not there any more, and `standing` is what is left of it.
    `cut`: some of it is left out, there is more.
    """

    standing: Standing
    start: datetime
    end: datetime | None = None
    incident: str | None = None
    events: tuple[Event, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict)  # what the command line calls these events, by uid
    outages: tuple[Outage, ...] = ()
    told: tuple[Told, ...] = ()
    refused: tuple[RefusedKey, ...] = ()
    blind: tuple[BlindPeriod, ...] = ()
    silences: tuple[Silence, ...] = ()
    names: dict[int, str] = field(default_factory=dict)
    channels: int | None = None
    before: Event | None = None
    after: Event | None = None
    cut: bool = False
    removed_at: datetime | None = None
