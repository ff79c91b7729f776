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
    return await store.take(lease, _May(speakers, silences, storms, zone), now, limit)


class _May:
    """An `Admit` for one look at the outbox. `silences` are those that were known before, until `hear` says better."""

    def __init__(
        self, speakers: Mapping[str, Speaker], silences: Sequence[Silence], storms: Storms, zone: tzinfo | None
    ) -> None:
        self._speakers, self._silences, self._storms, self._zone = speakers, silences, storms, zone
        self._cancelled: set[str] = set()

    def hear(self, silences: Sequence[Silence]) -> None:
        """By a store that knows them, within its transaction: one that began a moment ago counts."""
        self._silences = silences

    def __call__(self, row: Notification, event: Event, now: datetime, incident: Callable[[], Incident]) -> Admission:
        speaker = self._speakers.get(row.channel)
        if speaker is None:
            return Cancel("its channel was removed")
        asked = Question(
            row,
            event,
            speaker.channel,
            speaker.batch,
            now,
            incident,
            self._silences,
            self._zone,
            self._cancelled,
            self._storms,
            speaker.edits,
        )
        admission = admit(asked)
        if isinstance(admission, Cancel):
            self._cancelled.add(row.uid)
        return admission
