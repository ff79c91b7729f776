"""The words of a story: what one event, one notification, one refused key is called. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.durations import spell
from lastseen.model import (
    BlindPeriod,
    BlindReason,
    Cause,
    Event,
    EventType,
    NotificationState,
    Outage,
    Severity,
    Status,
)
from lastseen.model.story import Facts, RefusedFor, RefusedKey, Told
from lastseen.model.wishes import HELD
from lastseen.notifiers.wording import When, lasted, one_line, shorten

LONGEST = 200
"""Characters of what a far end or a machine said."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one notification, in words."""

    row: Told
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the story: what was at `at`, or from then until `until` (None where it is a moment; `lasts`: it goes
    on). `event`: the event that it tells, and who was told of it. `do`: what somebody may do about it."""

    at: datetime
    what: str
    until: datetime | None = None
    lasts: bool = False
    event: Event | None = None
    told: tuple[Said, ...] = ()
    do: str = ""


def quoted(text: str) -> str:
    return shorten(one_line(text), LONGEST)


# -- events


def event_words(event: Event, outage: Outage | None, when: When) -> str:
    """What happened, of any type of event."""
    if event.type == EventType.OFFLINE:
        return f"noticed: {_gone(event, when)}"
    if event.type == EventType.ONLINE:
        return _back(event, outage)
    if event.type == EventType.ACKNOWLEDGED:
        return f"acknowledged by {quoted(event.reason) or 'somebody'}"
    if event.type in _FLAPS:
        return _flaps(event)
    message = event.snapshot.get("message") or (event.reason if event.type not in _PLAIN else "")
    said = f": {quoted(str(message))}" if message else ""
    return _CALLED.get(event.type, event.type) + said


_CALLED = {
    "machine.error": "it reported an error",
    "machine.registered": "added",
    "machine.paused": "paused",
    "machine.resumed": "watched again",
    "machine.removed": "removed",
    "system.machine_never_reported": "noticed",
}
_FLAPS = {"machine.flapping": "flapping", "machine.steady": "it holds still"}


_PLAIN = frozenset({"machine.error", "machine.registered", "machine.paused", "machine.resumed", "machine.removed"})
"""Their reasons say no more than their type."""


def _flaps(event: Event) -> str:
    flaps = event.snapshot.get("flaps")
    if not isinstance(flaps, dict) or not flaps.get("changes"):
        return _FLAPS[event.type]
    within = (
        f" in {spell(timedelta(seconds=flaps['window_seconds']))}" if event.type == EventType.FLAPPING else " in all"
    )
    return f"{_FLAPS[event.type]}: {flaps['changes']} changes{within}"


def _gone(event: Event, when: When) -> str:
    due, run = event.snapshot.get("due"), event.snapshot.get("run")
    if event.reason == "goodbye":
        return "it said goodbye"
    if event.reason == "run" and isinstance(run, dict) and run.get("started_at"):
        return f"its run of {when.at(datetime.fromisoformat(run['started_at']))} did not end in time"
    if isinstance(due, dict) and due.get("at"):
        return f"it was due {when.at(datetime.fromisoformat(due['at']))} and did not come"
    limit, origin = event.snapshot.get("offline_after_seconds"), event.snapshot.get("limit_from")
    silent = f" for {lasted(event.at - event.last_seen)}" if event.last_seen else ""
    if event.reason != "silent" or limit is None:
        return f"{event.reason}{silent}"
    source = f", from {origin}" if origin else ""
    return f"silent{silent} (limit {spell(timedelta(seconds=limit))}{source})"


def _back(event: Event, outage: Outage | None) -> str:
    if event.previous_status is Status.PROVISIONING:
        return "heard for the first time"
    if event.previous_status is Status.ERROR:
        return "in order again"
    if outage is not None and outage.ended_at is not None:
        return f"back after {lasted(outage.ended_at - outage.started_at)}"
    return "back"


# -- who was told


def told_words(row: Told, when: When, behind: bool = False, verb: str = "told") -> str:
    """What became of one notification. `behind`: an earlier one of this machine is still open on the channel. `verb`:
    what a delivered one was, the first time."""
    state, reason = row.state, quoted(row.reason or "")
    if state == NotificationState.DELIVERED and reason and not row.attempts:
        return reason  # told elsewhere: the machine came from another program (`lastseen import`)
    if state == NotificationState.DELIVERED:
        tries = f" (attempt {row.attempts})" if row.attempts > 1 else ""
        verb = _VERBS.get(row.cause, verb)
        return f"{verb} {when.at(row.finished_at or row.due_at, seconds=True)}{tries}"
    if state == NotificationState.SENDING:
        return f"being sent, attempt {row.attempts}"
    if state == NotificationState.DEAD:
        again = f": `lastseen notifications replay {row.id}` tells it again" if row.id else ""
        return f"NOT TOLD: {reason}{again}"
    if state in (NotificationState.CANCELLED, NotificationState.SKIPPED):
        return f"not {verb}: {reason}"
    if reason.startswith(HELD):
        return f"{reason}, until {when.at(row.due_at)}" if row.due_at > when.now else reason
    if row.attempts:
        return f"WAITING: {_trouble(row)}, attempt {row.attempts}, next {when.at(row.due_at)}"
    if row.cause == Cause.REMINDER:
        return f"next reminder {when.at(row.due_at)}"
    if behind:
        return "WAITING: for what is told before it"
    return f"WAITING: not tried yet, due {when.at(row.due_at, seconds=True)}"


_VERBS: dict[str, str] = {
    Cause.REMINDER: "reminded",
    Cause.REPLAY: "told again",
    Cause.FALLBACK: "told for another channel",
}


def _trouble(row: Told) -> str:
    """The far end's newest word."""
    newest = next((one.detail for one in reversed(row.tries) if one.detail), "")
    return quoted(newest or row.reason or "it could not be sent")


