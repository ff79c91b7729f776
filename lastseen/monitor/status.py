"""What a machine is now, as people and programs ask for it. Derived, never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model import MachineRef, Standing, Status
from lastseen.monitor.deadline import Rules, interval, patience, threshold
from lastseen.monitor.decide import WATCHED
from lastseen.monitor.snapshot import whole_seconds
from lastseen.protocols import Glances, Store


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """The status of one machine at one moment. `late`: past its interval, not past its threshold.
    `acknowledged_by`: who has seen its outage or error, which lasts.
    `seconds_until_offline` leaves blind time out of account: it may get longer, never shorter."""

    id: int
    slug: str
    name: str
    status: Status
    late: bool
    last_seen: datetime | None
    status_since: datetime
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
            "last_seen": rfc3339(self.last_seen),
            "status_since": rfc3339(self.status_since),
            "offline_after_seconds": None if self.offline_after is None else whole_seconds(self.offline_after),
            "seconds_until_offline": None if self.until_offline is None else self.until_offline.total_seconds(),
            "notified_at": rfc3339(self.notified_at),
            "sources": list(self.sources),
            "group": self.group,
            "flapping_since": rfc3339(self.flapping_since),
        }


async def look_up(
    store: Store, machines: Sequence[MachineRef], now: datetime, glance: bool
) -> Mapping[MachineRef, Standing]:
    """What is known of these. `glance`: a copy will do, where there is one beside the store."""
    if glance and isinstance(store, Glances):
        return await store.glance(machines, now)
    return await store.liveness(machines)


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
        last_seen=row.last_seen,
        status_since=row.status_since,
        offline_after=limit,
        until_offline=None if left is None else max(left.since + left.span - now, timedelta(0)),
        notified_at=None if standing.outage is None else standing.outage.detected_at,
        sources=tuple(sources.get(bit, str(bit)) for bit in range(heard.bit_length()) if heard >> bit & 1),
        group=machine.group,
        flapping_since=row.flapping_since,
        acknowledged_by=standing.error_acked_by if standing.outage is None else standing.outage.acked_by,
        acknowledged_at=standing.error_acked_at if standing.outage is None else standing.outage.acked_at,
    )
