"""The words of a story: what one event, one notification, one refused key is called. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.durations import spelled
from lastseen.model import (
    BlindPeriod,
    BlindReason,
    Cause,
    Event,
    EventType,
    NotificationState,
    Outage,
    Severity,
    Silence,
    Status,
)
from lastseen.model.story import Facts, RefusedFor, RefusedKey, Told
from lastseen.model.wishes import HELD
from lastseen.monitor.recorded import recorded
from lastseen.notifiers.wording import When, one_line, shorten, took
from lastseen.words import Apart, Words, say, say_many

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
        return say("noticed: {what}", what=_gone(event, when))
    if event.type == EventType.ONLINE:
        return _back(event, outage)
    if event.type == EventType.ACKNOWLEDGED:
        return acknowledged(quoted(event.reason))
    if event.type in _FLAPS:
        return _flaps(event)
    if event.reason == "disabled":
        return say("disabled: its keys are refused")
    message = event.snapshot.get("message") or (event.reason if event.type not in _PLAIN else "")
    called = _CALLED.get(event.type, event.type)
    return Words("{what}: {said}", what=called, said=quoted(str(message))) if message else called


def acknowledged(by: str | None) -> Words:
    """ "" or None: nobody knows by whom."""
    return say("acknowledged by {name}", name=by) if by else say("acknowledged by somebody")


_CALLED = {
    "machine.error": say("it reported an error"),
    "machine.registered": say("added"),
    "machine.paused": say("paused"),
    "machine.resumed": say("watched again"),
    "machine.removed": say("removed"),
    "system.machine_never_reported": say("noticed"),
}
_FLAPS = {"machine.flapping": say("flapping"), "machine.steady": say("it holds still")}


_PLAIN = frozenset({"machine.error", "machine.registered", "machine.paused", "machine.resumed", "machine.removed"})
"""Their reasons say no more than their type."""


def _flaps(event: Event) -> str:
    flaps = event.snapshot.get("flaps")
    if not isinstance(flaps, dict) or not flaps.get("changes"):
        return _FLAPS[event.type]
    many = say_many("1 change", "{n} changes", flaps["changes"])
    if event.type != EventType.FLAPPING:
        return say("it holds still: {changes} in all", changes=many)
    span = spelled(timedelta(seconds=flaps["window_seconds"]))
    return say("flapping: {changes} in {span}", changes=many, span=span)


def _gone(event: Event, when: When) -> str:
    due, run = event.snapshot.get("due"), event.snapshot.get("run")
    if event.reason == "goodbye":
        return say("it said goodbye")
    if event.reason == "run" and isinstance(run, dict) and run.get("started_at"):
        begun = when.said(datetime.fromisoformat(run["started_at"]))
        return say("its run of {begun} did not end in time", begun=begun)
    if isinstance(due, dict) and due.get("at"):
        return say("it was due {due} and did not come", due=when.said(datetime.fromisoformat(due["at"])))
    limit, origin = event.snapshot.get("offline_after_seconds"), event.snapshot.get("limit_from")
    called = recorded(event.reason)
    span = took(event.at - event.last_seen) if event.last_seen else None
    silent = called if span is None else say("{reason} for {span}", reason=called, span=span)
    if event.reason != "silent" or limit is None:
        return silent
    limits = say("limit {limit}", limit=spelled(timedelta(seconds=limit)))
    if origin:
        limits = say("{limit}, from {origin}", limit=limits, origin=recorded(origin))
    return Words("{silent} ({limit})", silent=silent, limit=limits)


def _back(event: Event, outage: Outage | None) -> str:
    if event.previous_status is Status.PROVISIONING:
        return say("heard for the first time")
    if event.previous_status is Status.ERROR:
        return say("in order again")
    if outage is not None and outage.ended_at is not None:
        return say("back after {span}", span=took(outage.ended_at - outage.started_at))
    return say("back")


# -- who was told


def told_words(row: Told, when: When, behind: bool = False, acknowledges: bool = False) -> str:
    """What became of one notification. `behind`: an earlier one of this machine is still open on the channel.
    `acknowledges`: that somebody has seen it is not told, but shown where it was told."""
    state, reason = row.state, recorded(quoted(row.reason or ""))
    if state == NotificationState.DELIVERED and reason and not row.attempts:
        return reason  # told elsewhere: the machine came from another program (`lastseen import`)
    if state == NotificationState.DELIVERED:
        return _delivered(row, when, acknowledges)
    if state == NotificationState.SENDING:
        return say("being sent, attempt {attempts}", attempts=row.attempts)
    if state == NotificationState.DEAD:
        return _given_up(row, reason)
    if state in (NotificationState.CANCELLED, NotificationState.SKIPPED):
        return say("not shown: {reason}", reason=reason) if acknowledges else say("not told: {reason}", reason=reason)
    if reason.startswith(HELD):
        until = when.said(row.due_at)
        return say("{reason}, until {until}", reason=reason, until=until) if row.due_at > when.now else reason
    return _waiting(row, when, behind)


def _given_up(row: Told, reason: str) -> Words:
    untold = say("NOT TOLD: {reason}", reason=reason)
    if not row.id:
        return untold
    again = say("{untold}: `lastseen notifications replay {number}` tells it again", untold=untold, number=row.id)
    return Apart(again, page=untold)


def _delivered(row: Told, when: When, acknowledges: bool) -> Words:
    at = when.said(row.finished_at or row.due_at, seconds=True)
    match row.cause:
        case Cause.REMINDER:
            done = say("reminded {at}", at=at)
        case Cause.REPLAY:
            done = say("told again {at}", at=at)
        case Cause.FALLBACK:
            done = say("told for another channel {at}", at=at)
        case _:
            done = say("shown {at}", at=at) if acknowledges else say("told {at}", at=at)
    return say("{told} (attempt {attempts})", told=done, attempts=row.attempts) if row.attempts > 1 else done


def _waiting(row: Told, when: When, behind: bool) -> Words:
    due = _next(row, when)
    if row.attempts:
        tried = _trouble(row)
        return say("WAITING: {why}, attempt {attempts}, next {due}", why=tried, attempts=row.attempts, due=due)
    if row.cause == Cause.REMINDER:
        return say("next reminder {due}", due=due)
    if behind:
        return say("WAITING: for what is told before it")
    return say("WAITING: not tried yet, due {due}", due=due)


def _next(row: Told, when: When) -> Words:
    """When it is tried: not before its channel has cooled down, and never at a moment that is over."""
    due = max(row.due_at, row.ready_at or row.due_at)
    if due <= when.now:
        return say("now")
    return when.said(due, seconds=not row.attempts and row.cause != Cause.REMINDER)


def _trouble(row: Told) -> str:
    """The far end's newest word."""
    newest = next((one.detail for one in reversed(row.tries) if one.detail), "") or row.reason
    return quoted(newest) if newest else say("it could not be sent")


