"""Taking what is to be sent: a bounded look at each channel of the lane, `fold.pick` decides, attempts are opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, insert, literal_column, or_, select, update

from lastseen.model import Attempt, Cause, ChannelState, Delivery, Event, Lease, Notification, NotificationState
from lastseen.model.wishes import HELD
from lastseen.protocols import Admit
from lastseen.storage import dialect as sql
from lastseen.storage.asking import Ask
from lastseen.storage.fold import Picked, pick
from lastseen.storage.rows import (
    NOTIFICATION_CHANGES,
    as_channel_state,
    as_notification,
    attempt_items,
    attempts,
    channel_state,
    channels,
    events,
    leases,
    notification_values,
    notifications,
)
from lastseen.storage.sql_deliveries import Incidents, Told, read_events
from lastseen.storage.sqltools import chunks, several

FOLLOWERS = 20
"""Unfinished notifications of one machine that are looked at, oldest first."""

WINDOW = 4096
"""Machines of one channel that are looked at, at most."""

OPEN = (NotificationState.PENDING.value, NotificationState.SENDING.value)
_first_event = events.alias("first_event")


def is_open(target: Any) -> Any:
    """As the partial indexes spell it, or they are not used."""
    return target.c.state.in_([literal_column(f"'{state}'") for state in OPEN])


SENDING = notifications.c.state == literal_column("'sending'")
PENDING = notifications.c.state == literal_column("'pending'")


ROWS = (
    select(
        notifications,
        events.c.uid.label("event_uid"),
        _first_event.c.uid.label("incident_uid"),
    )
    .select_from(notifications)
    .join(events, events.c.id == notifications.c.event_id)
    .outerjoin(_first_event, _first_event.c.id == events.c.incident_id)
)


_older = notifications.alias("older")
_BLOCKED = select(_older.c.id).where(
    _older.c.channel_id == notifications.c.channel_id,
    _older.c.machine_id == notifications.c.machine_id,
    _older.c.id < notifications.c.id,
    is_open(_older),
    or_(_older.c.cause != Cause.REMINDER.value, _older.c.state == NotificationState.SENDING.value),
)
_ON_CHANNEL = ROWS.where(notifications.c.channel_id == bindparam("channel"))
_heads = (
    _ON_CHANNEL.where(is_open(notifications), ~_BLOCKED.exists())
    .order_by(notifications.c.due_at, notifications.c.id)
    .limit(bindparam("size"))
)
_HEADS = Ask(_heads)
_DUE_HEADS = Ask(_heads.where(notifications.c.due_at <= bindparam("now")))
_ON_THE_WAY = Ask(_ON_CHANNEL.where(SENDING))
_queue = (
    select(
        notifications.c.id,
        func.row_number().over(partition_by=notifications.c.machine_id, order_by=notifications.c.id).label("place"),
    )
    .where(
        notifications.c.channel_id == bindparam("channel"),
        notifications.c.machine_id.in_(several()),
        is_open(notifications),
    )
    .subquery()
)
_FOLLOWERS = Ask(ROWS.where(notifications.c.id.in_(select(_queue.c.id).where(_queue.c.place.between(2, FOLLOWERS)))))
_LAST_BATCHES = Ask(
    select(attempt_items.c.attempt_id, notifications.c.uid)
    .join(notifications, notifications.c.id == attempt_items.c.notification_id)
    .where(
        attempt_items.c.attempt_id.in_(
            select(func.max(attempt_items.c.attempt_id))
            .where(attempt_items.c.notification_id.in_(several()))
            .group_by(attempt_items.c.notification_id)
        )
    )
    .order_by(attempt_items.c.attempt_id, notifications.c.id)
)


_CHANNELS = Ask(
    select(channels.c.id, channels.c.uid, channels.c.name, channel_state)
    .join(channel_state, channel_state.c.channel_id == channels.c.id)
    .where(channels.c.uid.in_(several()), channels.c.deleted_at.is_(None))
    .order_by(channels.c.id)
    .with_for_update(key_share=True, of=channel_state)  # one after another where no leases are kept, too
)
_TOKEN = Ask(select(leases.c.token).where(leases.c.name == bindparam("lane")).with_for_update(key_share=True))


@dataclass(slots=True)
class Taken:
    """What `take` did: attempts that it opened, and rows that it ended, each with the name of its channel."""

    attempts: list[Attempt] = field(default_factory=list)
    ended: list[tuple[Notification, str]] = field(default_factory=list)


def take(connection: Connection, lane: Lease, admit: Admit, now: datetime, limit: int) -> Taken:
    """`Store.take`, in the caller's transaction."""
    taken = Taken()
    if not holds(connection, lane):
        return taken
    rows = _CHANNELS(connection, several=sorted(lane.channels))
    rows = [row for row in rows if row.lane == lane.name or _comes_over(connection, row, lane, now)]
    for number, row in enumerate(rows):
        # the first channel leaves something for the others
        share = -(-(limit - len(taken.attempts)) // (len(rows) - number))
        if share:
            turn = _Taking(connection, lane, admit, now, row)
            taken.attempts += turn.run(share)
            taken.ended += [(ended, row.name) for ended in turn.ended]
    return taken


def holds(connection: Connection, lane: Lease) -> bool:
    """Where leases are kept, this one must be the newest of its lane. What is done on a lane is done one after another:
    its row is locked."""
    return all(row.token == lane.token for row in _TOKEN(connection, lane=lane.name))


def _comes_over(connection: Connection, row: Any, lane: Lease, now: datetime) -> bool:
    """A channel whose address is another now is sent on this lane from here on. Tokens of two lanes say nothing of each
    other: what is in the air on the old one is waited for, as long as the lease there lasts, and is free afterwards."""
    of_old = select(leases.c.token, leases.c.until).where(leases.c.name == row.lane)
    if connection.execute(of_old).first() is not None:
        old = connection.execute(of_old.with_for_update(key_share=True, skip_locked=True)).first()
        if old is None:
            return False  # something is just being done there
        theirs = select(notifications.c.id, notifications.c.lease_token).where(
            notifications.c.channel_id == row.channel_id, SENDING, notifications.c.lease_token <= old.token
        )
        sending = connection.execute(theirs).all()
        if old.until > now and any(one.lease_token == old.token for one in sending):
            return False
        ids = [one.id for one in sending]
        close_lost(connection, ids, now)
        for some in chunks(ids):
            free = update(notifications).where(notifications.c.id.in_(some), SENDING)
            connection.execute(free.values(state=OPEN[0], lease_token=None))
    mine = update(channel_state).where(channel_state.c.channel_id == row.channel_id)
    connection.execute(mine.values(lane=lane.name))
    return True


@dataclass(slots=True)
class _Window:
    """A channel's rows with what is known about them, and whether more machines wait than were looked at."""

    rows: list[Notification]
    ids: dict[str, int]
    events: dict[str, Event]
    counts: Mapping[int, int]
    batches: Mapping[str, tuple[str, ...]]
    full: bool


class _Taking:
    """One channel's turn."""

    def __init__(self, connection: Connection, lane: Lease, admit: Admit, now: datetime, row: Any) -> None:
        self.connection, self.lane, self.admit, self.now = connection, lane, admit, now
        self.channel_id, self.channel = row.id, row.uid
        self.state: ChannelState = as_channel_state(row)
        self.ended: list[Notification] = []

    def run(self, limit: int) -> list[Attempt]:
        if self.state.failures and self.state.ready_at is not None and self.now < self.state.ready_at:
            return []
        size = min(limit, WINDOW)
        while True:
            window = self._look(size)
            picked = self._pick(window, limit)
            if len(picked.groups) >= limit or not window.full or size >= WINDOW:
                break
            size = min(size * 8, WINDOW)  # what was held or goes in batches left room: look further
        self.ended = [row for row in picked.changed if row.finished_at is not None]
        return self._write(window, picked)

    # -- looking

    def _look(self, size: int) -> _Window:
        heads = self._heads(size)
        found = {row.id: row for row in (*self._sending(), *heads)}
        for row in self._followers([row.machine_id for row in heads if row.machine_id is not None]):
            found[row.id] = row
        rows = [self._as_notification(found[row_id]) for row_id in sorted(found)]
        ids = {row.uid: row_id for row_id, row in ((row.id, row) for row in found.values())}
        asked = [row for row in found.values() if not self._in_the_air(row)]
        machine_ids = {row.machine_id for row in asked} - {None}
        counts = sql.of(self.connection).event_counts(self.connection, sorted(machine_ids)) if machine_ids else {}
        known = read_events(self.connection, {row.event_id for row in asked})
        tried = [row.id for row in asked if row.attempts and not row.solo]
        return _Window(rows, ids, known, counts, self._last_batches(tried), len(heads) >= size)

    def _in_the_air(self, row: Any) -> bool:
        """It is being sent under this token or a newer one, and nothing is decided about it."""
        return row.state == OPEN[1] and row.lease_token is not None and row.lease_token >= self.lane.token

    def _as_notification(self, row: Any) -> Notification:
        identity = {"event": row.event_uid, "channel": self.channel, "incident": row.incident_uid}
        return as_notification(row, identity)

    def _heads(self, size: int) -> Sequence[Any]:
        """The oldest unfinished row of each machine, those that are due longest first."""
        if self.state.failures:  # a probe may be ahead of its time, nothing else
            return _HEADS(self.connection, channel=self.channel_id, size=size)
        return _DUE_HEADS(self.connection, channel=self.channel_id, size=size, now=self.now)

    def _sending(self) -> Sequence[Any]:
        return _ON_THE_WAY(self.connection, channel=self.channel_id)

    def _followers(self, machine_ids: Sequence[int]) -> Iterable[Any]:
        for some in chunks(machine_ids):
            yield from _FOLLOWERS(self.connection, channel=self.channel_id, several=some)

    def _last_batches(self, ids: Sequence[int]) -> Mapping[str, tuple[str, ...]]:
        """For rows that were attempted before: what went in their last attempt."""
        batches: dict[str, tuple[str, ...]] = {}
        for some in chunks(ids):
            groups: dict[int, list[str]] = defaultdict(list)
            for attempt_id, uid in _LAST_BATCHES(self.connection, several=some):
                groups[attempt_id].append(uid)
            for uids in groups.values():  # by rising attempt: the newest that a row was in stays
                batches.update(dict.fromkeys(uids, tuple(uids)))
        return batches

    def _pick(self, window: _Window, limit: int) -> Picked:
        incidents = Incidents(self.connection, self.channel_id, window.events.values())

        def admitted(row: Notification) -> Any:
            event = window.events[row.event]
            return self.admit(row, event, self.now, lambda: incidents.of(event))

        return pick(window.rows, self.state, self.lane, admitted, self.now, limit, window.batches)

    # -- writing

    def _write(self, window: _Window, picked: Picked) -> list[Attempt]:
        before = {row.uid: row for row in window.rows}
        sending = [row for group, _ in picked.groups for row in group]
        changed = [*self._still_so(window, picked.changed), *sending]
        interrupted = [window.ids[row.uid] for row in changed if before[row.uid].state is NotificationState.SENDING]
        close_lost(self.connection, interrupted, self.now)
        update_notifications(self.connection, changed)
        told = Told(self.connection, self.channel_id, [window.events[row.event] for row in sending])
        opened = self._open(len(picked.groups))
        items = []
        made = []
        for attempt_id, (group, probe) in zip(opened, picked.groups, strict=True):
            items += [{"attempt_id": attempt_id, "notification_id": window.ids[row.uid]} for row in group]
            deliveries = tuple(self._delivery(row, window.events[row.event], told) for row in group)
            made.append(Attempt(attempt_id, self.channel, deliveries, self.now, probe, self.state.failing_since))
        _ITEMS(self.connection, items)
        return made

    def _still_so(self, window: _Window, changed: Sequence[Notification]) -> Sequence[Notification]:
        """Without those that wait for something of a machine that somebody decides on just now, who would not see that
        they wait: they stay as they are, due, and are looked at again."""
        held = {row.machine_id for row in changed if row.finished_at is None and row.due_at > self.now} - {None}
        if not held:
            return changed
        counts = {machine_id: window.counts.get(machine_id, 0) for machine_id in held if machine_id is not None}
        still = sql.of(self.connection).still_at(self.connection, counts)
        if still is None:
            return changed
        return [row for row in changed if row.machine_id not in held - still or row.finished_at is not None]

    def _open(self, count: int) -> Sequence[int]:
        """Ids of so many new attempts."""
        if not count:
            return []
        values = {
            "channel_id": self.channel_id,
            "node": self.lane.owner,
            "lease_token": self.lane.token,
            "started_at": self.now,
        }
        ids = sql.of(self.connection).reserve_ids(self.connection, attempts, count)
        _ATTEMPTS(self.connection, [{**values, "id": attempt_id} for attempt_id in ids])
        return ids

    def _delivery(self, row: Notification, event: Event, told: Told) -> Delivery:
        return Delivery(row, event, told.outage(event), told.receipt(event))


_ATTEMPTS = sql.Many(insert(attempts), "id", "channel_id", "node", "lease_token", "started_at")
_ITEMS = sql.Many(insert(attempt_items), "attempt_id", "notification_id")


def close_lost(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Attempts that nobody will write the end of."""
    for some in chunks(ids):
        of_these = select(attempt_items.c.attempt_id).where(attempt_items.c.notification_id.in_(some))
        lost = update(attempts).where(attempts.c.id.in_(of_these), attempts.c.finished_at.is_(None))
        connection.execute(lost.values(finished_at=now, outcome="lost", detail="its lease was lost"))


_CHANGE = sql.Many(
    update(notifications)
    .where(notifications.c.uid == bindparam("of_uid"))
    .values({name: bindparam(name) for name in NOTIFICATION_CHANGES})
)


def update_notifications(connection: Connection, rows: Sequence[Notification]) -> None:
    _CHANGE(connection, [{**notification_values(row), "of_uid": row.uid} for row in rows])


_waiting = (
    select(notifications.c.due_at)
    .where(notifications.c.channel_id == channels.c.id, is_open(notifications), PENDING, ~_BLOCKED.exists())
    .order_by(notifications.c.due_at, notifications.c.id)
    .limit(1)
    .correlate(channels)
    .scalar_subquery()
)
_held = or_(
    func.coalesce(notifications.c.reason, "").startswith(HELD),
    and_(notifications.c.cause == Cause.REMINDER.value, notifications.c.attempts == 0),
)
_probe = (
    select(notifications.c.id)
    .where(notifications.c.channel_id == channels.c.id, is_open(notifications), PENDING, ~_BLOCKED.exists(), ~_held)
    .limit(1)
    .correlate(channels)
    .scalar_subquery()
)
_oldest = (
    select(func.min(notifications.c.lease_token))
    .where(notifications.c.channel_id == channels.c.id, SENDING)
    .correlate(channels)
    .scalar_subquery()
)
_NEXT = (
    select(
        _waiting.label("waiting"),
        case((channel_state.c.failures > 0, _probe)).label("probe"),
        _oldest.label("oldest"),
        channel_state.c.failures,
        channel_state.c.ready_at,
        leases.c.token,
        leases.c.until,
    )
    .select_from(channels)
    .join(channel_state, channel_state.c.channel_id == channels.c.id)
    .outerjoin(leases, leases.c.name == channel_state.c.lane)
    .where(channels.c.deleted_at.is_(None))
)
_NEXT_OF = _NEXT.where(channels.c.uid.in_(bindparam("uids", expanding=True)))


def next_due(connection: Connection, of: Collection[str] | None = None) -> datetime | None:
    """`Store.next_due`: per channel its longest due row, or the end of its cool-down where something can probe; and the
    end of the lease of whoever was sending, because after that somebody else may."""
    if of is None:
        rows: Iterable[Any] = connection.execute(_NEXT)
    else:
        rows = connection.execute(_NEXT_OF, {"uids": sorted(of)}) if of else ()
    return min((moment for row in rows for moment in _moments(row)), default=None)


def _moments(row: Any) -> Iterable[datetime]:
    if row.oldest is not None and row.token is not None:
        # under the newest token somebody sends; under an older one nobody does any more
        yield row.until if row.oldest >= row.token else datetime.min.replace(tzinfo=row.until.tzinfo)
    if row.waiting is not None and row.failures and row.ready_at is not None:
        yield row.ready_at if row.probe is not None else max(row.ready_at, row.waiting)
    elif row.waiting is not None:
        yield row.waiting
