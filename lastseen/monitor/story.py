"""Why was I told, or not? A story from stored facts. Pure: the command line, the bot and pages tell the same one.

How it is laid out: `lastseen.monitor.story_layout`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from lastseen.durations import spell
from lastseen.model import Event, EventType, Outage, Severity, Status
from lastseen.model.story import Facts
from lastseen.monitor.status import MachineStatus
from lastseen.monitor.story_words import Moment, Said, event_words, meanwhile, nobody, told_words
from lastseen.notifiers.wording import When, lasted

BAD = frozenset({Status.OFFLINE, Status.ERROR})


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: of the span from `since` to `until`, `now` where that is the present."""

    since: datetime
    until: datetime
    now: bool = True


@dataclass(frozen=True, slots=True)
class Story:
    """`headline` follows the machine's name. `moments` in the order of time; `notes`: why nobody was told."""

    name: str
    headline: str
    moments: tuple[Moment, ...]
    notes: tuple[str, ...]
    facts: Facts
    status: MachineStatus
    asked: Asked


def story(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> Story:
    """The whole of it. `status`: of the machine as it is now."""
    told = _of_incident if facts.incident else _of_quiet
    moments = sorted([*_heard(facts), *_events(facts, when), *meanwhile(facts, when)], key=lambda one: one.at)
    headline, notes = told(facts, status, asked, when)
    if status.flapping_since is not None and asked.now:
        since = status.flapping_since
        how = f"`lastseen why {facts.standing.machine.slug} --at {moment_of(since, when)}`"
        notes = (*notes, f"It flaps since {when.at(since)}: people are told that, and not each change. {how}")
    if facts.cut:
        notes = (*notes, "There is more than is shown: see `lastseen events` and `lastseen notifications list`.")
    return Story(facts.standing.machine.slug, headline, tuple(moments), tuple(notes), facts, status, asked)


# -- an incident


def _of_incident(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> tuple[str, Sequence[str]]:
    word = "OFFLINE" if facts.outages else facts.events[0].type.removeprefix("machine.").upper()
    if facts.end is None:
        word = status.status.value.upper() if status.status in BAD else word
        return f"{word} since {when.at(facts.start, seconds=True)} ({lasted(when.now - facts.start)})", ()
    span = f"{when.at(facts.start, seconds=True)} – {when.at(facts.end, seconds=True)}"
    return f"was {word} {span} ({lasted(facts.end - facts.start)}), now {_now(facts, status)}", ()


def _heard(facts: Facts) -> Iterator[Moment]:
    """Where each outage is counted from."""
    seen = {event.uid: event.last_seen for event in facts.events}
    heard = facts.standing.liveness.heard | facts.standing.liveness.heard_before
    bits = [bit for bit in range(heard.bit_length()) if heard >> bit & 1]
    source = f", by {facts.names[bits[0]]}" if len(bits) == 1 and bits[0] in facts.names else ""
    for outage in facts.outages:
        if seen.get(outage.opened_by) == outage.started_at:
            yield Moment(outage.started_at, f"last heartbeat{source}")
        else:
            yield Moment(outage.started_at, "silence is counted from here")


def _events(facts: Facts, when: When) -> Iterator[Moment]:
    outages: dict[str | None, Outage] = {outage.closed_by: outage for outage in facts.outages}
    behind = {
        row.uid: any(
            one.channel == row.channel and one.finished_at is None and one.created_at < row.created_at
            for one in facts.told
        )
        for row in facts.told
    }
    for event in facts.events:
        verb = "shown" if event.type == EventType.ACKNOWLEDGED else "told"
        rows = (row for row in facts.told if row.event == event.uid)
        told = tuple(Said(row, told_words(row, when, behind[row.uid], verb)) for row in rows)
        what = event_words(event, outages.get(event.uid), when)
        do = nobody(facts) if event.severity is Severity.ALERT and not told else ""
        yield Moment(event.at, what, event=event, told=told, do=do)
    shown = {event.at for event in facts.events if event.type == EventType.ACKNOWLEDGED}
    for outage in facts.outages:
        if outage.acked_at is not None and outage.acked_at not in shown:
            yield Moment(outage.acked_at, f"acknowledged by {outage.acked_by or 'somebody'}")


# -- a quiet time


def _of_quiet(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> tuple[str, Sequence[str]]:
    if asked.now:
        return _now(facts, status, when), [*_why_quiet(facts, status, when), *_before(facts, when)]
    was, since = _then(facts, asked)
    first = f"was {was.value if was else 'not there yet'} at {when.at(asked.since)}"
    following = [event.at for event in facts.events if event.at > asked.until] + ([facts.end] if facts.end else [])
    until = f"until {when.at(min(following), seconds=True)}" if following else "until now"
    quiet = f"Nobody was told: nothing happened from {when.at(since, seconds=True)} {until}."
    if was is None:
        quiet = f"Nobody was told: it was added {when.at(since, seconds=True)}."
    elif was is Status.PAUSED:
        quiet = "Nobody was told: it was not watched, because it was paused."
    elif was is Status.PROVISIONING:
        quiet = "Nobody was told: it had never reported, and what was never heard is not missed."
    return f"{first}, now {_now(facts, status)}", [quiet, *_before(facts, when), *_after(facts, when)]


def _then(facts: Facts, asked: Asked) -> tuple[Status | None, datetime]:
    """What it was at the moment asked about, and since when."""
    earlier = [event for event in ((facts.before,) if facts.before else ()) if event.status]
    earlier += [event for event in facts.events if event.status and event.at <= asked.until]
    if earlier:
        newest = max(earlier, key=lambda event: event.at)
        return newest.status, newest.at
    return (None if asked.until < facts.start else Status.PROVISIONING), facts.start


def _now(facts: Facts, status: MachineStatus, when: When | None = None) -> str:
    """What the machine is; with `when`, with the times of it."""
    if facts.removed_at is not None:
        return f"removed {when.at(facts.removed_at, seconds=True)}" if when is not None else "removed"
    if status.status is Status.PAUSED and not facts.standing.machine.enabled:
        return "DISABLED"
    if status.status is Status.PROVISIONING:
        return "never heard"
    word = status.status.value if status.status is Status.ONLINE else status.status.value.upper()
    if when is None:
        return word
    if status.status is Status.ONLINE and status.last_seen is not None:
        return f"{word}, heard {spell(when.now - status.last_seen, units=1)} ago"
    return f"{word} since {when.at(status.status_since, seconds=True)} ({lasted(when.now - status.status_since)})"


def _why_quiet(facts: Facts, status: MachineStatus, when: When) -> Iterator[str]:
    slug = facts.standing.machine.slug
    if facts.removed_at is not None:
        yield "Nobody is told: it was removed, and is not watched any more. Its history is kept."
        return
    if status.status is Status.PROVISIONING:
        yield "Nobody is told: it never reported, and what was never heard is not missed."
        yield f"Does it report, and with its own key? `lastseen machines rotate-key {slug}` makes a new one."
    elif status.status is Status.PAUSED and not facts.standing.machine.enabled:
        yield f"Nobody is told: it is disabled, and its keys are refused. `lastseen machines enable {slug}`"
    elif status.status is Status.PAUSED:
        yield f"Nobody is told: it is not watched while it is paused. `lastseen machines resume {slug}`"
    elif any(one.ended_at is None for one in facts.blind):
        yield "Nobody is told: nobody can be heard now, and that is not held against it."
    elif status.until_offline is None:
        yield "Nobody is told of its silence: it has no limit, and may be silent for ever."
    elif facts.standing.machine.schedule is not None:
        yield f"Nobody is told: nothing is wrong. It must come by {when.at(when.now + status.until_offline)}."
    else:
        left = f", {spell(status.until_offline, units=1)} of it left" if status.late else ""
        limit = f" Limit {spell(status.offline_after)}{left}." if status.offline_after else ""
        yield f"Nobody is told: nothing is wrong.{limit}"
    if facts.channels == 0:
        yield "And there is no channel: nobody would be told. `lastseen channels add`"
    if status.last_seen is not None and status.status is not Status.ONLINE:
        yield f"Last heartbeat {when.at(status.last_seen, seconds=True)}."


def _before(facts: Facts, when: When) -> Iterator[str]:
    if facts.before is not None:
        yield f"Before: {_named(facts, facts.before, when)}"


def _after(facts: Facts, when: When) -> Iterator[str]:
    if facts.after is not None:
        yield f"After: {_named(facts, facts.after, when)}"


def _named(facts: Facts, event: Event, when: When) -> str:
    """And how to ask of it."""
    what = event_words(event, None, when)
    slug = facts.standing.machine.slug
    return f"{when.at(event.at)} {what}: `lastseen why {slug} --at {moment_of(event.at, when)}`"


def moment_of(at: datetime, when: When) -> str:
    """As `--at` takes it; with its offset where a command would read it in another zone."""
    local = at.astimezone(when.zone).replace(microsecond=0)
    return (local if when.abroad else local.replace(tzinfo=None)).isoformat()