def to_nobody(moment: Moment) -> str:
    """Of what is no alert, and was told to nobody: one line for all channels; "": it is otherwise."""
    event = moment.event
    if event is None or event.severity is Severity.ALERT or not moment.told:
        return ""
    if any(one.row.state != NotificationState.SKIPPED for one in moment.told):
        return ""
    return "nobody was told: it is no alert, nor the end of one"


def nobody(facts: Facts) -> str:
    """Why an event has nobody who was told."""
    if facts.channels == 0:
        return "nobody is told: there is no channel (`lastseen channels add`)"
    return "nobody was told: there was no channel when it happened"


# -- what was so meanwhile


def meanwhile(facts: Facts, when: When) -> Iterator[Moment]:
    """Refused keys, blind times and silences."""
    yield from (_refused(one, when) for one in facts.refused)
    yield from (_blind(one, facts) for one in facts.blind)
    for silence in facts.silences:
        by = f", by {quoted(silence.created_by)}" if silence.created_by else ""
        chats = " for some channels" if silence.matcher.channels else ""
        what = f'silence "{quoted(silence.name)}"{chats}{by}: what happens is told at its end'
        yield Moment(silence.starts_at, what, silence.ends_at)


STILL = timedelta(minutes=15)
"""A key that was refused so recently is taken to be refused still."""


def _refused(one: RefusedKey, when: When) -> Moment:
    times = "1 request" if one.count == 1 else f"{one.count:,} requests"
    whose = "" if one.machine else f" of {one.scope} key" + (f' "{quoted(one.label)}"' if one.label else "")
    what = f"{times}{whose} REFUSED: {refused_words(one, when)}"
    lasts = when.now - one.last_at < STILL
    return Moment(one.first_at, what, None if lasts else one.last_at, lasts, do=refused_advice(one))


def refused_words(one: RefusedKey, when: When) -> str:
    """What is wrong with the key."""
    key = f"key {one.hint}…"
    since = f" {when.at(one.ended_at)}" if one.ended_at is not None else ""
    if one.removed:
        return f"{key}: its machine was removed"
    if one.reason is RefusedFor.DISABLED:
        return f"{key}: its machine is disabled"
    if one.reason is RefusedFor.EXPIRED:
        return f"{key} expired{since}"
    return f"{key} was {'replaced' if one.replaced else 'revoked'}{since}"


def refused_advice(one: RefusedKey) -> str:
    """What to do about it."""
    if one.removed:
        return f"stop what still reports there, or `lastseen machines add {one.machine}` and give it the new key"
    if one.reason is RefusedFor.DISABLED and one.machine:
        return f"`lastseen machines enable {one.machine}`"
    if one.machine is None:
        return f"`lastseen keys add {one.scope}` makes a new one"
    if one.replaced:
        return f"put the new key there; another one: `lastseen machines rotate-key {one.machine}`"
    if one.scope in ("ping", "push"):
        return f"`lastseen machines show {one.machine}` says its addresses"
    return f"`lastseen machines rotate-key {one.machine}` makes a new one"


BLIND = {
    BlindReason.STOPPED: "lastseen was stopped",
    BlindReason.STALLED: "this computer slept, or lastseen stood still",
    BlindReason.CLOCK: "the clock jumped",
    BlindReason.STORE: "the database could not be written",
    BlindReason.LINK: "the link was lost",
    BlindReason.UPLINK: "our own line was down",
}


def _blind(one: BlindPeriod, facts: Facts) -> Moment:
    source = facts.names.get(one.source, str(one.source))
    what = f"nobody could be heard by {source}: {BLIND[one.reason]}; silence then is not held against it"
    return Moment(one.started_at, what, one.ended_at, one.ended_at is None)
