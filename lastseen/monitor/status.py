"""What machines are now, as people and programs ask for it. Derived, never stored."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import Clock, rfc3339
from lastseen.model import Liveness, Machine, MachineRef, Standing, Status
from lastseen.monitor.blindness import Ear
from lastseen.monitor.deadline import Rules, interval, patience, threshold
from lastseen.monitor.decide import WATCHED
from lastseen.monitor.runs import runtime_of
from lastseen.monitor.snapshot import whole_seconds
from lastseen.protocols import Glances, SourceRows, Store


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """The status of one machine at one moment. `late`: past its interval, not past its threshold. `awaited`: resumed,
    and not heard since.
    `since`: from when on it is how it is: of an outage, from where it is counted, before it was noticed at
    `status_since`. `acknowledged_by`: who has seen its outage or error, which lasts.
    `seconds_until_offline` leaves blind time out of account: it may get longer, never shorter."""

    id: int
    slug: str
    name: str
    status: Status
    late: bool
    awaited: bool
    last_seen: datetime | None
    status_since: datetime
    since: datetime
    offline_after: timedelta | None
    until_offline: timedelta | None
    notified_at: datetime | None
    sources: tuple[str, ...]
    group: str
    flapping_since: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None

    @property
    def is_online(self) -> bool:
        return self.status is Status.ONLINE

    def as_dict(self) -> dict[str, Any]:
        """The status object of the API and the command line: JSON values only."""
        return {
            "id": self.id,
            "slug": self.slug,
            "name": self.name,
            "status": self.status.value,
            "late": self.late,
            "awaited": self.awaited,
            "last_seen": rfc3339(self.last_seen),
            "status_since": rfc3339(self.status_since),
            "since": rfc3339(self.since),
            "offline_after_seconds": None if self.offline_after is None else whole_seconds(self.offline_after),
            "seconds_until_offline": None if self.until_offline is None else self.until_offline.total_seconds(),
            "notified_at": rfc3339(self.notified_at),
            "sources": list(self.sources),
            "group": self.group,
            "flapping_since": rfc3339(self.flapping_since),
        }


class Statuses:
    """Reads them from a store. It remembers the names of the sources that machines are heard on: `name_sources` learns
    those that `described` will need."""

    def __init__(self, store: Store, clock: Clock, rules: Rules, ears: Mapping[str, Ear]) -> None:
        self._store, self._clock, self._rules, self._ears = store, clock, rules, ears
        self._names: dict[int, str] = {}

    async def read(self, machines: Sequence[MachineRef], glance: bool) -> dict[MachineRef, MachineStatus]:
        """Those that there are. `glance`: a copy will do, where there is one beside the store."""
        now = self._clock.now()
        if glance and isinstance(self._store, Glances):
            known = await self._store.glance(machines, now)
        else:
            known = await self._store.liveness(machines)
        await self.name_sources(known.values())
        return {ref: self.described(standing, now) for ref, standing in known.items()}

    def described(self, standing: Standing, now: datetime) -> MachineStatus:
        return status_of(standing, self._rules, now, self._names)

    async def name_sources(self, standings: Iterable[Standing]) -> None:
        self._names.update({ear.id: ear.name for ear in self._ears.values()})
        bits = functools.reduce(lambda heard, one: heard | one.liveness.heard | one.liveness.heard_before, standings, 0)
        unknown = [bit for bit in range(bits.bit_length()) if bits >> bit & 1 and bit not in self._names]
        if unknown and isinstance(self._store, SourceRows):
            self._names.update({source.id: source.name for source in await self._store.sources()})


def status_of(standing: Standing, rules: Rules, now: datetime, sources: Mapping[int, str]) -> MachineStatus:
    """Derive it from what the store knows. `sources`: their names by their bits."""
    machine, row = standing.machine, standing.liveness
    limit = threshold(machine, standing.kind, rules).limit
    every = interval(machine, standing.kind)
    watched = row.status in WATCHED
    left = patience(machine, row, limit) if watched else None
    heard = row.heard | row.heard_before
    return MachineStatus(
        id=machine.id,
        slug=machine.slug,
        name=machine.name,
        status=row.status,
        late=watched and every is not None and now > row.silent_since + every,
        awaited=row.awaited and not _ran(machine, row),
        last_seen=row.last_seen,
        status_since=row.status_since,
        since=standing.since,
        offline_after=limit,
        until_offline=None if left is None else max(left.since + left.span - now, timedelta(0)),
        notified_at=None if standing.outage is None else standing.outage.detected_at,
        sources=tuple(sources.get(bit, str(bit)) for bit in range(heard.bit_length()) if heard >> bit & 1),
        group=machine.group,
        flapping_since=row.flapping_since,
        acknowledged_by=standing.error_acked_by if standing.outage is None else standing.outage.acked_by,
        acknowledged_at=standing.error_acked_at if standing.outage is None else standing.outage.acked_at,
    )


def _ran(machine: Machine, row: Liveness) -> bool:
    """The first of its open runs began since it is watched: that is no heartbeat, and it said so itself."""
    return row.run_due_at is not None and row.run_due_at - runtime_of(machine) >= row.watch_from
