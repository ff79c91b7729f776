"""What a store may answer to people a page at a time, however much there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from lastseen.model import Standing
from lastseen.model.directory import Count, Leaf, Sought


@runtime_checkable
class Directory(Protocol):
    """Machines as people look for them."""

    async def seek(self, sought: Sought) -> Sequence[Standing]:
        """Those that fit, in the order asked for, up to `limit`. A machine that stands still in that order while the
        pages of a list are read is on exactly one of them."""

    async def census(self, sought: Sought) -> Sequence[Count]:
        """How many fit, by group and status, in any order; `sort`, `after` and `limit` mean nothing here."""


@runtime_checkable
class Annals(Protocol):
    """What happened, the newest first. Rows as `History` prints them. Raises UnknownMachine."""

    async def happened(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        """Events. Those of no machine and no channel are everybody's to see."""

    async def outages(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        """`{id, machine_id, machine, started_at, detected_at, ended_at, seconds, reason, end_reason, incident_id,
        acknowledged_by, acknowledged_at}`; `seconds` is None while it lasts."""

    async def outages_over(self, since: datetime, seen_by: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
        """The same, of those that ended since then, the one that ended last first."""

    async def blind(self, source: int, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        """Spans in which this source could not have heard anybody: `{id, started_at, ended_at, seconds, reason}`."""

    async def said(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        """Notifications, with the names `channel`, `machine` and `type` (of the event)."""

    async def latest_report(self, machine: int) -> tuple[datetime, str] | None:
        """The newest that a machine (by id) said of itself: when it came, and the JSON object as it came."""
