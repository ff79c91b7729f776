"""Looking back at a `State`: what happened to a machine and who was told, as far as memory keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lastseen.errors import UnknownMachine
from lastseen.model import ENDINGS, Event, MachineRef, Severity
from lastseen.model.story import Facts, RefusedCount, RefusedKey, Told, UnknownKeys
from lastseen.storage.state import StateStore

HOURS = 48
"""Hours of refusals that are remembered."""


@dataclass(frozen=True, slots=True)
class _Span:
    since: datetime
    until: datetime


class LooksBack(StateStore):
    """`Accounts` and `Refusals` over a `State`. It has no keys, so that each one is unknown; attempts are not kept."""

    _unknown: dict[datetime, UnknownKeys] | None = None

    async def keep_refusals(self, refused: Sequence[RefusedCount], now: datetime) -> None:
        async with self.turn():
            kept = dict(self._unknown or {})
            for one in refused:
                before = kept.get(one.hour, UnknownKeys())
                last = max(one.last_at, before.last_at or one.last_at)
                kept[one.hour] = UnknownKeys(before.count + one.count, last, one.address or before.address)
            self._unknown = dict(sorted(kept.items())[-HOURS:])

    async def refused_keys(self, since: datetime, limit: int = 20) -> Sequence[RefusedKey]:
        return []

    async def unknown_keys(self, since: datetime) -> UnknownKeys:
        begun = since.replace(minute=0, second=0, microsecond=0)
        async with self.turn():
            hours = [one for hour, one in sorted((self._unknown or {}).items()) if hour >= begun]
        return (
            UnknownKeys(sum(one.count for one in hours), hours[-1].last_at, hours[-1].address)
            if hours
            else (UnknownKeys())
        )

    async def account(self, machine: MachineRef, since: datetime, until: datetime, now: datetime) -> Facts:
        async with self.turn():
            found = self._find(machine)
            if found is None:
                raise UnknownMachine(machine)
            mine = [event for event in self.state.events.values() if event.machine_id == found.id]
            known: dict[str, Any] = {"standing": self._standing(found.id), "names": {0: "http"}}
            span = _Span(since, until)
            incident = self._incident_at(found.id, mine, span)
            return self._in(incident, mine, known) if incident else self._between(found.id, mine, span, known)

    def _incident_at(self, machine_id: int, mine: Sequence[Event], span: _Span) -> str | None:
        opened = [one.uid for one in mine if one.uid == one.incident and span.since <= one.at <= span.until]
        if opened:
            return opened[-1]
        incidents = {event.uid: event.incident for event in mine}
        touching = [
            incidents.get(one.opened_by)
            for one in self.state.outages.values()
            if one.machine_id == machine_id and one.started_at <= span.until
            if one.ended_at is None or one.ended_at >= span.since
        ]
        if touching:
            return touching[-1]
        last = next((event for event in reversed(mine) if event.incident and event.at <= span.until), None)
        return None if last is None or (_ends(last) and last.at < span.since) else last.incident

    def _in(self, incident: str, mine: Sequence[Event], known: dict[str, Any]) -> Facts:
        events = tuple(event for event in mine if event.incident == incident)
        uids = {event.uid for event in events}
        outages = tuple(one for one in self.state.outages.values() if one.opened_by in uids)
        start = min([events[0].at, *(one.started_at for one in outages)])
        end = next((event.at for event in reversed(events) if _ends(event)), None)
        told = self._told_of(uids)
        return Facts(start=start, end=end, incident=incident, events=events, outages=outages, told=told, **known)

    def _between(self, machine_id: int, mine: Sequence[Event], span: _Span, known: dict[str, Any]) -> Facts:
        before = next((event for event in reversed(mine) if event.incident and event.at < span.since), None)
        after = next((event for event in mine if event.incident and event.at > span.until), None)
        row = self.state.rows[machine_id]
        start, end = before.at if before else min(row.watch_from, span.since), after.at if after else None
        plain = (event for event in mine if event.incident is None)
        events = tuple(event for event in plain if start <= event.at and (end is None or event.at < end))
        told = self._told_of({event.uid for event in events})
        return Facts(start=start, end=end, events=events, told=told, before=before, after=after, **known)

    def _told_of(self, uids: set[str]) -> tuple[Told, ...]:
        cooling = {uid: one.ready_at for uid, one in self.state.states.items() if one.failures}
        return tuple(
            Told(
                uid=row.uid,
                event=row.event,
                channel=row.channel,
                channel_type="",
                cause=row.cause.value,
                state=row.state.value,
                reason=row.reason,
                attempts=row.attempts,
                due_at=row.due_at,
                created_at=row.created_at,
                finished_at=row.finished_at,
                ready_at=cooling.get(row.channel),
            )
            for row in self.state.outbox.values()
            if row.event in uids
        )


def _ends(event: Event) -> bool:
    return event.type in ENDINGS and event.severity is Severity.INFO
