"""May this notification be sent now? Pure, asked at every claim, each answer with its reason.

============================================  ==========================================================================
what is so                                    what follows
============================================  ==========================================================================
the channel is off, or gone                   cancelled
a person asked for it (a replay)              sent
of a drill that is over                       cancelled
somebody has seen it, and this can be edited  sent, as an edit; cancelled when it is over
somebody has seen it, and this cannot         cancelled, unless it wants to hear of everything
a reminder, the incident over or seen         cancelled
a reminder, and a newer alert waits           cancelled
a reminder before its time                    held, and holds up nothing
the end of what this channel was not told     cancelled
not what the channel wishes (any more)        cancelled
a change while the machine flaps              cancelled, where one send may speak for several
a silence, or `notify_after` not over         held; cancelled when the incident is over before
quiet hours, and the machine not urgent       held until their end, then told in one digest
others of its group may follow                held for a moment (`lastseen.notifiers.storms`)
else                                          sent
============================================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from lastseen.durations import spell
from lastseen.model import (
    ENDS,
    Admission,
    Cancel,
    Cause,
    Channel,
    Event,
    EventType,
    Hold,
    Incident,
    Notification,
    Send,
    Severity,
    Silence,
)
from lastseen.model.drill import is_over
from lastseen.model.wishes import HELD, URGENT
from lastseen.notifiers.quiet import quiet_until
from lastseen.notifiers.storms import Storms

ACKNOWLEDGED = "acknowledged"
"""What goes into one edit together."""

EDITS = 8
"""Acknowledgements in one attempt: each may change another message, and a chat takes one change a second."""

SILENCED, TOO_EARLY, QUIET = f"{HELD}silence", f"{HELD}told after", f"{HELD}quiet hours"


@dataclass(frozen=True, slots=True)
class Question:
    """All that admission may look at. `incident` is asked only where it matters. `cancelled`: uids of notifications
    that were cancelled a moment ago, and still count as waiting in `incident`."""

    row: Notification
    event: Event
    channel: Channel
    batch: int
    now: datetime
    incident: Callable[[], Incident] = Incident
    silences: Sequence[Silence] = ()
    zone: tzinfo | None = None
    cancelled: Collection[str] = field(default=frozenset())
    storms: Storms | None = None
    edits: bool = False


def admit(asked: Question) -> Admission:
    """The first of the rules above that says something."""
    row, channel = asked.row, asked.channel
    if not channel.enabled:
        return Cancel(f"channel disabled: {channel.disabled_reason or 'by a person'}")
    if row.cause is not Cause.REPLAY:
        for rule in (
            _drill,
            _acknowledged,
            _reminder,
            _end_of_untold,
            _unwished,
            _flapping,
            _silence,
            _not_yet,
            _over_meanwhile,
            _quiet,
            _gathered,
        ):
            admission = rule(asked)
            if admission is not None:
                return admission
    gathered = not row.solo and asked.batch > 1 and row.cause is Cause.FIRST
    return Send(1 if row.solo else asked.batch, asked.storms.key(asked.event) if gathered and asked.storms else "")


def _gathered(asked: Question) -> Admission | None:
    """An end goes with its beginning where that has not been told yet. Who flaps has been told of often enough by now:
    a group that does is one message each half minute."""
    row, event = asked.row, asked.event
    if asked.storms is None or asked.batch == 1 or row.cause is not Cause.FIRST or row.attempts or row.solo:
        return None
    if event.type in (EventType.FLAPPING, EventType.STEADY):
        until = event.at.replace(microsecond=0) + timedelta(seconds=30 - event.at.second % 30)
        return Hold(until, f"{HELD}waits for others of its group") if asked.now < until else None
    if event.type not in ("machine.offline", "machine.online") or (row.reason or "").startswith(QUIET):
        return None
    if event.type == "machine.online" and asked.incident().waiting:
        return None
    return asked.storms.hold(asked.channel.uid, event, asked.edits, asked.now)


def _drill(asked: Question) -> Admission | None:
    over = is_over(asked.event.at, asked.event.snapshot, asked.now)
    return Cancel("the drill is over") if over else None


def _acknowledged(asked: Question) -> Admission | None:
    """It is shown in the message that it is about, without a sound: nothing else holds that back. Where that cannot be
    changed it is told only to those who want to hear of everything."""
    if asked.event.type != EventType.ACKNOWLEDGED:
        return None
    incident = asked.incident()
    if asked.edits and incident.told:
        return Cancel("it is over") if incident.over is not None else Send(min(asked.batch, EDITS), ACKNOWLEDGED)
    if asked.channel.prefs.severity == "info" and asked.channel.declines(asked.event) is None:
        return None
    return Cancel("it cannot change what it has said" if incident.told else "was not told of what was acknowledged")


def _reminder(asked: Question) -> Admission | None:
    if not asked.row.while_open:
        return None
    incident = asked.incident()
    if incident.over is not None:
        return Cancel("it is over")
    if incident.acked_at is not None and incident.acked_at >= asked.event.at:
        return Cancel(f"acknowledged by {incident.acked_by}")
    return _again(asked, incident) if asked.row.cause is Cause.REMINDER else None


def _again(asked: Question, incident: Incident) -> Admission | None:
    """Its time is counted from the last word, whoever asks; and a newer alert has reminders of its own."""
    every = timedelta(seconds=asked.channel.prefs.repeat_every)
    if not every:
        return Cancel("told again no more")
    if incident.waiting - {asked.row.uid, *asked.cancelled}:
        return Cancel("told anew meanwhile")
    due = asked.row.created_at + every
    return Hold(due, f"{HELD}told again after {spell(every)}") if asked.now < due else None


def _end_of_untold(asked: Question) -> Admission | None:
    if not _ends(asked.event):
        return None
    incident = asked.incident()
    waiting = incident.waiting - frozenset(asked.cancelled)
    dropped = incident.cancelled or len(waiting) < len(incident.waiting)
    return Cancel("was not told of what this ends") if dropped and not incident.told and not waiting else None


def _ends(event: Event) -> bool:
    return event.type in ENDS and event.severity is not Severity.ALERT


def _unwished(asked: Question) -> Admission | None:
    """What it stands in for was wished by another, and the end of what it was told is told whatever it wishes."""
    if asked.row.cause is Cause.FALLBACK or _ends(asked.event):
        return None
    reason = asked.channel.declines(asked.event)
    return None if reason is None else Cancel(reason)


def _flapping(asked: Question) -> Admission | None:
    """One message says that it flaps, and one what became of it, to those who hear of both. Those are for people;
    programs hear every change. The end of what was told is told: the message may yet be held back."""
    event, channel = asked.event, asked.channel
    spared = channel.uid in (event.snapshot.get("flapping") or ())
    if asked.batch == 1 or not spared or not channel.wants(EventType.FLAPPING):
        return None
    if _ends(event) and asked.incident().told:
        return None
    return Cancel("it flaps: one message says so")


def _silence(asked: Question) -> Admission | None:
    active = [silence for silence in asked.silences if _covers(silence, asked)]
    if not active:
        return None
    last = max(active, key=lambda silence: silence.ends_at)
    return _until(asked, last.ends_at, f'{SILENCED} "{last.name}"')


def _covers(silence: Silence, asked: Question) -> bool:
    matcher = silence.matcher
    return (
        silence.starts_at <= asked.now < silence.ends_at
        and (asked.event.machine_id is not None or not (matcher.of_machines or matcher.channels))
        and (not matcher.channels or asked.channel.uid in matcher.channels)
        and matcher.misses(asked.event.snapshot) is None
    )


def _not_yet(asked: Question) -> Admission | None:
    wait = timedelta(seconds=asked.channel.prefs.notify_after)
    if asked.event.severity is not Severity.ALERT or asked.now >= asked.event.at + wait:
        return None
    return _until(asked, asked.event.at + wait, f"{TOO_EARLY} {spell(wait)}")


def _until(asked: Question, until: datetime, reason: str) -> Admission:
    if asked.event.severity is Severity.ALERT and asked.incident().over is not None:
        return Cancel(f"over before it was told ({reason.removeprefix(HELD)})")
    return Hold(until, reason)


def _over_meanwhile(asked: Question) -> Admission | None:
    """It was held, and nobody needs it any more. What waited for quiet hours to end is told all the same."""
    reason = asked.row.reason or ""
    if asked.event.severity is Severity.ALERT and reason.startswith((SILENCED, TOO_EARLY)):
        return Cancel(f"over before it was told ({reason.removeprefix(HELD)})") if asked.incident().over else None
    return None


def _quiet(asked: Question) -> Admission | None:
    quiet = asked.channel.prefs.quiet
    if quiet is None or URGENT in (asked.event.snapshot.get("tags") or ()):
        return None
    until = quiet_until(quiet, asked.now, asked.zone)
    return None if until is None else Hold(until, QUIET)
