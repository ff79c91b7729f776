"""Asking for what may be sent now: the store looks, `admit` says of each whether it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from lastseen.model import Admission, Attempt, Cancel, Event, Incident, Lease, Notification, Silence
from lastseen.notifiers.admit import Question, admit
from lastseen.notifiers.roster import Speaker
from lastseen.notifiers.storms import Storms
from lastseen.protocols import Store


async def claim(
    store: Store,
    lease: Lease,
    speakers: Mapping[str, Speaker],
    silences: Sequence[Silence],
    storms: Storms,
    zone: tzinfo | None,
    now: datetime,
    limit: int,
) -> Sequence[Attempt]:
    """Up to `limit` attempts on the lane. `speakers` by channel uid; `zone`: of quiet hours that name none."""
    cancelled: set[str] = set()

    def may(row: Notification, event: Event, now: datetime, incident: Callable[[], Incident]) -> Admission:
        speaker = speakers.get(row.channel)
        if speaker is None:
            return Cancel("its channel was removed")
        asked = Question(
            row,
            event,
            speaker.channel,
            speaker.batch,
            now,
            incident,
            silences,
            zone,
            cancelled,
            storms,
            speaker.edits,
        )
        admission = admit(asked)
        if isinstance(admission, Cancel):
            cancelled.add(row.uid)
        return admission

    return await store.take(lease, may, now, limit)
