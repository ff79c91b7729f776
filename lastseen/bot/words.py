"""What the bot answers. Pure: what is known in, lines out; the first one is what people look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.bot.updates import plain
from lastseen.durations import spell
from lastseen.model import Status
from lastseen.monitor.status import MachineStatus
from lastseen.notifiers.wording import Line, When, escape, fit, lasted

MOST_LINES = 20
"""Machines that have a line of their own."""

MOST_NAMES = 12
"""Machines that are named in one line."""

COMMANDS = (
    ("status", "how all is, or one machine: /status db-01"),
    ("list", "all machines"),
    ("why", "what happened, who was told and who was not: /why db-01, /why db-01 03:12"),
    ("mute", "tell nothing for a while: /mute 2h, /mute 2h berlin"),
    ("unmute", "tell everything again"),
    ("ack", "stop the reminders: /ack, /ack db-01"),
    ("stop", "tell this chat nothing more"),
    ("help", "what can be said here"),
)
MARKS = {
    Status.OFFLINE: "🔴",
    Status.ERROR: "🟠",
    Status.ONLINE: "🟢",
    Status.PROVISIONING: "⚪",
    Status.PAUSED: "⚪",
}
BAD_LINK = (Line("This link has expired or was used. Get a new one: lastseen channels invite"),)
NOT_CONNECTED = "This chat is not connected."
NOTHING_MUTED = (Line("Nothing is muted here."),)
HOW_TO_MUTE = (
    Line("Say for how long: /mute 2h, or /mute 2h berlin for a group, a tag or a machine. At most 30 days."),
)

Lines = Sequence[Line]


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine as a chat sees it. `scheduled`: when it must come is said by its schedule, and by no limit. `enabled`:
    its keys are taken; else it is paused, and more than that."""

    status: MachineStatus
    tags: tuple[str, ...] = ()
    kind: str = ""
    scheduled: bool = False
    enabled: bool = True

    @property
    def limit(self) -> timedelta | None:
        return None if self.scheduled else self.status.offline_after

    @property
    def name(self) -> str:
        return plain(self.status.name) or self.status.slug

    @property
    def aside(self) -> str | None:
        """What it is where it is neither well nor wrong."""
        word = {Status.PAUSED: "Paused", Status.PROVISIONING: "Never heard"}.get(self.status.status)
        return word if self.enabled else "Disabled"

    @property
    def acked_by(self) -> str | None:
        return self.status.acknowledged_by

    @property
    def since(self) -> datetime:
        return self.status.since


def text_of(lines: Lines) -> str:
    return "\n".join(line.text for line in fit(lines))


def html_of(lines: Lines) -> str:
    return "\n".join(line.html for line in fit(lines))


# -- who is connected


def connected(name: str, machines: int) -> Lines:
    one = "the one machine" if machines == 1 else f"one of {machines} machines"
    return (
        Line('✅ Connected: this chat is "', plain(name), '"'),
        Line(f"You hear when {one} goes silent or returns."),
        Line("/status /list /mute 2h /stop"),
    )


def stranger(chat: int) -> Lines:
    return (Line(f"This is a private bot. Your chat id is {chat}."),)


def stopped(others: int) -> Lines:
    said = Line("Stopped. This chat hears nothing more.")
    return (said,) if others else (said, Line("⚠️ Nobody else is told now."))


def helped() -> Lines:
    return tuple(Line(f"/{command} – {what}") for command, what in COMMANDS)


# -- how things are


def overall(seen: Sequence[Seen], when: When, failing: int) -> Lines:
    """All that this chat hears of: one line, and one for each that is not as it should be."""
    by = {status: [one for one in seen if one.status.status is status] for status in Status}
    lines = [*_troubled([*by[Status.OFFLINE], *by[Status.ERROR]], when)]
    aside = Counter(one.aside for one in seen)
    rest = [f"{word}: {aside[word]}." for word in _ASIDE if aside[word]]
    channels = "All channels work." if not failing else f"{failing} channel{'s fail' if failing > 1 else ' fails'}."
    if lines:
        first = [f"🔴 {len(by[Status.OFFLINE])} offline"] if by[Status.OFFLINE] else []
        first += [f"🟠 {len(by[Status.ERROR])} error"] if by[Status.ERROR] else []
        return (Line(" · ".join([*first, f"{len(by[Status.ONLINE])} online"])), *lines, _line([*rest, channels]))
    if not seen:
        return (Line("⚪ No machines yet"), Line(channels))
    mark = "🟢" if by[Status.ONLINE] else "⚪"
    said = [*rest, channels] if not by[Status.ONLINE] else [*_quietest(by[Status.ONLINE], when.now), *rest, channels]
    return (Line(f"{mark} {len(by[Status.ONLINE])} of {len(seen)} online"), _line(said))


_ASIDE = {"Paused": "is paused", "Disabled": "is disabled", "Never heard": "was never heard"}


