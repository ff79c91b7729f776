"""A real server on a free port, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lastseen.app import App
from lastseen.ingest.auth import new_key
from lastseen.listening import bind, url_of
from lastseen.model import MachineRef, Standing
from lastseen.protocols import Keys, Service
from lastseen.serving import answer
from lastseen.settings import Settings
from lastseen.storage import open_store
from tests.fresh import new_database
from tests.support import eventually

HEARTBEAT = "/api/v1/heartbeat"


@dataclass
class Served:
    """A running server. `other` is a second store on the same file, as another process would have."""

    app: App
    url: str
    http: httpx.AsyncClient
    other: Any
    stop: asyncio.Event

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def machine(self, slug: str, **more: Any) -> str:
        """A new machine's key."""
        status = await self.app.monitor.watch(slug, expect="new")
        return await self.key("machine", machine_id=status.id, **more)

    async def key(self, scope: str, **more: Any) -> str:
        key = new_key(scope)
        await self.other.add_key(scope, key.digest, key.hint, self.app.monitor.clock.now(), **more)
        return key.text

    async def standing(self, machine: MachineRef) -> Standing:
        """As another process reads it."""
        found: Standing = (await self.other.liveness([machine]))[machine]
        return found

    async def beat(self, key: str, content: bytes | None = None) -> httpx.Response:
        return await self.http.post(HEARTBEAT, content=content, headers={"Authorization": f"Bearer {key}"})

    async def get(self, path: str, key: str | None = None) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {key}"} if key else {})


@asynccontextmanager
async def a_server(folder: Path, **given: Any) -> AsyncIterator[Served]:
    settings = Settings.load(data_dir=folder, **given)
    new_database(folder / "lastseen.db")
    app = App(settings)
    other = open_store(settings.database, migrate="check")
    assert isinstance(app.store, Service)
    assert isinstance(other, Service)
    assert isinstance(other, Keys)
    await app.store.open()
    await other.open()
    stop = asyncio.Event()
    with bind("127.0.0.1", 0) as listener:
        url = url_of(listener)
        async with (
            anyio.create_task_group() as group,
            httpx.AsyncClient(base_url=url, timeout=60, verify=False) as client,
        ):
            group.start_soon(answer, app, listener, stop)
            try:
                await eventually(lambda: app.accepting)
                yield Served(app, url, client, other, stop)
            finally:
                stop.set()
    await other.close()
    await app.store.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with a_server(tmp_path) as server:
        yield server
