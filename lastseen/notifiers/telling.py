"""What every text is made of: what is to be told, how it reads, and how a snapshot is read, in which a plugin may have
put anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lastseen.model import Delivery, Event
from lastseen.notifiers.wording import Line, headline

WARNING, ALERT, FAULT, HELD, GOOD, DONE, PLAIN = "⚠️", "🔴", "🟠", "🟡", "🟢", "✅", "⚪"


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told: one delivery, and the one that ended what it tells of, if both go in one message. `again_at`:
    when it will be told again."""

    delivery: Delivery
    ended: Delivery | None = None
    late: bool = False
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing as it reads: the first line is `mark before name after`. `instead`: the line that says "told late"
    takes the place of the first of `lines`. `word`: what it is counted as among others, where it is not its mark's.
    `colon` stands between name and after, where there is a name."""

    mark: str
    name: str
    after: str
    lines: tuple[str, ...] = ()
    before: str = ""
    instead: bool = False
    word: str = ""
    colon: bool = False

    @property
    def title(self) -> Line:
        if self.colon and not self.name:
            return Line(f"{self.mark}{self.after}")
        if self.colon:
            return headline(f"{self.mark} {self.before}", self.name, f":{self.after}")
        return headline(f"{self.mark} {self.before}", self.name, self.after)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def machine_of(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("machine"))


def channel_of(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("channel"))


def outage_of(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("outage"))


def name_of(event: Event) -> str:
    return subject_of(event) or "?"


def subject_of(event: Event) -> str:
    named = (machine_of(event), channel_of(event), mapping(event.snapshot.get("source")))
    return next((str(one["name"]) for one in named if one.get("name")), event.machine or "")


def since_of(event: Event) -> datetime:
    return moment(event.snapshot.get("since")) or moment(outage_of(event).get("started_at")) or event.at


def about_of(event: Event) -> str:
    """Hostname, description and tags, as far as they are set."""
    machine, tags = machine_of(event), event.snapshot.get("tags")
    hostname = machine.get("hostname")
    parts = [hostname if hostname != machine.get("name") else "", machine.get("description")]
    return " · ".join(str(part) for part in [*parts, *(tags if isinstance(tags, list | tuple) else ())] if part)


def moment(value: Any) -> datetime | None:
    """A moment as the snapshot has it; None where there is none that can be read."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


_LONGEST = timedelta(days=36_500).total_seconds()


def seconds(value: Any) -> timedelta | None:
    """A span as the snapshot has it; None where there is none that can be read, or none that can be meant."""
    if not isinstance(value, int | float):
        return None
    return timedelta(seconds=max(value, 0)) if value <= _LONGEST else None


def reason_of(delivery: Delivery) -> str:
    """Why it is offline."""
    return str(delivery.outage.reason if delivery.outage is not None else delivery.event.reason)


def ended_at(told: Told) -> datetime | None:
    """When the outage ended, if it has by now."""
    if told.ended is not None:
        return moment(outage_of(told.ended.event).get("ended_at")) or told.ended.event.at
    return told.delivery.outage.ended_at if told.delivery.outage is not None else None
