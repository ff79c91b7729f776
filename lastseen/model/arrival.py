"""What comes from another monitoring program: a machine with its past and its keys, a channel, a span of silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lastseen.model.wishes import AS_USUAL, Preferences, Silence


class Stood(StrEnum):
    """How a machine stood where it comes from."""

    NEW = "new"  # never heard
    UP = "up"
    DOWN = "down"  # and people were told of it there
    PAUSED = "paused"  # until a person resumes it
    PAUSED_UNTIL_PING = "paused until its next ping"
    DISABLED = "disabled"  # its keys are refused


@dataclass(frozen=True, slots=True)
class ArrivingKey:
    """A key that goes on working. `text` is None where only its digest is known; of a key that may make machines,
    `defaults` are what those are made with, and `slugs` the machines (by mark) that it calls otherwise than we do."""

    scope: str
    digest: str
    hint: str
    text: str | None = field(default=None, repr=False)
    label: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    slugs: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ArrivingMachine:
    """`mark` says which it was there, and is what a second arrival is known by. `changes` are fields of a `Watch`.
    `id`: the one it had, kept where no machine has it."""

    mark: str
    slug: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[ArrivingKey, ...] = ()
    id: int | None = None
    last_seen: datetime | None = None
    stood: Stood = Stood.NEW


@dataclass(frozen=True, slots=True)
class ArrivingChannel:
    """As `Channels.add_channel` and `Wishes.prefer` take it; until it is checked, `config` holds its secrets, too.
    `off`: why it is switched off; None: it is on."""

    mark: str
    type: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    lane: str = ""
    prefs: Preferences = AS_USUAL
    off: str | None = None


@dataclass(frozen=True, slots=True)
class ArrivingSilence:
    mark: str
    silence: Silence


Arriving = ArrivingMachine | ArrivingChannel | ArrivingSilence | ArrivingKey


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an arrival is here. `id`: of the machine, channel, silence or key; None: it is not here yet. `gone`: it was
    brought once, and removed here since. `name`: what it is called here."""

    id: int | None = None
    name: str = ""
    gone: bool = False
