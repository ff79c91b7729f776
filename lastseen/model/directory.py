"""Long lists a page at a time: which machines, in which order, from where on; which events, outages, notifications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from lastseen.model.machine import Standing
from lastseen.model.words import MachineRef, NotificationState, Status

SORTS: Final = ("name", "status", "last_seen", "status_since", "group")

BY_STATUS: Final = (Status.OFFLINE, Status.ERROR, Status.PROVISIONING, Status.ONLINE, Status.PAUSED)
"""The order of `status`: what is wrong comes first."""

DISABLED: Final = "disabled"
"""Of a machine whose keys are refused: its status is paused."""

NEVER_SEEN: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where in the order of `last_seen` a machine stands that was never heard."""

_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)

Place = tuple[Any, ...]
"""Where in its order a machine stands: what `place_of` says, the same in every store."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Some machines, in an order. Of each filter that names something one must fit; `text` is contained, whatever its
    ASCII letters' case, in a slug, a name, a host name or a description; one of `ids` is its id, one of `called` a
    slug or a name, letter for letter. `seen_by`: None: whoever sees everything; else a user, who sees what is shared
    and what is theirs (0: nobody's user). `after`: behind this place."""

    statuses: tuple[Status, ...] = ()
    kinds: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    text: str = ""
    ids: tuple[int, ...] = ()
    called: tuple[str, ...] = ()
    enabled: bool | None = None
    seen_by: int | None = None
    sort: str = "name"
    descending: bool = False
    after: Place | None = None
    limit: int = 100

    def fits(self, one: Standing) -> bool:
        machine = one.machine
        texts = (machine.slug, machine.name, machine.hostname, machine.description)
        return (
            (not self.statuses or one.liveness.status in self.statuses)
            and (not self.kinds or machine.kind in self.kinds)
            and (not self.groups or machine.group in self.groups)
            and (not self.tags or bool(set(self.tags) & set(machine.tags)))
            and (not self.text or any(folded(self.text) in folded(text) for text in texts))
            and (not self.ids or machine.id in self.ids)
            and (not self.called or not {machine.slug, machine.name}.isdisjoint(self.called))
            and (self.enabled is None or machine.enabled == self.enabled)
            and (self.seen_by is None or machine.owner is None or machine.owner == self.seen_by)
        )


@dataclass(frozen=True, slots=True)
class Count:
    """So many machines of a group have this status, and are enabled or not."""

    group: str
    status: Status
    enabled: bool
    machines: int

    @property
    def state(self) -> str:
        """How people call that: who is disabled is more than paused."""
        return self.status.value if self.enabled else DISABLED


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page of what happened, the newest first: of one machine, channel, type or state, with ids below `before`.
    `seen_by` as in `Sought`, of machines and of channels."""

    machine: MachineRef | None = None
    channel: int | None = None
    types: tuple[str, ...] = ()
    state: NotificationState | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    seen_by: int | None = None
    limit: int = 100


def folded(text: str) -> str:
    """With small ASCII letters: what every database does with others is its own."""
    return text.translate(_FOLDED)


def place_of(one: Standing, sort: str) -> Place:
    """Where it stands in this order. The id comes last, so that no two share a place."""
    machine, row = one.machine, one.liveness
    match sort:
        case "status":
            return BY_STATUS.index(row.status), folded(machine.name), machine.id
        case "last_seen":
            return row.last_seen or NEVER_SEEN, machine.id
        case "status_since":
            return row.status_since, machine.id
        case "group":
            return folded(machine.group), folded(machine.name), machine.id
    return folded(machine.name), machine.id
