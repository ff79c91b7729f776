"""The processes that work on one store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Node:
    """One process that runs a monitor. `id` is what its leases and marks are under; `lanes` are those it sends on now,
    `sources` those it listens to."""

    id: str
    name: str
    version: str
    started_at: datetime
    alive_at: datetime
    lanes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
