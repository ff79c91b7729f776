"""What each channel must have been told in the end, naively: written from docs/wishes.md and docs/design.md, not from
the code. Each rule gives its complaints as sentences."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from lastseen.model import Cause, Event, Notification, NotificationState, Preferences, Severity, Silence
from tests.notifiers.outbox_world import Diary, Told

FINAL = ("delivered", "dead", "cancelled", "skipped")
GATHERED = timedelta(minutes=5)
"""The longest that one waits for others of its group."""

RESTED = timedelta(minutes=5, seconds=1)
"""The longest that a failing channel is left alone."""


def complaints(diary: Diary, names: dict[str, str]) -> list[str]:
    """`names`: of channels by uid."""
    oracle = Oracle(diary, names)
    rules = (
        oracle.every_row_ends_with_a_reason,
        oracle.what_is_delivered_was_heard_and_the_reverse,
        oracle.nothing_is_told_twice,
        oracle.only_who_has_it_may,
        oracle.what_was_perhaps_heard_is_told_again_as_it_was,
        oracle.each_machine_is_told_of_in_order,
        oracle.nothing_is_told_that_is_held_or_not_wished,
        oracle.nothing_is_dropped_without_its_reason,
        oracle.ends_go_to_those_who_were_told,
        oracle.reminders_keep_their_time,
        oracle.reminders_come,
        oracle.what_may_be_told_is_told_in_time,
        oracle.what_waited_is_told_once_all_is_well,
    )
    return [f"{rule.__name__}: {one}" for rule in rules for one in rule()]


class Oracle:
    def __init__(self, diary: Diary, names: dict[str, str]) -> None:
        self.diary, self.names = diary, names
        self.events = {event.uid: event for event in diary.events}
        self.told: dict[str, list[Told]] = defaultdict(list)  # by the row's uid
        for one in diary.told:
            for row in one.rows:
                self.told[row.uid].append(one)
        self.over = {e.incident: e.at for e in diary.events if e.type == "machine.online"}

    @property
    def rows(self) -> Iterator[tuple[Notification, Event, str]]:
        """Of machines, each with its event and its channel's name."""
        for row in self.diary.rows:
            if row.event in self.events:
                yield row, self.events[row.event], self.names[row.channel]

    @property
    def trouble_of_ours(self) -> bool:
        return bool(self.diary.crashes or self.diary.stops)

    # -- the end of every row

    def every_row_ends_with_a_reason(self) -> Iterator[str]:
        for row in self.diary.rows:
            if row.state.value not in FINAL:
                yield f"{self.of(row)} is {row.state.value} ({row.reason}) for ever, due at {row.due_at}"
            elif row.state is not NotificationState.DELIVERED and not row.reason:
                yield f"{self.of(row)} is {row.state.value} and nobody knows why"

    def what_is_delivered_was_heard_and_the_reverse(self) -> Iterator[str]:
        for row in self.diary.rows:
            heard = self.told[row.uid]
            shown = row.event not in self.events  # who has seen it stands in the alert's own message, where one is
            if row.state is NotificationState.DELIVERED and not heard and not shown:
                yield f"{self.of(row)} is called delivered, and was never heard"
            sure = [one for one in heard if one.answer == "ok"]
            if (
                sure
                and row.state in (NotificationState.SKIPPED, NotificationState.CANCELLED)
                and not self.trouble_of_ours
            ):
                yield f"{self.of(row)} was heard, and is {row.state.value}: {row.reason}"

    def nothing_is_told_twice(self) -> Iterator[str]:
        """Only where it could not be known that it was heard, or by who did not know that another took its place; and
        then with the same id."""
        for row in self.diary.rows:
            for before, after in itertools.pairwise(self.told[row.uid]):
                if not self.could_not_know(before, after):
                    yield f"{self.of(row)} was heard at {before.at}, and again at {after.at}"
        firsts: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row, event, channel in self.rows:
            if row.cause is Cause.FIRST and self.told[row.uid]:
                firsts[channel, event.uid].add(row.uid)
        yield from (f"{channel} heard of {uid} under {ids}" for (channel, uid), ids in firsts.items() if len(ids) > 1)

    def could_not_know(self, before: Told, after: Told) -> bool:
        crashed = any(before.at <= at <= after.at for at in (*self.diary.crashes, *self.diary.stops))
        hidden = before.answer == "lie" or (before.attempt not in self.diary.kept and crashed)
        return hidden or (after.attempt < before.attempt and self.is_late(after))

    def is_late(self, one: Told) -> bool:
        """Its process was stopped after it had taken what it tells."""
        return any(self.diary.taken[one.attempt][0] <= at <= one.at for at in self.diary.stops)

    def only_who_has_it_may(self) -> Iterator[str]:
        """A process that was stopped takes nothing on a lane that another has, and writes down nothing of its rows."""
        yield from self.diary.overruled

    def what_was_perhaps_heard_is_told_again_as_it_was(self) -> Iterator[str]:
        """All of it in one message again, but what is over by then, and what goes alone since it was refused."""
        for one in self.diary.told:
            again = [self.next_word(row, one) for row in one.rows] if one.answer == "lie" else []
            alone = {next_.at for next_ in again if next_ is not None and next_.rows[0].solo}
            places = {next_.attempt for next_ in again if next_ is not None and next_.at not in alone}
            if len(places) > 1:
                yield f"{one.channel} was perhaps told at {one.at}, and then in the parts {sorted(places)}"

    def next_word(self, row: Notification, after: Told) -> Told | None:
        told = self.told[row.uid]
        place = next(place for place, one in enumerate(told) if one is after)
        return next(iter(told[place + 1 :]), None)

    def each_machine_is_told_of_in_order(self) -> Iterator[str]:
        """What is told again after an unknown answer brings along what was told with it."""
        newest: dict[tuple[str, str], int] = defaultdict(int)
        for one in self.diary.told:
            for row in one.rows:
                event = self.events.get(row.event)
                if event is None or row.cause is not Cause.FIRST or self.told[row.uid][0] is not one:
                    continue
                key = (one.channel, event.machine or "")
                if (event.seq or 0) < newest[key]:
                    yield f"{self.of(row)} at {one.at} after number {newest[key]}"
                newest[key] = max(newest[key], event.seq or 0)

    # -- what may be told, and when

    def nothing_is_told_that_is_held_or_not_wished(self) -> Iterator[str]:
        for one in self.diary.told:
            whys = {row.uid: self.why_not_row(row, one) for row in one.rows}
            free = {uid for uid, why in whys.items() if why is None}
            for row in one.rows if not self.is_late(one) else ():
                why = whys[row.uid]
                if why is not None and not self.goes_along(row.uid, free, one):
                    yield f"{self.of(row)} was told at {one.at}: {why}"

    def goes_along(self, row: str, free: set[str], one: Told) -> bool:
        """With one that may be told, because both were in an attempt before: what that holds is fixed."""
        earlier = (uids for attempt, (_, uids) in self.diary.taken.items() if attempt < one.attempt)
        return any(row in uids and free & uids for uids in earlier)

    def why_not_row(self, row: Notification, one: Told) -> str | None:
        event = self.events.get(row.event)
        return None if event is None else self.why_not(row, event, one.channel, one.at)

    def why_not(self, row: Notification, event: Event, channel: str, at: datetime) -> str | None:
        """Why it must not be told then; what changed in that very moment may count or not."""
        if not any(self.on(channel, at)):
            return "the channel was off"
        if any(self.covers(s, event, at) and s.starts_at < at for s in self.diary.silences):
            return "silenced"
        reasons = [self.unwished(row, event, wishes, at) for wishes in self.wishes(channel, at)]
        return None if None in reasons else reasons[0]

    def unwished(self, row: Notification, event: Event, wishes: Preferences, at: datetime) -> str | None:
        alert = event.severity is Severity.ALERT
        if alert and row.cause is not Cause.FALLBACK and not wanted(wishes, event):
            return "not wished"
        if alert and at < event.at + timedelta(seconds=wishes.notify_after):
            return "before notify_after"
        if wishes.quiet and quiet(at) and "urgent" not in event.snapshot["tags"]:
            return "in quiet hours"
        over = self.over.get(event.incident)
        if row.cause is not Cause.FIRST and over is not None and over < at:
            return "over"
        seen = any(event.at < acked < at for acked in self.diary.acked.get(event.incident or "", ()))
        return "acknowledged" if row.cause is not Cause.FIRST and seen else None

    def wishes(self, channel: str, at: datetime) -> list[Preferences]:
        return in_force(self.diary.wishes[channel], at)

    def on(self, channel: str, at: datetime) -> list[bool]:
        return in_force(self.diary.switched[channel], at)

    @staticmethod
    def covers(silence: Silence, event: Event, at: datetime) -> bool:
        return silence.starts_at <= at < silence.ends_at and meant(silence, event)

    # -- nothing without its reason

    def nothing_is_dropped_without_its_reason(self) -> Iterator[str]:
        for row, event, channel in self.rows:
            if row.state is NotificationState.DELIVERED or row.state.value not in FINAL:
                continue
            if not self.is_true(row, event, channel):
                yield f"{self.of(row)} is {row.state.value}, and it is not so: {row.reason}"

    def is_true(self, row: Notification, event: Event, channel: str) -> bool:
        at, reason = row.finished_at or row.created_at, row.reason or ""
        over = self.over.get(event.incident)
        if reason.startswith("channel disabled: 410"):
            return channel in self.diary.troubled
        if reason.startswith("channel disabled"):
            return not all(self.on(channel, at))
        if reason.startswith("wants only"):
            return not all(wanted(wishes, event) for wishes in self.wishes(channel, at))
        if reason.startswith("over before it was told"):
            return over is not None and over <= at and self.was_held(event, channel, at)
        if reason in ("was not told of what this ends", "the first heartbeat is told to nobody"):
            return not self.heard_of(event, channel)
        if reason == "it is over":
            return row.cause is not Cause.FIRST and over is not None and over <= at
        if reason.startswith("acknowledged by"):
            seen = any(event.at <= acked <= at for acked in self.diary.acked.get(event.incident or "", ()))
            return row.cause is not Cause.FIRST and seen
        if reason == "told anew meanwhile":
            newer = (e for e in self.diary.events if e.incident == event.incident and e.severity is Severity.ALERT)
            return row.cause is Cause.REMINDER and any((e.seq or 0) > (event.seq or 0) and e.at <= at for e in newer)
        if reason.startswith("told again no more"):
            return row.cause is Cause.REMINDER and any(not w.repeat_every for w in self.wishes(channel, at))
        if reason.startswith(("refused 3 times", "410", "given up after")):
            return channel in self.diary.troubled
        return False

    def was_held(self, event: Event, channel: str, until: datetime) -> bool:
        """A silence, or a wish, that held it for some time."""
        spans_of = (s for s in self.diary.silences if s.starts_at <= until and s.ends_at >= event.at)
        silenced = any(meant(s, event) for s in spans_of)
        spans = self.diary.wishes[channel]
        early = any(wishes.notify_after and since <= until for since, wishes in spans)
        return silenced or early

    def heard_of(self, event: Event, channel: str) -> bool:
        """The channel was told of an alert of the incident, and we know it."""
        return any(
            alert.incident == event.incident
            and alert.severity is Severity.ALERT
            and row.state is NotificationState.DELIVERED
            and (row.finished_at or event.at) < event.at
            for row, alert, name in self.rows
            if name == channel
        )

    def ends_go_to_those_who_were_told(self) -> Iterator[str]:
        ends = {(event.incident, name): row for row, event, name in self.rows if event.type == "machine.online"}
        for row, event, channel in self.rows:
            if event.severity is not Severity.ALERT or row.state is not NotificationState.DELIVERED:
                continue
            end = ends.get((event.incident, channel))
            was_off = any(not on for _, on in self.diary.switched[channel])
            if end is None or end.state is NotificationState.DELIVERED or was_off:
                continue
            if not (end.reason or "").startswith(("refused", "410", "channel disabled", "given up")):
                yield f"{channel} was told of {event.machine} {event.uid[:8]}, and not of its end: {end.reason}"
        for row, event, channel in self.rows:
            told = event.type == "machine.online" and row.state is NotificationState.DELIVERED
            if told and not self.was_told_or_tried(event, channel):
                yield f"{self.of(row)} was told, and its begin was not"

    def was_told_or_tried(self, end: Event, channel: str) -> bool:
        alerts = [(r, e) for r, e, name in self.rows if name == channel and e.incident == end.incident]
        return any(e.severity is Severity.ALERT and (self.told[r.uid] or r.attempts) for r, e in alerts)

    # -- reminders

    def reminders_keep_their_time(self) -> Iterator[str]:
        """Each comes its span after the last word, and not before."""
        by_alert: dict[tuple[str, str], list[Notification]] = defaultdict(list)
        for row, event, channel in self.rows:
            if self.told[row.uid]:
                by_alert[channel, event.uid].append(row)
        for (channel, _), told in by_alert.items():
            told.sort(key=lambda row: row.occasion)
            spans = [wishes.repeat_every for _, wishes in self.diary.wishes[channel] if wishes.repeat_every]
            for before, row in itertools.pairwise(told):
                if row.cause is Cause.REMINDER:
                    gap = (self.told[row.uid][0].at - self.told[before.uid][0].at).total_seconds()
                    if gap < min(spans, default=0):
                        yield f"{self.of(row)} came {gap} s after the last word"

    def reminders_come(self) -> Iterator[str]:
        """Where somebody wished for them, and nothing at all stands in their way."""
        newest = {event.incident: event.seq or 0 for event in self.diary.events if event.severity is Severity.ALERT}
        for row, event, channel in self.rows:
            changes = self.diary.wishes[channel]
            wishes = in_force(changes, event.at)[-1]
            undisturbed = all(at <= event.at for at, _ in changes) and len(self.diary.switched[channel]) == 1
            if self.trouble_of_ours or channel in self.diary.troubled or self.diary.silences or not undisturbed:
                continue
            if wishes.quiet or not wishes.repeat_every or event.incident in self.diary.acked:
                continue
            alert = event.severity is Severity.ALERT and event.seq == newest[event.incident]
            if alert and row.state is NotificationState.DELIVERED:
                due = self.told[row.uid][0].at + timedelta(seconds=wishes.repeat_every) + GATHERED
                again = any(
                    o.event == row.event and o.occasion == row.occasion + 1 for o, _, c in self.rows if c == channel
                )
                if self.over[event.incident] > due and not again:
                    yield f"{self.of(row)} was told at {self.told[row.uid][0].at}, and never again"

    # -- in time

    def what_waited_is_told_once_all_is_well(self) -> Iterator[str]:
        """Whatever wait its own tries had come to: one success tells that the far end is well."""
        for row, event, channel in self.rows:
            since, told = self.diary.well_at, self.told[row.uid]
            if since is None or self.trouble_of_ours or channel in self.diary.refused or event.at >= since or not told:
                continue
            if len(self.diary.switched[channel]) > 1 or told[-1].at <= since or row.cause is Cause.REMINDER:
                continue
            free = self.free_at(row, event, channel, since)
            if told[-1].at > free + RESTED + GATHERED:
                yield f"{self.of(row)} was told at {told[-1].at}, and all was well at {since}, it was free at {free}"

    def what_may_be_told_is_told_in_time(self) -> Iterator[str]:
        """Where the far end was always well and nobody crashed: when nothing held it any more, and it was gathered."""
        latest: dict[tuple[str, str], datetime] = {}
        for row, event, channel in sorted(self.rows, key=lambda one: one[1].seq or 0):
            if row.cause is not Cause.FIRST or channel in self.diary.troubled or self.trouble_of_ours:
                continue
            if any(not on for _, on in self.diary.switched[channel]):
                continue
            key = (channel, event.machine or "")
            if row.state is not NotificationState.DELIVERED:
                until = row.finished_at or event.at
                latest[key] = max(latest.get(key, until), until)
                continue
            free = self.free_at(row, event, channel, max(latest.get(key, event.at), event.at))
            latest[key] = self.told[row.uid][0].at
            if latest[key] > free + GATHERED + timedelta(seconds=1):
                yield f"{self.of(row)} was told at {latest[key]}, nothing held it since {free}"

    def free_at(self, row: Notification, event: Event, channel: str, since: datetime) -> datetime:
        """The first moment from then on at which it may be told, and until others of its group were gathered."""
        moments = {since, *(s.ends_at for s in self.diary.silences), *(at for at, _ in self.diary.wishes[channel])}
        moments |= {event.at + timedelta(seconds=w.notify_after) for _, w in self.diary.wishes[channel]}
        moments |= {seven + timedelta(days=d) for d in range(1, 5) for seven in [start_of(since)]}
        for at in sorted(moment for moment in moments if moment >= since):
            silenced = any(self.covers(s, event, at) for s in self.diary.silences)
            wishes = self.wishes(channel, at)[-1]
            if not silenced and self.unwished(row, event, wishes, at) is None:
                changes = [s.starts_at for s in self.diary.silences] + [w for w, _ in self.diary.wishes[channel]]
                meanwhile = [change for change in changes if at < change <= at + GATHERED]
                return self.free_at(row, event, channel, min(meanwhile)) if meanwhile else at
        return since + timedelta(days=5)

    def of(self, row: Notification) -> str:
        event = self.events.get(row.event)
        what = f"{event.machine} {event.type} #{event.seq} at {event.at:%H:%M:%S}" if event else row.event[:8]
        return f"[{self.names[row.channel]}: {what}, {row.cause.value} {row.occasion}]"


def wanted(wishes: Preferences, event: Event) -> bool:
    names = wishes.machines.groups
    by_type = not wishes.events or event.type in wishes.events
    return by_type and (not names or event.snapshot["group"] in names)


def meant(silence: Silence, event: Event) -> bool:
    group, names = silence.matcher.groups, silence.matcher.names
    return (not group or event.snapshot["group"] in group) and (not names or event.machine in names)


def quiet(at: datetime) -> bool:
    """22:00 to 07:00 UTC, the only quiet hours of this world."""
    return at.hour >= 22 or at.hour < 7


def start_of(since: datetime) -> datetime:
    """Seven in the morning of the day before."""
    return since.replace(hour=7, minute=0, second=0, microsecond=0) - timedelta(days=1)


def in_force(history: Sequence[tuple[datetime, object]], at: datetime) -> list:  # type: ignore[type-arg]
    """What counted at that moment, and what did until that very moment."""
    before = [value for since, value in history if since < at][-1:]
    return [*before, *[value for since, value in history if since == at]] or [history[0][1]]
