"""What people wish to be told, and when: a channel's preferences, and silences. Data and matching, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
from msgspec.structs import force_setattr

from lastseen.errors import InvalidInput
from lastseen.model.names import group_meant

if TYPE_CHECKING:
    from lastseen.model.machine import Machine

T = TypeVar("T")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HELD = "held: "
"""How the reason of a notification begins that something holds back."""

URGENT = "urgent"
"""Machines with this tag are told of in quiet hours too."""


NAMED_BY = ("names", "groups", "tags", "kinds")
"""The fields of a `Matcher` by which people name machines."""


class Matcher(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which machines: those that every given field names. Without fields: all. `names` are patterns (`cam-*`) of a
    machine's slug or display name; `ids` are of machines as they were written down, and never given again. `channels`:
    only on these (uids), for a silence of one chat."""

    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "groups", tuple(map(group_meant, self.groups)))

    @property
    def of_machines(self) -> bool:
        """It names some machines, not all."""
        return bool(self.groups or self.tags or self.kinds or self.names or self.ids)

    def misses(self, snapshot: Mapping[str, Any]) -> str | None:
        """Why a machine, as an event's snapshot has it, is not meant; None: it is."""
        machine = snapshot.get("machine")
        if not isinstance(machine, Mapping):
            return None
        if self.groups and snapshot.get("group") not in self.groups:
            return f"wants only group {_either(self.groups)}"
        if self.tags and not set(self.tags) & set(snapshot.get("tags") or ()):
            return f"wants only tag {_either(self.tags)}"
        if self.kinds and snapshot.get("kind") not in self.kinds:
            return f"wants only kind {_either(self.kinds)}"
        if self.ids and machine.get("id") not in self.ids:
            return f"wants only {_so_many(self.ids)}"
        names = (str(snapshot.get("slug") or ""), str(machine.get("name") or ""))
        if self.names and not any(fnmatchcase(name, pattern) for pattern in self.names for name in names):
            return f"wants only {_either(self.names)}"
        return None

    def __str__(self) -> str:
        parts = [*(f"group {g}" for g in self.groups), *(f"tag {t}" for t in self.tags)]
        parts += [*(f"kind {k}" for k in self.kinds), *self.names]
        parts += [_so_many(self.ids)] if self.ids else []
        return ", ".join(parts) if parts else "all machines"


def matchable(machine: Machine) -> Mapping[str, Any]:
    """As the snapshot of an event of it would be, as far as `Matcher.misses` reads that."""
    return {
        "machine": {"id": machine.id, "name": machine.name},
        "slug": machine.slug,
        "group": machine.group,
        "kind": machine.kind,
        "tags": machine.tags,
    }


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(f'"{word}"' for word in words)


def _so_many(ids: tuple[int, ...]) -> str:
    return "1 machine" if len(ids) == 1 else f"{len(ids)} machines"


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Quiet hours: from `start` until `end` (local `HH:MM`; past midnight where `end` is not later), beginning on these
    days (none: every day), in the time zone `timezone` (IANA; None: lastseen's)."""

    start: str
    end: str
    timezone: str | None = None
    days: tuple[str, ...] = ()


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one channel is told, and when.

    `events`: patterns of event types (`machine.*`); none: whatever its severity asks for. `severity`: "alert" (alerts
    and their ends) or "info" (everything). `notify_after` seconds pass before an alert is told, and it is not if it is
    over by then. While an alert lasts it is told again every `repeat_every` seconds, until somebody acknowledges it.
    When the channel has failed for `fallback_after` seconds its alerts go to its fallback as well.
    """

    events: tuple[str, ...] = ()
    severity: Literal["alert", "info"] = "alert"
    machines: Matcher = Matcher()
    quiet: Quiet | None = None
    notify_after: float = 0
    repeat_every: float = 0
    fallback_after: float = 900


EVERYTHING = Matcher()
AS_USUAL = Preferences()


@dataclass(frozen=True, slots=True)
class Silence:
    """A span in which events of some machines are recorded but held back."""

    name: str
    starts_at: datetime
    ends_at: datetime
    matcher: Matcher = EVERYTHING
    created_by: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Invite:
    """Somebody may make a channel of this name from where they are, once. `used_by`: who did."""

    id: int
    name: str
    config: Mapping[str, Any]
    expires_at: datetime
    used_by: str | None = None


def preferences_from(value: Mapping[str, Any]) -> Preferences:
    """From JSON values. Raises InvalidInput naming the field."""
    return _converted(value, Preferences)


def matcher_from(value: Mapping[str, Any]) -> Matcher:
    """From JSON values. Raises InvalidInput naming the field."""
    return _converted(value, Matcher)


def _converted(value: Mapping[str, Any], type_: type[T]) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        raise InvalidInput(words[:1].lower() + words[1:], place.strip(".`")) from None