def _line(sentences: Iterable[str]) -> Line:
    return Line(" ".join(sentences))


def _troubled(seen: Sequence[Seen], when: When) -> Iterable[Line]:
    for one in seen[:MOST_LINES]:
        seen_by = f", seen by {plain(one.acked_by)}" if one.acked_by else ""
        span = lasted(when.now - one.since)
        yield Line(f"{MARKS[one.status.status]} ", one.name, f" since {when.at(one.since)} ({span}){seen_by}")
    if len(seen) > MOST_LINES:
        yield Line(f"… and {len(seen) - MOST_LINES} more")


def _quietest(online: Sequence[Seen], now: datetime) -> Iterable[str]:
    heard = [one for one in online if one.status.last_seen is not None and one.limit]
    if not heard:
        return
    one = min(heard, key=lambda each: each.status.last_seen or now)
    silent, limit = spell(now - (one.status.last_seen or now), units=1), spell(one.limit or timedelta())
    yield f"Quietest: {one.name}, {silent} ({limit} allowed)."


def single(one: Seen, when: When, last: tuple[datetime, datetime] | None, up: str | None = None) -> Lines:
    """One machine; `last` is its last outage that is over, `up` how many per cent of 30 days it was up."""
    status, seen = one.status, one.status.last_seen
    limit = f"imit {spell(one.limit)}" if one.limit else ""
    if status.status in (Status.OFFLINE, Status.ERROR):
        word = "offline" if status.status is Status.OFFLINE else "error"
        first = Line(f"{MARKS[status.status]} ", one.name, f" {word} since {when.at(one.since)} ({_span(one, when)})")
    elif status.status is Status.ONLINE:
        first = Line("🟢 ", one.name, f" online, heard {spell(when.now - seen, units=1)} ago" if seen else " online")
    else:
        first = Line("⚪ ", one.name, f" {_ASIDE[one.aside]}" if one.aside else "")
    lines = [first]
    if status.status is Status.ONLINE:
        due = one.scheduled and status.until_offline is not None
        must = f"Must come by {when.at(when.now + (status.until_offline or timedelta()))}"
        parts = [*([f"L{limit}"] if limit else [must] if due else []), *([f"{up} % in 30 d"] if up is not None else [])]
        lines += [Line(" · ".join(parts))] if parts else []
    elif seen is not None:
        lines += [Line(f"Last heartbeat {when.at(seen, seconds=True)}{f', l{limit}' if limit else ''}.")]
    if status.flapping_since:
        lines += [Line(f"It flaps since {when.at(status.flapping_since)}: its changes are not told.")]
    if one.acked_by:
        lines.append(Line(f"Seen by {plain(one.acked_by)}."))
    if last is not None:
        lines.append(Line(f"Last outage: {when.at(last[0])}, {lasted(last[1] - last[0])}"))
    return lines


def _span(one: Seen, when: When) -> str:
    return lasted(when.now - one.since)


def listed(seen: Sequence[Seen], when: When) -> Lines:
    """Those that are not as they should be first, each with a line; then the others, by their names."""
    if not seen:
        return (Line("⚪ No machines yet"),)
    lines = [*_troubled([one for one in seen if one.status.status is Status.OFFLINE], when)]
    lines += _troubled([one for one in seen if one.status.status is Status.ERROR], when)
    online = [one.name for one in seen if one.status.status is Status.ONLINE]
    aside = [(f"⚪ {word}: ", [one.name for one in seen if one.aside == word]) for word in _ASIDE]
    lines += [Line(f"{mark}{several(names, 40)}") for mark, names in (("🟢 ", online), *aside) if names]
    return lines


def unknown(text: str, close: Sequence[str]) -> Lines:
    meant = f"Did you mean {' or '.join(close)}?" if close else "/list shows them all."
    return (Line("I know no machine, group or tag ", plain(text), f". {meant}"),)


def several(names: Collection[str], most: int = MOST_NAMES) -> str:
    """`a, b and 5 more`."""
    first, more = list(names)[:most], len(names) - most
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


# -- what was done


def muted(what: str, machines: int, until: datetime, when: When) -> Lines:
    whose = f"{machines} machine{'' if machines == 1 else 's'}"
    first = Line("🔕 ", what, f" muted until {when.at(until)} ({whose})")
    return (first, Line("What is still offline then will be told. /unmute"))


def unmuted(meanwhile: Sequence[Seen], when: When) -> Lines:
    names = [f"{one.name} offline since {when.at(one.since)}" for one in meanwhile]
    return (Line(f"🔔 Unmuted.{f' Meanwhile: {several(names)}.' if names else ''}"),)


def acked(names: Sequence[str]) -> str:
    """Also the word that is shown for a moment, of which there is room for little."""
    return f"Reminders stopped for {several(names, 3)}." if names else "Nothing here is offline or in error."


def mute_line(what: str, until: datetime, when: When) -> str:
    return escape(f"🔕 {what} muted until {when.at(until)}")
