"""What is old goes from a `State`, by the rules of `docs/retention.md`, as far as memory has such rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from lastseen.model import ENDINGS, Event, EventType, Severity, Status
from lastseen.model.retention import Keep, Pruned
from lastseen.storage.state_account import LooksBack


class Forgets(LooksBack):
    """`Retention` over a `State`: events, outages and notifications. Of runs and reports it keeps only the newest
    anyway, and attempts have no time."""

    async def prune(self, keep: Keep, now: datetime, after: str | None = None, limit: int = 500) -> Pruned:
        async with self.turn():
            if keep.events is None:
                return Pruned()
            gone = {"events": 0, "outages": 0, "notifications": 0}
            for unit in self._old_incidents(now - keep.events):
                if not self._forget(unit, limit - sum(gone.values()), gone):
                    return Pruned({name: count for name, count in gone.items() if count}, "again")
            return Pruned({name: count for name, count in gone.items() if count})

    def _old_incidents(self, limit: datetime) -> Iterator[list[Event]]:
        units: dict[str, list[Event]] = {}
        for event in self.state.events.values():
            units.setdefault(event.incident or event.uid, []).append(event)
        newest: dict[int, Event] = {}
        for event in self.state.events.values():
            if event.machine_id in self.state.machines and event.at < limit:
                newest[event.machine_id] = max(event, newest.get(event.machine_id, event), key=_seq)
        standing = {event.uid for event in newest.values()}
        for unit in units.values():
            if all(event.at < limit and event.uid not in standing for event in unit) and not self._is_needed(unit):
                yield unit

    def _is_needed(self, unit: list[Event]) -> bool:
        uids = {event.uid for event in unit}
        rows = [row for event in unit if (row := self.state.rows.get(event.machine_id or 0)) is not None]
        head = unit[0]
        return (
            any(row.event in uids and row.finished_at is None for row in self.state.outbox.values())
            or any(row.incident in uids or row.flapping_since is not None for row in rows)
            or any(outage.opened_by in uids and outage.ended_at is None for outage in self.state.outages.values())
            or (head.machine_id is None and head.incident is not None and not any(map(_ends, unit)))
            or (head.type == EventType.NEVER_REPORTED and any(row.status is Status.PROVISIONING for row in rows))
        )

    def _forget(self, unit: list[Event], left: int, gone: dict[str, int]) -> bool:
        """Up to `left` rows; whether that was all. The first event and the end go last."""
        uids = {event.uid for event in unit}
        rows = [uid for uid, row in self.state.outbox.items() if row.event in uids]
        for uid in islice(rows, max(left, 0)):
            del self.state.outbox[uid]
            self.state.batches.pop(uid, None)
            gone["notifications"] += 1
        left -= len(rows)
        outages = [uid for uid in uids if uid in self.state.outages]
        for uid in islice(outages, max(left, 0)):
            del self.state.outages[uid]
            gone["outages"] += 1
        left -= len(outages)
        last = sorted(unit, key=lambda event: event is unit[0] or _ends(event))
        for event in islice(last, max(left, 0)):
            del self.state.events[event.uid]
            gone["events"] += 1
        return left >= len(unit)


def _seq(event: Event) -> int:
    return event.seq or 0


def _ends(event: Event) -> bool:
    return event.type in ENDINGS and event.severity is Severity.INFO
