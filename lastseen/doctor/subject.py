"""What is looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from lastseen.doctor.finding import Finding
from lastseen.durations import spell
from lastseen.model.insight import Checkup

Probe = Callable[[], Awaitable[Sequence[Finding]]]
"""Asks somebody outside: a broker for its limits."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Which process serves the database. `held`: one does, by the kernel's word; None: it cannot be told."""

    held: bool | None = None
    pid: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are. `database` is its file, None for one that is none. `vouching`: networks from which a header is
    believed that says who is logged in."""

    folder: Path
    database: Path | None = None
    serving: Serving = Serving()
    problems: Sequence[str] = ()
    probes: Sequence[Probe] = ()
    vouching: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(slots=True)
class Subject:
    """The site, and its store where that could be opened: else `trouble` says why not. `now` is the store's time."""

    site: Site
    store: Any
    now: datetime
    wall: datetime
    trouble: str = ""
    _checkup: Checkup | None = field(default=None, repr=False)

    async def checkup(self) -> Checkup:
        """Read once for all checks."""
        if self._checkup is None:
            self._checkup = await self.store.checkup(self.now)
        return self._checkup

    def ago(self, moment: datetime) -> str:
        """`3 h ago`, without fractions."""
        return f"{self.span((self.now - moment).total_seconds())} ago"

    @staticmethod
    def span(seconds: float) -> str:
        """A duration as people say it: seconds below two minutes, then minutes, hours, days."""
        whole = max(0, round(seconds))
        for size in (86400, 3600, 60):
            if whole >= 2 * size:
                whole -= whole % size
                break
        return spell(timedelta(seconds=whole)) if whole else "0 s"