def to_nobody(moment: Moment) -> str:
    """Of what is no alert, and was told to nobody: one line for all channels; "": it is otherwise."""
    event = moment.event
    if event is None or event.severity is Severity.ALERT or not moment.told:
        return ""
    if any(one.row.state != NotificationState.SKIPPED for one in moment.told):
        return ""
    return say("nobody was told: it is no alert, nor the end of one")


def nobody(facts: Facts) -> str:
    """Why an event has nobody who was told."""
    if facts.channels == 0:
        none = say("nobody is told: there is no channel")
        return Apart(Words("{text} (`lastseen channels add`)", text=none), page=none)
    return say("nobody was told: there was no channel when it happened")


# -- what was so meanwhile


def meanwhile(facts: Facts, when: When) -> Iterator[Moment]:
    """Refused keys, blind times and silences."""
    yield from (_refused(one, when) for one in facts.refused)
    yield from (_blind(one, facts) for one in facts.blind)
    for silence in facts.silences:
        yield Moment(silence.starts_at, _silence(silence), silence.ends_at)


def _silence(one: Silence) -> Words:
    name, by = quoted(one.name), quoted(one.created_by) if one.created_by else ""
    called = (
        say('silence "{name}" for some channels', name=name)
        if one.matcher.channels
        else say('silence "{name}"', name=name)
    )
    if by:
        called = say("{silence}, by {name}", silence=called, name=by)
    return say("{silence}: what happens is told at its end", silence=called)


