"""What a notifier is given to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lastseen.model.outbox import Event


@dataclass(frozen=True, slots=True)
class Action:
    """What a reader can do from the message, where the far end has buttons. `target` of "ack" and "mute": what they are
    about, `machine:17` (its id) or `group:berlin`; of "open": an address."""

    kind: Literal["ack", "mute", "open"]
    label: str
    target: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready to be sent: already grouped, and in the channel's time zone.

    `title` is the first line, as the lock screen shows it; `text` and `html` are the whole message, title included.
    `id` is the idempotency key: the uid of the oldest notification it speaks for, the same on every try. `loud`: it
    should make a sound. `reply_to` is the receipt of the alert that this answers. `wall` is the wall time of this
    attempt, for far ends that check it. `actions` are offered to its readers.
    """

    title: str
    text: str
    html: str
    events: tuple[Event, ...]
    id: str
    loud: bool = True
    reply_to: str | None = None
    wall: datetime | None = None
    actions: tuple[Action, ...] = ()

    @property
    def event(self) -> Event:
        """The event; of a batch, the newest."""
        return self.events[-1]

    @property
    def machine(self) -> Mapping[str, Any] | None:
        """The machine of `event` as it was then: id, name, hostname, description, status, last_seen."""
        machine: Mapping[str, Any] | None = self.event.snapshot.get("machine")
        return machine
