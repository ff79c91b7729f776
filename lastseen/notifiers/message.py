"""What people read. Pure: what is to be told and the time in, a message out.

Messages are rendered when they are sent, from the event's snapshot, so that what is told late says so. A batch is told
machine by machine: what began and ended within it is one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from lastseen.model import Action, Cause, Delivery, EventType, Message, Preferences, Quiet, Severity, Silence, replace
from lastseen.model.insight import NOBODY, Roll
from lastseen.model.wishes import AS_USUAL
from lastseen.notifiers.offers import offers
from lastseen.notifiers.quiet import quiet_until
from lastseen.notifiers.storms import Part, acked_of
from lastseen.notifiers.telling import Item, Told
from lastseen.notifiers.texts import tell
from lastseen.notifiers.texts_seen import all_seen, muted, muted_lines, open_ones, seen_lines
from lastseen.notifiers.texts_storms import digest, storm
from lastseen.notifiers.wording import TITLE, Line, When, body, fit, one_line, shorten

LATE = 60.0
"""Seconds between an event and its message from which on the message says so."""

MOST_LINES = 30
"""Machines named one by one in the message of a batch."""

_LOUD = ("🔴", "🟠", "⚠️")
_ORDER = ("🔴", "🟠", "⚠️", "🟡", "🟢", "✅", "⚪")
_WORDS = {
    "🔴": "offline",
    "🟠": "in error",
    "⚠️": "need attention",
    "🟡": "lost",
    "🟢": "back",
    "✅": "tested",
    "⚪": "changed",
}
_BEGINS = ("machine.offline", "machine.error", "machine.flapping", "source.blind")
_FLAPPING = ("machine.flapping", "machine.steady")
"""They begin and end beside what else a machine does. One that ends in an alert goes on as what the machine does."""
_ENDS = ("machine.online", "machine.steady", "source.restored")


def render(
    deliveries: Sequence[Delivery],
    now: datetime,
    *,
    tz: tzinfo | None = None,
    label: str = "Telegram",
    failing_since: datetime | None = None,
    public_url: str | None = None,
    wishes: Preferences = AS_USUAL,
    instead_of: str = "",
    part: Part | None = None,
    roll: Roll = NOBODY,
    as_of: datetime | None = None,
    mutes: Sequence[Silence] = (),
) -> Message:
    """One message for all of `deliveries` (at least one), as it reads at `now` in the time zone `tz`.

    `label` is what people call the far end, `failing_since` when it began to be unreachable. `public_url` is for
    buttons that open a page; there is none yet that they could open. `wishes` are the channel's, `instead_of` names the
    channels that it stands in for. `part` and `roll`: where it is about a group of machines that went or came together.
    `as_of`: it was told then, and its words are to be as they were, with who has seen it since; `mutes` are the
    silences of this channel alone.
    """
    when = When(as_of or now, tz)
    every = timedelta(seconds=wishes.repeat_every)
    told = [_again(one, when.now, every) for one in _condense(deliveries, when.now)]
    items = [tell(one, when) for one in told]
    if part is not None and len(part.storm.members) > 1:
        items = [storm(part, roll, when)]
    grouped = part is not None and as_of is not None
    late = "" if grouped else _told_late(deliveries, when, label, failing_since)
    if not grouped and wishes.quiet is not None and len(told) > 1 and _overslept(deliveries, wishes.quiet, tz):
        title, rest = digest(told, when)
    else:
        title, rest = _one(items[0], late) if len(items) == 1 else _many(items, late)
    seen, mutes = open_ones(told, part), muted(mutes, deliveries[0].event)
    last = [*seen_lines(seen, When(now, tz)), *muted_lines(mutes, When(now, tz))]
    lines = fit((title, *rest, *body([_stand_in(deliveries, instead_of), *last])))
    oldest = min((d.notification for d in deliveries), key=lambda row: (row.created_at, row.uid))
    return Message(
        title=title.text,
        text="\n".join(line.text for line in lines),
        html="\n".join(line.html for line in lines),
        events=tuple(delivery.event for delivery in deliveries),
        id=oldest.uid,
        loud=any(item.mark in _LOUD for item in items) and (part is None or part.loud),
        reply_to=_answers(deliveries, part) if len(items) == 1 else None,
        actions=tuple(one for one in offers(told, part) if not _done(one, all_seen(seen), bool(mutes))),
    )


def _again(one: Told, now: datetime, every: timedelta) -> Told:
    """When it will be told again, if nobody has seen it."""
    return replace(one, again_at=now + every if every and acked_of(one.delivery) is None else None)


def _done(action: Action, seen: bool, muted: bool) -> bool:
    return (seen and action.kind == "ack") or (muted and action.kind == "mute")


def _answers(deliveries: Sequence[Delivery], part: Part | None) -> str | None:
    """The receipt of the message that this answers."""
    if part is None:
        return deliveries[-1].reply_to
    return part.storm.went.receipt if part.back else None


def _overslept(deliveries: Sequence[Delivery], quiet: Quiet, tz: tzinfo | None) -> bool:
    """All of it came in quiet hours."""
    return all(quiet_until(quiet, delivery.event.at, tz) is not None for delivery in deliveries)


def _stand_in(deliveries: Sequence[Delivery], instead_of: str) -> str:
    if not instead_of or all(delivery.notification.cause is not Cause.FALLBACK for delivery in deliveries):
        return ""
    return f"Told here because {instead_of} fails."


def _condense(deliveries: Sequence[Delivery], now: datetime) -> list[Told]:
    """What of one machine, or one source, began and ended within the batch is one thing to tell."""
    told: list[Told] = []
    open_: dict[tuple[str, int | None], int] = {}
    for delivery in deliveries:
        event = delivery.event
        strand, subject = event.type.partition(".")[0], event.source if event.machine_id is None else event.machine_id
        flaps, alert = event.type in _FLAPPING, event.severity is Severity.ALERT
        place = open_.pop(("flapping" if flaps else strand, subject), None) if subject is not None else None
        if place is not None and event.type in _ENDS and not alert:
            told[place] = replace(told[place], ended=delivery)
            continue
        if place is None or event.type not in _ENDS:
            place = len(told)
            told.append(Told(delivery))
        told[place] = Told(delivery, late=_is_late(delivery, now))
        if event.type in _BEGINS or (flaps and alert):
            open_["flapping" if event.type == EventType.FLAPPING else strand, subject] = place
    return told


def _one(item: Item, late: str) -> tuple[Line, tuple[Line, ...]]:
    first, *others = (*item.lines, "")
    lines = (late, *others) if late and item.instead else (first, late, *others)
    return item.title, body(lines)


def _many(items: Sequence[Item], late: str) -> tuple[Line, tuple[Line, ...]]:
    """The worst first; then a line for each."""
    ordered = sorted(items, key=lambda item: _ORDER.index(item.mark))
    lines = [item.title for item in ordered[:MOST_LINES]]
    if len(ordered) > MOST_LINES:
        lines.append(Line(f"and {len(ordered) - MOST_LINES} more"))
    return _summary(ordered), (*lines, *body([late]))


def _summary(items: Sequence[Item]) -> Line:
    counts = Counter((item.mark, item.word or _WORDS[item.mark]) for item in items)
    kinds = sorted(counts, key=lambda kind: _ORDER.index(kind[0]))
    head = f"{kinds[0][0]} " + ", ".join(f"{counts[kind]} {kind[1]}" for kind in kinds)
    if len(kinds) > 1:
        return Line(head)
    return Line(f"{head}: ", _names([one_line(item.name) or "?" for item in items], TITLE - len(head) - 2))


def _names(names: Sequence[str], room: int) -> str:
    """As many names as there is room for, at least one, and how many are missing."""
    names = list(dict.fromkeys(names))
    for count in range(len(names), 0, -1):
        missing = len(names) - count
        text = ", ".join(names[:count]) + (f" +{missing}" if missing else "")
        if len(text) <= room:
            return text
    return shorten(names[0], max(room - 5, 4)) + (f" +{len(names) - 1}" if len(names) > 1 else "")


def _is_late(delivery: Delivery, now: datetime) -> bool:
    return (now - delivery.event.at).total_seconds() >= LATE


def _told_late(deliveries: Sequence[Delivery], when: When, label: str, failing_since: datetime | None) -> str:
    late = [delivery.event.at for delivery in deliveries if _is_late(delivery, when.now)]
    if not late:
        return ""
    if failing_since is not None and failing_since < when.now:
        return f"Told late: {label} could not be reached {when.span(failing_since, when.now)}."
    return f"Told late: it waited since {when.at(min(late))}."


def wordless(deliveries: Sequence[Delivery]) -> Message:
    """The same for a notifier that reads no texts, without any."""
    events = tuple(delivery.event for delivery in deliveries)
    rows = sorted((delivery.notification for delivery in deliveries), key=lambda row: (row.created_at, row.uid))
    return Message("", "", "", events, rows[0].uid, reply_to=_answers(deliveries, None))
