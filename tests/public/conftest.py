"""A server in this process with machines, and pages that show them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model import Beat, Status, Watch
from lastseen.monitor.decide import decide
from lastseen.testing.script import move
from tests.web.site import Site, a_site


@dataclass
class Shop:
    site: Site

    @property
    def store(self) -> Any:
        return self.site.store

    @property
    def office(self) -> Office:
        return Office(self.site.app.monitor, None, lambda: "http://here", print)

    def of(self, role: str, user: int | None = None) -> Office:
        return self.office.of(Who("somebody", role, user))

    def decide(self, case: Any) -> Any:
        return decide(case, self.site.app.monitor.rules)

    async def machine(self, slug: str, heard: bool = True, **changes: Any) -> int:
        now = self.site.clock.now()
        await self.store.order(slug, Watch(changes), self.decide, now)
        if heard:
            await self.beat(slug)
        found: int = (await self.store.liveness([slug]))[slug].machine.id
        return found

    async def beat(self, *slugs: str) -> None:
        now = self.site.clock.now()
        await self.store.record([Beat(slug, now) for slug in slugs], now)
        await self.store.settle(self.decide, now)

    async def pass_(self, span: timedelta, alive: Sequence[str] = ()) -> None:
        """So much later, what did not report is found silent."""
        self.site.clock.seconds += span.total_seconds()
        if alive:
            await self.beat(*alive)
        await self.store.settle(self.decide, self.site.clock.now())

    async def order(self, slug: str, order: Any, status: Status) -> None:
        await self.store.order(slug, order, lambda case: move(case, status), self.site.clock.now())

    def browser(self) -> httpx.AsyncClient:
        return self.site.browser()

    def later(self) -> None:
        """What was shown is old."""
        self.site.clock.seconds += 60

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with self.browser() as browser:
            return await browser.get(path, headers=headers)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_site(tmp_path, offline_threshold="2m") as site:
        yield Shop(site)
