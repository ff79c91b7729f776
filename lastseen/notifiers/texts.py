"""The texts, one function for each occasion. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lastseen.durations import spell
from lastseen.model import Delivery, Event, Status
from lastseen.notifiers.wording import TITLE, Line, When, headline, lasted, one_line, shorten

WARNING, ALERT, FAULT, GOOD, DONE, PLAIN = "⚠️", "🔴", "🟠", "🟢", "✅", "⚪"


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told: one delivery, and the one that ended what it tells of, if both go in one message."""

    delivery: Delivery
    ended: Delivery | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One thing as it reads: the first line is `mark before name after`. `instead`: the line that says "told late"
    takes the place of the first of `lines`."""

    mark: str
    name: str
    after: str
    lines: tuple[str, ...] = ()
    before: str = ""
    instead: bool = False

    @property
    def title(self) -> Line:
        return headline(f"{self.mark} {self.before}", self.name, self.after)


def tell(told: Told, when: When) -> Item:
    """The words for it. Events of types that nobody here knows get sober ones."""
    teller = _TELLERS.get(told.delivery.event.type, _anything)
    return teller(told, when)


# -- machines


def _offline(told: Told, when: When) -> Item:
    event, outage = told.delivery.event, told.delivery.outage
    since = _since(event)
    ended = _ended_at(told)
    if ended is not None:
        span = f"{when.span(since, ended)} ({lasted(ended - since)})"
        return Item(GOOD, _name(event), f" was offline {span}", ("", _about(event)), instead=True)
    goodbye = (outage.reason if outage else event.reason) == "goodbye"
    tail = (" (said goodbye)" if goodbye else "") + (f" ({lasted(when.now - since)})" if told.late else "")
    return Item(
        mark=ALERT,
        name=_name(event),
        after=f" offline since {when.at(since)}{tail}",
        lines=(_farewell(event) if goodbye else _last_heartbeat(event, when), _about(event)),
        instead=True,
    )


def _ended_at(told: Told) -> datetime | None:
    """When the outage ended, if it has by now."""
    if told.ended is not None:
        return _moment(_outage(told.ended.event).get("ended_at")) or told.ended.event.at
    return told.delivery.outage.ended_at if told.delivery.outage is not None else None


def _farewell(event: Event) -> str:
    return "Its broker reported it gone." if event.snapshot.get("by") == "broker" else "It said that it stops."


def _last_heartbeat(event: Event, when: When) -> str:
    seen = _moment(_machine(event).get("last_seen")) or event.last_seen
    if seen is None:
        return ""
    limit = event.snapshot.get("offline_after_seconds")
    tail = f", limit {spell(timedelta(seconds=limit))}" if isinstance(limit, int | float) else ""
    return f"Last heartbeat {when.at(seen, seconds=True)}{tail}."


def _online(told: Told, when: When) -> Item:
    event, outage = told.delivery.event, _outage(told.delivery.event)
    started, ended = _moment(outage.get("started_at")), _moment(outage.get("ended_at")) or event.at
    if started is not None:
        after = f" back after {lasted(ended - started)}"
        return Item(GOOD, _name(event), after, (f"Offline {when.span(started, ended)}.",))
    if event.previous_status is Status.ERROR:
        return Item(GOOD, _name(event), f" OK again after {lasted(event.at - _since(event))}")
    return Item(GOOD, _name(event), " is online", (_about(event),))


def _error(told: Told, when: When) -> Item:
    event, since = told.delivery.event, _since(told.delivery.event)
    said = one_line(str(event.snapshot.get("message") or ""))
    if told.ended is not None:
        ended = told.ended.event.at
        after = f" had an error {when.span(since, ended)} ({lasted(ended - since)})"
        return Item(GOOD, _name(event), after, ("", said), instead=True)
    after = f": {said}" if said else " reports an error"
    whole = ""
    room = TITLE - len(f"{FAULT} {shorten(one_line(_name(event)), 20)}: ")
    if len(said) > room:  # the rest of it below
        after, whole = f": {shorten(said, max(room, 10))}", said
    return Item(
        FAULT, _name(event), after, (f"It still sends heartbeats. Since {when.at(since)}.", whole, _about(event))
    )


def _plain(after: str) -> Callable[[Told, When], Item]:
    def teller(told: Told, when: When) -> Item:
        return Item(PLAIN, _name(told.delivery.event), after, (_about(told.delivery.event),))

    return teller


# -- channels


def _channel_failing(told: Told, when: When) -> Item:
    snapshot, channel = told.delivery.event.snapshot, _channel(told.delivery.event)
    reason = str(snapshot.get("message") or told.delivery.event.reason)
    kind = str(channel.get("type") or "").capitalize()
    count = snapshot.get("waiting") or 0
    alerts = f"{count} alert{'' if count == 1 else 's'}"
    if snapshot.get("disabled"):
        follows = f" It is disabled{f', and {alerts} for it will not be sent' if count else ''}."
    else:
        follows = f" {alerts} wait{'s' if count == 1 else ''} for it." if count else ""
    since = _moment(snapshot.get("since")) or told.delivery.event.at
    return Item(
        mark=WARNING,
        name=f'"{channel.get("name") or "?"}"',
        after=f" fails since {when.at(since)}",
        lines=(f"{kind}: {reason.rstrip('.')}.{follows}" if kind else f"{reason.rstrip('.')}.{follows}",),
        before="Channel ",
    )


def _channel_test(told: Told, when: When) -> Item:
    event = told.delivery.event
    count = event.snapshot.get("machines")
    whose = "all machines" if not isinstance(count, int) else f"all {count} machines" if count != 1 else "its 1 machine"
    name = _channel(event).get("name") or "?"
    return Item(DONE, "Test", ": this chat works", (f'Channel "{name}" hears offline, online and error of {whose}.',))


def connected(name: str, machines: int) -> str:
    """The answer to `/start CODE`."""
    one = "the one machine" if machines == 1 else f"one of {machines} machines"
    return f'✅ Connected: this chat is "{one_line(name)}"\nYou hear when {one} goes silent or returns.'


BAD_LINK = "This link has expired or was used. Get a new one: lastseen channels add telegram"

# -- whatever a plugin raises


def _anything(told: Told, when: When) -> Item:
    """Sober words: the subject, the type, and the message that it came with."""
    event = told.delivery.event
    said = one_line(str(event.snapshot.get("message") or ""))
    what = event.type.rpartition(".")[2].replace("_", " ") or event.type
    mark = WARNING if event.severity == "alert" else PLAIN
    subject = _subject(event)
    if not subject:
        return Item(mark, what, f" at {when.at(event.at)}", (said or event.reason,))
    return Item(mark, subject, f": {shorten(what, 24)}", (said or event.reason, _about(event)))


_TELLERS: Mapping[str, Callable[[Told, When], Item]] = {
    "machine.offline": _offline,
    "machine.online": _online,
    "machine.error": _error,
    "machine.registered": _plain(" was added"),
    "machine.removed": _plain(" was removed"),
    "machine.paused": _plain(" is paused"),
    "machine.resumed": _plain(" is watched again"),
    "channel.failing": _channel_failing,
    "channel.test": _channel_test,
}

# -- reading a snapshot, in which a plugin may have put anything


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _machine(event: Event) -> Mapping[str, Any]:
    return _mapping(event.snapshot.get("machine"))


def _channel(event: Event) -> Mapping[str, Any]:
    return _mapping(event.snapshot.get("channel"))


def _outage(event: Event) -> Mapping[str, Any]:
    return _mapping(event.snapshot.get("outage"))


def _name(event: Event) -> str:
    return _subject(event) or "?"


def _subject(event: Event) -> str:
    named = (_machine(event), _channel(event), _mapping(event.snapshot.get("source")))
    return next((str(one["name"]) for one in named if one.get("name")), event.machine or "")


def _since(event: Event) -> datetime:
    return _moment(event.snapshot.get("since")) or _moment(_outage(event).get("started_at")) or event.at


def _about(event: Event) -> str:
    """Hostname, description and tags, as far as they are set."""
    machine, tags = _machine(event), event.snapshot.get("tags")
    hostname = machine.get("hostname")
    parts = [hostname if hostname != machine.get("name") else "", machine.get("description")]
    return " · ".join(str(part) for part in [*parts, *(tags if isinstance(tags, list | tuple) else ())] if part)


def _moment(value: Any) -> datetime | None:
    """A moment as the snapshot has it; None where there is none that can be read."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
