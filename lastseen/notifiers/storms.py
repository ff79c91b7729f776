"""A site that goes dark is one message, not forty: what people read is gathered by group.

For channels that speak for several events at once. Deadlines scatter over the interval of the heartbeats, so those that
fall silent together are noticed one after the other:

=========================  =============================================================================================
when                       what is sent
=========================  =============================================================================================
2 s after the first        one message for all of the group by then
as others join             it is edited, at most every 5 s; a channel that cannot edit gets one more summary at 60 s,
                           and another at 5 min, where there are more
the count has doubled      a new message that sounds instead, at least 45 s after the last one that did
5 min after the first      it is closed: who falls silent later begins a new one
=========================  =============================================================================================

Recoveries of those who were told of together are gathered alike, silently, with those who are still missing.

This is how things are *said*. What is to be told is in the outbox, row by row, each delivered by the message or the
edit that spoke of it; so all of this is kept in memory by whoever has the lane, and forgotten when that ends: then the
next message is a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lastseen.model import Acked, Delivery, Event, EventType, Hold
from lastseen.model.wishes import HELD

FIRST = timedelta(seconds=2)
EDIT_EVERY = timedelta(seconds=5)
SECOND_SUMMARY = timedelta(seconds=60)
OPEN_FOR = timedelta(minutes=5)
SOUND_EVERY = timedelta(seconds=45)
REMEMBERED = 200
"""Storms."""

OWN_GROUP = "http"
"""The group of machines that were given none."""


@dataclass(slots=True)
class Talk:
    """One message that grows: of those who went, or of those who came back."""

    began: datetime
    last_at: datetime | None = None
    receipt: str | None = None
    sounded: int = 0
    sounded_at: datetime | None = None

    def closed(self, now: datetime) -> bool:
        return now >= self.began + OPEN_FOR

    def next_at(self, edits: bool) -> datetime:
        """When it may be said with more."""
        if self.last_at is None:
            return self.began + FIRST
        if edits:
            return self.last_at + EDIT_EVERY
        second = self.began + SECOND_SUMMARY
        return second if self.last_at < second else self.began + OPEN_FOR

    def sounds_again(self, count: int, now: datetime) -> bool:
        return self.sounded_at is None or (count >= 2 * self.sounded and now - self.sounded_at >= SOUND_EVERY)


@dataclass(slots=True)
class Member:
    """A machine in a storm."""

    event: str  # the uid of its alert
    name: str
    since: datetime
    back_at: datetime | None = None
    acked: Acked | None = None
    word: str = ""  # what it is now, where that is neither silent nor back (`lastseen.notifiers.stragglers`)


@dataclass(slots=True)
class Storm:
    """Machines of one group that one channel was told of together."""

    channel: str
    group: str
    went: Talk
    came: Talk | None = None
    members: dict[int, Member] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return "" if self.group == OWN_GROUP else self.group

    @property
    def over(self) -> bool:
        return all(member.back_at is not None or member.word for member in self.members.values())


@dataclass(frozen=True, slots=True)
class Part:
    """What one attempt is in a storm. `edits`: the receipt of the message that is to be edited; None: a new one."""

    storm: Storm
    talk: Talk
    back: bool
    edits: str | None
    loud: bool
    before: tuple[datetime | None, int, datetime | None]


class Storms:
    """Of all channels of one process."""

    def __init__(self) -> None:
        self._storms: list[Storm] = []

    # -- may it be said now?

    def hold(self, channel: str, event: Event, edits: bool, now: datetime) -> Hold | None:
        """Until when it waits for others of its group; None: it may be said."""
        talk = self._talk(channel, event, now)
        if talk is None:
            due = event.at + FIRST
            return Hold(due, f"{HELD}waits for others of its group") if now < due <= event.at + OPEN_FOR else None
        due = talk.next_at(edits)
        return Hold(due, f"{HELD}joins the message about its group") if now < due else None

    def key(self, event: Event) -> str:
        """What goes into one message together."""
        return f"{event.type} {group_of(event)}"

    def _talk(self, channel: str, event: Event, now: datetime) -> Talk | None:
        """The message that it would join."""
        if event.type == EventType.ONLINE:
            storm = self._with(channel, event.machine_id)
            talk = storm.came if storm is not None else None
        else:
            storm = self._open(channel, [event], now)
            talk = storm.went if storm is not None else None
        return talk if talk is not None and not talk.closed(now) else None

    def _open(self, channel: str, events: Iterable[Event], now: datetime) -> Storm | None:
        """The storm that these join. A machine that goes for the second time begins a new one: that is news."""
        gone = [event for event in events if event.type == EventType.OFFLINE]
        group = group_of(gone[0])
        storm = next((s for s in reversed(self._storms) if (s.channel, s.group) == (channel, group)), None)
        if storm is None or storm.went.closed(now):
            return None
        known = ((storm.members.get(event.machine_id or 0), event) for event in gone)
        return None if any(member and member.event != event.uid for member, event in known) else storm

    def _with(self, channel: str, machine: int | None) -> Storm | None:
        mine = (s for s in reversed(self._storms) if s.channel == channel and machine in s.members)
        return next(mine, None)

    # -- somebody has seen it

    def seen(self, channel: str, event: Event) -> Part | None:
        """The message about its group says so from now on, and is to be edited; None: there is no such message."""
        storm = self._with(channel, event.machine_id)
        if storm is None or len(storm.members) < 2 or storm.went.receipt is None:
            return None
        storm.members[event.machine_id or 0].acked = Acked(event.reason, event.at)
        return _said(storm)

    # -- how is it said?

    def join(self, channel: str, deliveries: Iterable[Delivery], edits: bool, now: datetime) -> Part | None:
        """Take what is about to be sent into its storm; None: it is told on its own."""
        given = list(deliveries)
        types = {delivery.event.type for delivery in given}
        if EventType.OFFLINE in types and types <= {EventType.OFFLINE, EventType.ONLINE}:
            return self._join_gone(channel, given, edits, now)
        if types == {EventType.ONLINE}:
            return self._join_back(channel, given, edits, now)
        return None

    def _join_gone(self, channel: str, given: list[Delivery], edits: bool, now: datetime) -> Part | None:
        events = [delivery.event for delivery in given]
        if len({group_of(event) for event in events}) > 1:
            return None
        storm = self._open(channel, events, now)
        if storm is None:
            storm = Storm(channel, group_of(events[0]), Talk(min(delivery.event.at for delivery in given)))
            self._storms = [*self._storms, storm][-REMEMBERED:]
        for machine, member in _members(given):
            storm.members[machine] = member
        loud = storm.went.sounds_again(len(storm.members), now)
        return self._part(storm, storm.went, storm.went.receipt if edits and not loud else None, loud, now)

    def _join_back(self, channel: str, given: list[Delivery], edits: bool, now: datetime) -> Part | None:
        storms = [self._with(channel, delivery.event.machine_id) for delivery in given]
        storm = storms[0]
        if storm is None or len(storm.members) < 2 or any(other is not storm for other in storms):
            return None
        for delivery in given:
            member = storm.members.get(delivery.event.machine_id or 0)
            if member is not None:
                member.back_at = delivery.event.at
        if storm.came is None or storm.came.closed(now):
            storm.came = Talk(min(delivery.event.at for delivery in given))
        return self._part(storm, storm.came, storm.came.receipt if edits else None, False, now)

    def _part(self, storm: Storm, talk: Talk, edits: str | None, loud: bool, now: datetime) -> Part:
        """As if it had been said already: nobody else says it meanwhile."""
        part = Part(storm, talk, talk is storm.came, edits, loud, (talk.last_at, talk.sounded, talk.sounded_at))
        talk.last_at = now
        if loud:
            talk.sounded, talk.sounded_at = len(storm.members), now
        return part

    def failed(self, part: Part) -> None:
        """It was not said."""
        part.talk.last_at, part.talk.sounded, part.talk.sounded_at = part.before

    def told(self, part: Part, receipt: str | None, now: datetime) -> None:
        """It was said."""
        part.talk.receipt, part.talk.last_at = receipt or part.talk.receipt, now
        if part.back and part.storm.over:
            self._storms = [storm for storm in self._storms if storm is not part.storm]


def recalled(channel: str, given: Sequence[Delivery], receipt: str) -> Part:
    """A message about a group that nobody here remembers, from what is written down of it."""
    talk = Talk(min(one.event.at for one in given), receipt=receipt)
    return _said(Storm(channel, group_of(given[0].event), talk, members=dict(_members(given, again=True))))


def _said(storm: Storm) -> Part:
    """What was said of those who went, to be said again."""
    before = (storm.went.last_at, storm.went.sounded, storm.went.sounded_at)
    return Part(storm, storm.went, False, storm.went.receipt, False, before)


def acked_of(delivery: Delivery) -> Acked | None:
    """Who has seen what this tells of, since it happened."""
    outage, acked = delivery.outage, delivery.acked
    if acked is None and outage is not None and outage.acked_at is not None:
        acked = Acked(outage.acked_by or "somebody", outage.acked_at)
    return acked if acked is not None and acked.at >= delivery.event.at else None


def _members(given: Iterable[Delivery], again: bool = False) -> Iterator[tuple[int, Member]]:
    found: dict[int, Member] = {}
    for delivery in given:
        event, machine = delivery.event, delivery.event.machine_id or 0
        if event.type == EventType.ONLINE:
            if machine in found:
                found[machine].back_at = event.at
            continue
        name = str((event.snapshot.get("machine") or {}).get("name") or event.machine or machine)
        ended = None if delivery.outage is None else delivery.outage.ended_at
        found[machine] = Member(event.uid, name, _since(event), ended if again else None, acked_of(delivery))
    yield from found.items()


def group_of(event: Event) -> str:
    return str(event.snapshot.get("group") or "")


def _since(event: Event) -> datetime:
    since = event.snapshot.get("since")
    return datetime.fromisoformat(since) if isinstance(since, str) else event.last_seen or event.at
