"""Proves the promises on what is left of a run, or names what breaks them. Pure: it reads evidence and nothing else.

It shares no line with the program: when a silence is an outage is reckoned here again, from what machines did.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.chaos import telling
from tests.chaos.deafness import apart, arrived_by, hearing_time, latest_deadline
from tests.chaos.evidence import Beat, Event, Evidence, Machine

PROMPT = 10.0
"""Seconds by which a silence that nobody waited for may outlast its last deadline without being found: so slow may the
machine be that this runs on."""

CLOCKS = 0.25
"""Seconds by which the time of this process and the database's may be read apart, beside what it may have to wait for
a processor between reading a time and using it."""

TOLD_BY = 2.0
"""Seconds that a message which a broker has acknowledged may take to the program."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`rule`: which promise was broken; `text`: how."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def audit(evidence: Evidence) -> list[Finding]:
    """What is wrong; nothing, if the promises were kept."""
    found = [Finding(rule, text) for rule, text in telling.look(evidence)]
    for machine in evidence.machines:
        found += [Finding(rule, f"{machine.slug}: {text}") for rule, text in _of(machine, evidence)]
    return sorted(found)


def _of(machine: Machine, evidence: Evidence) -> Iterator[tuple[str, str]]:
    events = sorted((event for event in evidence.events if event.machine == machine.id), key=lambda event: event.seq)
    beats = sorted((beat for beat in evidence.beats if beat.machine == machine.id), key=lambda beat: beat.sent)
    yield from _sequence(events, evidence)
    yield from _recorded(machine, beats, evidence)
    yield from _missed(machine, events, beats, evidence)
    yield from _invented(machine, events, beats, evidence)
    yield from _returns(events, beats, evidence)
    yield from _open(machine, events, evidence)


# --- each machine's events --------------------------------------------------------------------------------------------


def _apart(evidence: Evidence) -> float:
    return CLOCKS + evidence.lateness


def _sequence(events: Sequence[Event], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Promise 2 and 3."""
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        yield "gap in seq", str([event.seq for event in events])
    for before, after in itertools.pairwise(events):
        if before.after != after.before:
            yield "events do not follow", f"{before.type} left it {before.after}, {after.type} found it {after.before}"
        if before.at > after.at + _apart(evidence):
            yield "events do not follow", f"{after.type} (seq {after.seq}) is older than what came before it"


def _recorded(machine: Machine, beats: Sequence[Beat], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Promise 7."""
    acked = [beat for beat in beats if beat.acked is not None and beat.via == "http"]
    if not acked:
        return
    newest = max(acked, key=lambda beat: beat.sent)
    if machine.last_seen is None or machine.last_seen < newest.sent - _apart(evidence):
        yield "lost heartbeat", f"sent at {newest.sent:.2f} and acknowledged, last seen at {machine.last_seen}"


def _missed(
    machine: Machine, events: Sequence[Event], beats: Sequence[Beat], evidence: Evidence
) -> Iterator[tuple[str, str]]:
    """Promise 6, its other half: no credit is endless. Whoever was silent for longer was found silent meanwhile, unless
    it is not known at all: what a broker acknowledged may have been lost with it."""
    if machine.via != "http" and machine.last_seen is None:
        return
    for beat, until in zip(beats, [*(beat.sent for beat in beats[1:]), evidence.taken_at], strict=True):
        since = arrived_by(beat, evidence.faults)
        by = latest_deadline(machine, since, evidence.blind) + PROMPT + evidence.lateness
        was = [event for event in events if event.at < until - _apart(evidence)]
        if until - _apart(evidence) > by and (not was or was[-1].after != "offline"):
            yield "missed outage", f"silent from {since:.2f} to {until:.2f}, and due by {by:.2f}"


def _invented(
    machine: Machine, events: Sequence[Event], beats: Sequence[Beat], evidence: Evidence
) -> Iterator[tuple[str, str]]:
    """Promise 6: it had all its time, counted while somebody could have heard it."""
    for event in events:
        if event.type != "machine.offline":
            continue
        last = _heard_last(machine, event, beats, evidence)
        if last is None:
            yield "invented outage", f"{event.reason} at {event.at:.2f}, and it had said nothing of the kind"
            continue
        patience = machine.grace if last.said == "goodbye" else machine.threshold
        had = _had(last, machine, event, beats, evidence)
        late = [beat for beat in beats if last.sent < beat.sent < event.at and beat.acked is not None]
        for beat in late:  # which it may have gone by
            if "goodbye" not in (last.said, beat.said):
                had = max(had, _had(beat, machine, event, beats, evidence))
        if had < patience - _apart(evidence):
            yield "invented outage", f"{event.reason} at {event.at:.2f}: {last}, {had:.2f} s of {patience:g}"


def _had(last: Beat, machine: Machine, event: Event, beats: Sequence[Beat], evidence: Evidence) -> float:
    """Seconds from a heartbeat to an outage in which it could have been heard again."""
    missing = [beat for beat in beats if last.sent < beat.sent <= event.at]
    return hearing_time(last.sent, event.at, apart(evidence.faults, machine.via, missing))


def _heard_last(machine: Machine, event: Event, beats: Sequence[Beat], evidence: Evidence) -> Beat | None:
    """The newest that must be in the database by then; of a goodbye, what was said that may be it."""
    slow = _apart(evidence) if machine.via == "http" else TOLD_BY + evidence.lateness
    sure = [beat for beat in beats if beat.acked is not None and beat.acked < event.at - slow]
    if event.reason != "goodbye":  # which moves no deadline: silence may come before the end of its grace
        return next((beat for beat in reversed(sure) if beat.said != "goodbye"), None)
    goodbyes = [beat for beat in beats if beat.said == "goodbye" and beat.sent < event.at]
    newer = [beat for beat in sure if goodbyes and beat.sent > (goodbyes[-1].acked or goodbyes[-1].sent)]
    return (newer or goodbyes or [None])[-1]


def _returns(events: Sequence[Event], beats: Sequence[Beat], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """After an outage, the first heartbeat ends it, and nothing else does."""
    for position, event in enumerate(events):
        if event.type != "machine.offline":
            continue
        back = [b for b in beats if b.sent > event.at and b.said in ("alive", "ok") and b.acked and b.via == "http"]
        after = events[position + 1] if position + 1 < len(events) else None
        if after is None and back:
            yield "missed return", f"offline at {event.at:.2f}, heard at {back[0].sent:.2f}, and no event since"
        if after is not None and after.type in ("machine.online", "machine.error"):
            late = [b for b in beats if arrived_by(b, evidence.faults) >= event.at - _apart(evidence)]
            why = [b for b in late if b.sent <= after.at + _apart(evidence)]
            if not why:
                yield "invented return", f"{after.type} at {after.at:.2f}, and it said nothing since {event.at:.2f}"


def _open(machine: Machine, events: Sequence[Event], evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Promise 3: one outage at a time, and it is open exactly while the machine is offline."""
    outages = [outage for outage in evidence.outages if outage.machine == machine.id]
    is_open = sum(outage.end is None for outage in outages)
    if is_open != (machine.status == "offline"):
        yield "open outages", f"{is_open} are open, and it is {machine.status}"
    begun = sum(event.type == "machine.offline" for event in events)
    if begun != len(outages):
        yield "open outages", f"{begun} events machine.offline, and {len(outages)} outages"
    if events and events[-1].after != machine.status:
        yield "events do not follow", f"the last one left it {events[-1].after}, and it is {machine.status}"
