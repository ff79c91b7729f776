"""Why was I told, or not? A story from stored facts. Pure: the command line, the bot and pages tell the same one.

How it is laid out: `lastseen.monitor.story_layout`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.durations import spelled
from lastseen.model import Event, EventType, Outage, Severity, Status
from lastseen.model.story import Facts
from lastseen.monitor.status import MachineStatus
from lastseen.monitor.story_words import Moment, Said, acknowledged, event_words, meanwhile, nobody, told_words
from lastseen.notifiers.wording import When, took
from lastseen.words import Apart, Words, say

BAD = frozenset({Status.OFFLINE, Status.ERROR})


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: of the span from `since` to `until`, `now` where that is the present."""

    since: datetime
    until: datetime
    now: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """`at`: there is more to tell of this moment; a command line and a chat say in the words how to ask."""

    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """`headline` follows the machine's name. `moments` in the order of time; `notes`: why nobody was told."""

    name: str
    headline: str
    moments: tuple[Moment, ...]
    notes: tuple[Note, ...]
    facts: Facts
    status: MachineStatus
    asked: Asked


def story(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> Story:
    """The whole of it. `status`: of the machine as it is now."""
    told = _of_incident if facts.incident else _of_quiet
    moments = sorted([*_heard(facts), *_events(facts, when), *meanwhile(facts, when)], key=lambda one: one.at)
    headline, notes = told(facts, status, asked, when)
    if status.flapping_since is not None and asked.now:
        notes = (*notes, _flaps(facts, status.flapping_since, when))
    if facts.cut:
        more = say("There is more than is shown: see `lastseen events` and `lastseen notifications list`.")
        notes = (*notes, Note(Apart(more, page=say("There is more than is shown."))))
    return Story(facts.standing.machine.slug, headline, tuple(moments), tuple(notes), facts, status, asked)


def _flaps(facts: Facts, since: datetime, when: When) -> Note:
    slug, begun, moment = facts.standing.machine.slug, when.said(since), moment_of(since, when)
    text = say(
        "It flaps since {since}: chats, mail and pushes say so once, webhooks, functions and the console each change.",
        since=begun,
    )
    ask = "{text} `lastseen why {slug} --at {moment}`"
    return Note(Apart(Words(ask, text=text, slug=slug, moment=moment), page=text), since)


# -- an incident


def _of_incident(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> tuple[str, Sequence[Note]]:
    kind = facts.events[0].type.removeprefix("machine.")
    word = LOUD[Status.OFFLINE] if facts.outages else LOUD.get(kind, kind.upper())
    start = when.said(facts.start, seconds=True)
    if facts.end is None:
        word = LOUD[status.status] if status.status in BAD else word
        return say("{status} since {start} ({span})", status=word, start=start, span=took(when.now - facts.start)), ()
    headline = say(
        "was {status} {start} – {end} ({span}), now {now}",
        status=word,
        start=start,
        end=when.said(facts.end, seconds=True),
        span=took(facts.end - facts.start),
        now=_now(facts, status),
    )
    return headline, ()


QUIET: Mapping[str, Words] = {
    Status.ONLINE: say("online"),
    Status.OFFLINE: say("offline"),
    Status.ERROR: say("error"),
    Status.PAUSED: say("paused"),
    Status.PROVISIONING: say("provisioning"),
}
LOUD: Mapping[str, Words] = {
    Status.ONLINE: say("ONLINE"),
    Status.OFFLINE: say("OFFLINE"),
    Status.ERROR: say("ERROR"),
    Status.PAUSED: say("PAUSED"),
    Status.PROVISIONING: say("PROVISIONING"),
}
"""How a machine is, as text goes on and where it is to be seen at once."""


def _heard(facts: Facts) -> Iterator[Moment]:
    """Where each outage is counted from."""
    seen = {event.uid: event.last_seen for event in facts.events}
    heard = facts.standing.liveness.heard | facts.standing.liveness.heard_before
    bits = [bit for bit in range(heard.bit_length()) if heard >> bit & 1]
    last = say("last heartbeat")
    if len(bits) == 1 and bits[0] in facts.names:
        last = say("last heartbeat, by {source}", source=facts.names[bits[0]])
    for outage in facts.outages:
        if seen.get(outage.opened_by) == outage.started_at:
            yield Moment(outage.started_at, last)
        else:
            yield Moment(outage.started_at, say("silence is counted from here"))


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
        acknowledges = event.type == EventType.ACKNOWLEDGED
        rows = (row for row in facts.told if row.event == event.uid)
        told = tuple(Said(row, told_words(row, when, behind[row.uid], acknowledges)) for row in rows)
        what = event_words(event, outages.get(event.uid), when)
        do = nobody(facts) if event.severity is Severity.ALERT and not told else ""
        yield Moment(event.at, what, event=event, told=told, do=do)
    shown = {event.at for event in facts.events if event.type == EventType.ACKNOWLEDGED}
    for outage in facts.outages:
        if outage.acked_at is not None and outage.acked_at not in shown:
            yield Moment(outage.acked_at, acknowledged(outage.acked_by))


# -- a quiet time


def _of_quiet(facts: Facts, status: MachineStatus, asked: Asked, when: When) -> tuple[str, Sequence[Note]]:
    if asked.now:
        return _now(facts, status, when), [*map(Note, _why_quiet(facts, status, when)), *_before(facts, when)]
    was, since, reason = _then(facts, asked)
    headline = say(
        "was {status} at {moment}, now {now}",
        status=(say("disabled") if reason == "disabled" else QUIET[was]) if was else say("not there yet"),
        moment=when.said(asked.since),
        now=_now(facts, status),
    )
    following = [event.at for event in facts.events if event.at > asked.until] + ([facts.end] if facts.end else [])
    begun = when.said(since, seconds=True)
    if was is None:
        quiet = say("Nobody was told: it was added {moment}.", moment=begun)
    elif was is Status.PAUSED and reason == "disabled":
        quiet = say("Nobody was told: it was disabled, and its keys were refused.")
    elif was is Status.PAUSED:
        quiet = say("Nobody was told: it was not watched, because it was paused.")
    elif was is Status.PROVISIONING:
        quiet = say("Nobody was told: it had never reported, and what was never heard is not missed.")
    elif following:
        end = when.said(min(following), seconds=True)
        quiet = say("Nobody was told: nothing happened from {since} until {until}.", since=begun, until=end)
    else:
        quiet = say("Nobody was told: nothing happened from {since} until now.", since=begun)
    return headline, [Note(quiet), *_before(facts, when), *_after(facts, when)]


def _then(facts: Facts, asked: Asked) -> tuple[Status | None, datetime, str]:
    """What it was at the moment asked about, since when, and why."""
    earlier = [event for event in ((facts.before,) if facts.before else ()) if event.status]
    earlier += [event for event in facts.events if event.status and event.at <= asked.until]
    if earlier:
        newest = max(earlier, key=lambda event: event.at)
        return newest.status, newest.at, newest.reason
    return (None if asked.until < facts.start else Status.PROVISIONING), facts.start, ""


def _now(facts: Facts, status: MachineStatus, when: When | None = None) -> str:
    """What the machine is; with `when`, with the times of it."""
    if facts.removed_at is not None:
        at = None if when is None else when.said(facts.removed_at, seconds=True)
        return say("removed") if at is None else say("removed {moment}", moment=at)
    if status.status is Status.PAUSED and not facts.standing.machine.enabled:
        return say("DISABLED")  # since when is not known: it may have been paused before
    if status.status is Status.PROVISIONING:
        return say("never heard")
    word = (QUIET if status.status is Status.ONLINE else LOUD)[status.status]
    if when is None:
        return word
    if status.status is Status.ONLINE and status.last_seen is not None:
        return say("{status}, heard {span} ago", status=word, span=spelled(when.now - status.last_seen, units=1))
    since, span = when.said(status.status_since, seconds=True), took(when.now - status.status_since)
    return say("{status} since {start} ({span})", status=word, start=since, span=span)


def _why_quiet(facts: Facts, status: MachineStatus, when: When) -> Iterator[str]:
    slug = facts.standing.machine.slug
    if facts.removed_at is not None:
        yield say("Nobody is told: it was removed, and is not watched any more. Its history is kept.")
        return
    if status.status is Status.PROVISIONING:
        yield say("Nobody is told: it never reported, and what was never heard is not missed.")
        doubt = say("Does it report, and with its own key?")
        do = say("{question} `lastseen machines rotate-key {slug}` makes a new one.", question=doubt, slug=slug)
        yield Apart(do, page=doubt)
    elif status.status is Status.PAUSED and not facts.standing.machine.enabled:
        disabled = say("Nobody is told: it is disabled, and its keys are refused.")
        yield _to_type(disabled, f"lastseen machines enable {slug}")
    elif status.status is Status.PAUSED:
        paused = say("Nobody is told: it is not watched while it is paused.")
        yield _to_type(paused, f"lastseen machines resume {slug}")
    elif any(one.ended_at is None for one in facts.blind):
        yield say("Nobody is told: nobody can be heard now, and that is not held against it.")
    elif status.until_offline is None:
        yield say("Nobody is told of its silence: it has no limit, and may be silent for ever.")
    elif facts.standing.machine.schedule is not None:
        due = when.said(when.now + status.until_offline)
        yield say("Nobody is told: nothing is wrong. It must come by {due}.", due=due)
    else:
        yield _nothing_wrong(status, status.until_offline)
    if facts.channels == 0:
        yield _to_type(say("And there is no channel: nobody would be told."), "lastseen channels add")
    if status.last_seen is not None and status.status is not Status.ONLINE:
        yield say("Last heartbeat {moment}.", moment=when.said(status.last_seen, seconds=True))


def _nothing_wrong(status: MachineStatus, left: timedelta) -> Words:
    if not status.offline_after:
        return say("Nobody is told: nothing is wrong.")
    limit = spelled(status.offline_after)
    if not status.late and not status.awaited:
        return say("Nobody is told: nothing is wrong. Limit {limit}.", limit=limit)
    rest = spelled(left, units=1)
    if status.awaited:
        awaited = say("Nobody is told yet: it was resumed, and has not been heard since.")
        return say("{awaited} Limit {limit}, {left} of it left.", awaited=awaited, limit=limit, left=rest)
    return say("Nobody is told: nothing is wrong. Limit {limit}, {left} of it left.", limit=limit, left=rest)


def _before(facts: Facts, when: When) -> Iterator[Note]:
    if facts.before is not None:
        yield _named(facts, facts.before, when, before=True)


def _after(facts: Facts, when: When) -> Iterator[Note]:
    if facts.after is not None:
        yield _named(facts, facts.after, when, before=False)


def _named(facts: Facts, event: Event, when: When, *, before: bool) -> Note:
    """And how to ask of it."""
    named = Words("{at} {what}", at=when.said(event.at), what=event_words(event, None, when))
    ask = "{event}: `lastseen why {slug} --at {moment}`"
    typed = Words(ask, event=named, slug=facts.standing.machine.slug, moment=moment_of(event.at, when))
    said = Apart(typed, page=named)
    return Note(say("Before: {event}", event=said) if before else say("After: {event}", event=said), event.at)


def _to_type(text: Words, command: str) -> Apart:
    """A page has a button for it."""
    return Apart(Words("{text} `{command}`", text=text, command=command), page=text)


def moment_of(at: datetime, when: When) -> str:
    """As `--at` takes it; with its offset where a command would read it in another zone."""
    local = at.astimezone(when.zone).replace(microsecond=0)
    return (local if when.abroad else local.replace(tzinfo=None)).isoformat()
