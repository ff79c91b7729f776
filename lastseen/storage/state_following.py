"""What happens in a `State`, for whoever follows it. Nobody else writes here, so that nothing comes late."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model import Event, Verdict
from lastseen.model.seen import Followed, Seen, Sequel
from lastseen.storage.state import KEPT, StateStore


class Followable(StateStore):
    """`Follows` over a `State`: as far back as this object wrote it, and memory keeps it."""

    _last = 0
    _newest: deque[tuple[int, Event, int | None]] | None = None

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        owner = self.state.machines[machine_id].owner
        new = super()._write(machine_id, verdict)
        self._newest = deque(maxlen=KEPT) if self._newest is None else self._newest
        for event in new:
            self._last += 1
            self._newest.append((self._last, event, owner))
        return new

    async def seen_all(self) -> Seen:
        async with self.turn():
            return Seen(self._last)

    async def sequel(self, seen: Seen, limit: int = 500, within: Seen | None = None) -> Sequel:
        async with self.turn():
            known, top = self._newest or deque(), self._last if within is None else within.top
            ids = {event.uid: id_ for id_, event, _ in known}
            new = (row for row in known if seen.top < row[0] <= top and row[1].uid in self.state.events)
            found = [_followed(id_, event, owner, ids) for id_, event, owner in islice(new, limit)]
        more = len(found) == limit
        return Sequel(found, Seen(found[-1].id if more and found else max(top, seen.top)), more)


def _followed(id_: int, event: Event, owner: int | None, ids: dict[str, int]) -> Followed:
    printed: dict[str, Any] = {
        "id": id_,
        "uid": event.uid,
        "type": event.type,
        "severity": event.severity.value,
        "machine_id": event.machine_id,
        "machine": event.machine,
        "seq": event.seq,
        "at": rfc3339(event.at),
        "previous_status": event.previous_status and event.previous_status.value,
        "status": event.status and event.status.value,
        "reason": event.reason,
        "last_seen": rfc3339(event.last_seen),
        "incident_id": ids.get(event.incident or ""),
    }
    return Followed(printed, owner)