STILL = timedelta(minutes=15)
"""A key that was refused so recently is taken to be refused still."""


def _refused(one: RefusedKey, when: When) -> Moment:
    times, why = say_many("1 request", "{n:,} requests", one.count), refused_words(one, when)
    what = say("{requests} REFUSED: {why}", requests=times, why=why)
    if not one.machine:
        key = Words('{scope} key "{label}"' if one.label else "{scope} key", scope=one.scope, label=quoted(one.label))
        what = say("{requests} of {key} REFUSED: {why}", requests=times, key=key, why=why)
    lasts = when.now - one.last_at < STILL
    return Moment(one.first_at, what, None if lasts else one.last_at, lasts, do=refused_advice(one))


def refused_words(one: RefusedKey, when: When) -> str:
    """What is wrong with the key."""
    key = f"{one.hint}…"
    if one.removed:
        return say("key {key}: its machine was removed", key=key)
    if one.reason is RefusedFor.DISABLED:
        return say("key {key}: its machine is disabled", key=key)
    if one.reason is RefusedFor.EXPIRED:
        what = say("key {key} expired", key=key)
    else:
        what = say("key {key} was replaced", key=key) if one.replaced else say("key {key} was revoked", key=key)
    return what if one.ended_at is None else Words("{what} {at}", what=what, at=when.said(one.ended_at))


def refused_advice(one: RefusedKey) -> Words:
    """What to do about it."""
    if one.removed:
        stop = "stop what still reports there, or `lastseen machines add {machine}` and give it the new key"
        add = say("stop what still reports there, or add a machine and give it the new key")
        return Apart(say(stop, machine=one.machine), page=add)
    if one.reason is RefusedFor.DISABLED and one.machine:
        enable = Words("`lastseen machines enable {machine}`", machine=one.machine)
        return Apart(enable, page=say("its keys are taken again once it is enabled"))
    if one.machine is None:
        new = say("`lastseen keys add {scope}` makes a new one", scope=one.scope)
        return Apart(new, page=say("a new {scope} key is needed there", scope=one.scope))
    if one.replaced:
        put = say("put the new key there")
        other = say("{put}; another one: `lastseen machines rotate-key {machine}`", put=put, machine=one.machine)
        return Apart(other, page=put)
    if one.scope in ("ping", "push"):
        shown = say("`lastseen machines show {machine}` says its addresses", machine=one.machine)
        return Apart(shown, page=say("its addresses are shown where it is connected"))
    new = say("`lastseen machines rotate-key {machine}` makes a new one", machine=one.machine)
    return Apart(new, page=say("a new key is needed there"))


BLIND = {
    BlindReason.STOPPED: say("lastseen was stopped"),
    BlindReason.STALLED: say("this computer slept, or lastseen stood still"),
    BlindReason.CLOCK: say("the clock jumped"),
    BlindReason.STORE: say("the database could not be written"),
    BlindReason.LINK: say("the link was lost"),
    BlindReason.UPLINK: say("our own line was down"),
}


def _blind(one: BlindPeriod, facts: Facts) -> Moment:
    source = facts.names.get(one.source, str(one.source))
    what = say(
        "nobody could be heard by {source}: {why}; silence then is not held against it",
        source=source,
        why=BLIND[one.reason],
    )
    return Moment(one.started_at, what, one.ended_at, one.ended_at is None)
