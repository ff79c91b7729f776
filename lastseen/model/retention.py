"""How long things are kept, and what went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

UPTIME = timedelta(days=91)
"""How long events are kept at least: availability is computed over 90 days."""

SHORTEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Keep:
    """How long rows are kept, by what they are; None: for ever."""

    events: timedelta | None = timedelta(days=400)
    attempts: timedelta | None = timedelta(days=90)
    runs: timedelta | None = timedelta(days=90)
    reports: timedelta | None = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pruned:
    """One step of a round: rows that went, by table, and from where the round goes on; None: it is over."""

    gone: Mapping[str, int] = field(default_factory=dict)
    after: str | None = None


@dataclass(frozen=True, slots=True)
class TableSize:
    """How a table grows: `rows` about (ids that were given since the oldest row that is there), `oldest` its time,
    `recent` those of the last seven days."""

    name: str
    rows: int
    oldest: datetime | None = None
    recent: int = 0
