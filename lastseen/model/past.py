"""What is written down of a machine's past, as spans of time: what uptime is counted from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lastseen.model.words import Status

Span = tuple[datetime, datetime | None]
"""Half-open, [start, end); an end of None: it lasts."""

UNWATCHED = frozenset({Status.PROVISIONING, Status.PAUSED, None})
"""Statuses in which silence means nothing. None: it was removed."""


@dataclass(frozen=True, slots=True)
class Past:
    """Of one machine. Spans in any order; they may overlap. `watched`: from its first heartbeat on, without pauses.
    `blind`: of the sources that it is heard on. `silenced`: its events were not to be told."""

    watched: Sequence[Span]
    outages: Sequence[Span] = ()
    blind: Sequence[Span] = ()
    silenced: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of status."""

    at: datetime
    before: Status | None
    after: Status | None


def watched(changes: Iterable[Change], status: Status | None, since: datetime) -> tuple[Span, ...]:
    """When it was watched from `since` on. `changes`: those that began or ended that, in their order; `status`: what it
    is now, which it has been all the time if there are none."""
    spans: list[Span] = []
    begun: datetime | None = since
    first = True
    for change in changes:
        if first and change.before in UNWATCHED:
            begun = None
        first = False
        if change.after not in UNWATCHED:
            begun = begun or change.at
        elif begun is not None:
            spans.append((begun, change.at))
            begun = None
    if first and status in UNWATCHED:
        begun = None
    return (*spans, (begun, None)) if begun is not None else tuple(spans)
