"""What whoever runs a server wants to know of its store: numbers for `/metrics`, a look at everything for `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lastseen.model.retention import TableSize


@dataclass(frozen=True, slots=True)
class Gauges:
    """How things stand now. `machines` by status; `channels` by how they fare (ok, failing, disabled).

    `outbox` are open notifications by state, counted up to a bound; `oldest` is when the oldest of them was made,
    `due` when the first of them was to be sent. `dead`: given up within the last day. `blind`: by the source's name.
    `sizes` are bytes by kind of file.
    """

    machines: Mapping[str, int]
    outbox: Mapping[str, int]
    channels: Mapping[str, int]
    blind: Mapping[str, bool]
    dead: int = 0
    oldest: datetime | None = None
    due: datetime | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Muster:
    """The machines that a blind source kept from being judged: how many are watched, how many of those have a deadline
    and were not heard since it hears again, and the names of some of these."""

    held: int
    waiting: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roll:
    """A group of machines: how many are watched, and the names of some that are there."""

    total: int = 0
    up: tuple[str, ...] = ()


NOBODY = Roll()


@dataclass(frozen=True, slots=True)
class Stranger:
    """What a source heard and could not place: a name that no machine has (`unknown`), or a topic whose message could
    not be read (`malformed`, with why)."""

    kind: str
    name: str
    heard: int
    first_at: datetime
    last_at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """How a source fares. `blind_since`: of the open blind period. `blind_today`: seconds of the last day by reason.
    `alive_at`: when one of its listeners last said so; `listening`: how many have not left. `paused`: on purpose."""

    name: str
    kind: str
    alive_at: datetime | None = None
    listening: int = 0
    blind_since: datetime | None = None
    blind_reason: str = ""
    blind_today: Mapping[str, float] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    paused: bool = False


@dataclass(frozen=True, slots=True)
class ChannelCheck:
    """How a channel fares. `waiting`: its open notifications; `detail`: the last thing its far end said wrong."""

    uid: str
    name: str
    type: str
    enabled: bool
    disabled_by: str | None = None
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    ready_at: datetime | None = None
    waiting: int = 0
    due: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Dead:
    """A notification that was given up, and not told again since."""

    id: int
    channel: str
    reason: str
    at: datetime
    event: str = ""
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """The first few of many. `rows` are a name and a time; `count` is of all."""

    count: int = 0
    rows: tuple[tuple[str, datetime | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Checkup:
    """A look at everything, at one moment. `unheard`: machines that never reported, with when they were added;
    `expired`: machines whose only keys have expired; `expiring`: within a week; `expired_keys`: of programs.
    `tables`: those that grow with time."""

    sources: tuple[SourceCheck, ...] = ()
    channels: tuple[ChannelCheck, ...] = ()
    machines: int = 0
    unheard: Named = Named()
    expired: Named = Named()
    expiring: Named = Named()
    expired_keys: Named = Named()
    dead: tuple[Dead, ...] = ()
    dead_count: int = 0
    tables: tuple[TableSize, ...] = ()
