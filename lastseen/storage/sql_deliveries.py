"""What a message is rendered from: events, the outage as it is now, and the receipt of the first alert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, bindparam, func, literal_column, select

from lastseen.model import ENDINGS, Event, EventType, Incident, NotificationState, Outage
from lastseen.storage.asking import Ask
from lastseen.storage.fold import incident_of
from lastseen.storage.rows import as_event, as_outage, channels, events, machines, notifications, outages
from lastseen.storage.sqltools import chunks, several

_first = events.alias("first_of_incident")
_opened, _closed = events.alias("opened_by_event"), events.alias("closed_by_event")


_EVENTS = Ask(
    select(
        events,
        machines.c.slug.label("machine_slug"),
        channels.c.uid.label("channel_uid"),
        _first.c.uid.label("incident_uid"),
    )
    .outerjoin(machines, machines.c.id == events.c.machine_id)
    .outerjoin(channels, channels.c.id == events.c.channel_id)
    .outerjoin(_first, _first.c.id == events.c.incident_id)
    .where(events.c.id.in_(several()))
)
_OUTAGES = Ask(
    select(
        outages,
        _first.c.uid.label("incident_uid"),
        _opened.c.uid.label("opened_uid"),
        _closed.c.uid.label("closed_uid"),
    )
    .select_from(_first)
    .join(_opened, _opened.c.incident_id == _first.c.id)
    .join(outages, outages.c.opened_by == _opened.c.id)
    .outerjoin(_closed, _closed.c.id == outages.c.closed_by)
    .where(_first.c.uid.in_(several()))
    .order_by(outages.c.id)
)
_RECEIPTS = Ask(
    select(_first.c.uid, notifications.c.receipt)
    .select_from(_first)
    .join(_opened, _opened.c.incident_id == _first.c.id)
    .join(notifications, notifications.c.event_id == _opened.c.id)
    .where(
        _first.c.uid.in_(several()),
        notifications.c.channel_id == bindparam("channel"),
        notifications.c.state == literal_column("'delivered'"),
        notifications.c.receipt.is_not(None),
    )
    .order_by(notifications.c.id.desc())
)


_ENDED = Ask(
    select(_first.c.uid, func.max(_opened.c.at))
    .select_from(_first)
    .join(_opened, _opened.c.incident_id == _first.c.id)
    .where(
        _first.c.uid.in_(several()),
        _opened.c.type.in_(sorted(ENDINGS)),
        _opened.c.severity == literal_column("'info'"),
    )
    .group_by(_first.c.uid)
)
_ACKED = Ask(
    select(_first.c.uid, _opened.c.at, _opened.c.reason)
    .select_from(_first)
    .join(_opened, _opened.c.incident_id == _first.c.id)
    .where(_first.c.uid.in_(several()), _opened.c.type == EventType.ACKNOWLEDGED.value)
    .order_by(_opened.c.id)
)
_ALERTS = Ask(
    select(_first.c.uid, notifications.c.uid, notifications.c.state)
    .select_from(_first)
    .join(_opened, _opened.c.incident_id == _first.c.id)
    .join(notifications, notifications.c.event_id == _opened.c.id)
    .where(
        _first.c.uid.in_(several()),
        _opened.c.severity == literal_column("'alert'"),
        notifications.c.channel_id == bindparam("channel"),
    )
)


class Incidents:
    """How the incidents of these events stand for one channel. Read when it is first asked."""

    def __init__(self, connection: Connection, channel_id: int, given: Iterable[Event]) -> None:
        self._connection, self._channel_id = connection, channel_id
        self._uids = sorted({event.incident for event in given if event.incident is not None})
        self._known: dict[str, Incident] | None = None

    def of(self, event: Event) -> Incident:
        if self._known is None:
            self._known = {uid: one for some in chunks(self._uids) for uid, one in self._read(some)}
        return self._known.get(event.incident or "", Incident())

    def _read(self, uids: Sequence[str]) -> Iterator[tuple[str, Incident]]:
        ended = {row[0]: row[1] for row in _ENDED(self._connection, several=uids)}
        acked = {row[0]: (row[1], row[2]) for row in _ACKED(self._connection, several=uids)}
        rows: dict[str, list[tuple[str, NotificationState]]] = {uid: [] for uid in uids}
        for uid, row, state in _ALERTS(self._connection, several=uids, channel=self._channel_id):
            rows[uid].append((row, NotificationState(state)))
        for uid in uids:
            yield uid, incident_of(rows[uid], ended.get(uid), acked.get(uid))


def read_events(connection: Connection, ids: Iterable[int]) -> dict[str, Event]:
    """Events by uid."""
    known: dict[str, Event] = {}
    for some in chunks(sorted(ids)):
        for row in _EVENTS(connection, several=some):
            known[row.uid] = as_event(row, row.machine_slug, row.channel_uid, row.incident_uid)
    return known


class Told:
    """What was told on one channel of the incidents of these events, and how their outages stand."""

    def __init__(self, connection: Connection, channel_id: int, given: Sequence[Event]) -> None:
        incidents = sorted({event.incident for event in given if event.incident is not None})
        self._outages: dict[str, Outage] = {}
        self._receipts: dict[str, str] = {}
        for some in chunks(incidents):
            self._read_outages(connection, some)
            self._read_receipts(connection, some, channel_id)

    def outage(self, event: Event) -> Outage | None:
        """The newest outage of the event's incident."""
        return None if event.incident is None else self._outages.get(event.incident)

    def receipt(self, event: Event) -> str | None:
        return None if event.incident is None else self._receipts.get(event.incident)

    def _read_outages(self, connection: Connection, incidents: Sequence[str]) -> None:
        for row in _OUTAGES(connection, several=incidents):
            self._outages[row.incident_uid] = as_outage(row, row.opened_uid, row.closed_uid)

    def _read_receipts(self, connection: Connection, incidents: Sequence[str], channel_id: int) -> None:
        """The newest first, so that the oldest stays."""
        for incident, receipt in _RECEIPTS(connection, several=incidents, channel=channel_id):
            self._receipts[incident] = receipt
