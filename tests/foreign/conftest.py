"""The real server, and what a test of a foreign client wants of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.ingest.auth import NewKey, new_key, new_ping_uuid
from lastseen.model import Standing
from tests.secrecy import secret
from tests.server.conftest import Served, a_server
from tests.support import eventually


@dataclass
class Pinged:
    """A server with a machine `backup`: its ping uuid, push token and own key; a ping key, a fleet key."""

    served: Served
    file: Path
    uuid: str
    token: str
    key: str
    project: str
    fleet: str

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def ping_url(self) -> str:
        return f"{self.url}/ping/{self.uuid}"

    @property
    def push_url(self) -> str:
        return f"{self.url}/api/push/{self.token}"

    async def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        return await self.served.http.request(method, path, **more)

    async def standing(self, slug: str = "backup") -> Standing:
        return await self.served.standing(slug)

    async def status(self, slug: str = "backup") -> str:
        return str((await self.standing(slug)).liveness.status)

    async def becomes(self, status: str, slug: str = "backup") -> None:
        async def is_it() -> bool:
            return await self.status(slug) == status

        await eventually(is_it)

    def reports(self) -> list[dict[str, Any]]:
        """What was kept, in the order in which it came."""
        with sqlite3.connect(self.file) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute("SELECT * FROM reports ORDER BY id")]
        db.close()
        return rows

    def latest(self) -> str | None:
        with sqlite3.connect(self.file) as db:
            row = db.execute("SELECT body FROM latest_reports").fetchone()
        db.close()
        return row and str(row[0])


async def add(served: Served, scope: str, key: NewKey, **more: Any) -> str:
    shown = key.text if scope in ("ping", "push") else None
    await served.other.add_key(scope, key.digest, key.hint, served.app.monitor.clock.now(), shown=shown, **more)
    return secret(key.text)


async def prepared(served: Served, folder: Path) -> Pinged:
    """The machine and the keys, on a server whose data are in this folder."""
    status = await served.app.monitor.watch("backup", expect="new")
    keys = await asyncio.gather(
        add(served, "ping", new_ping_uuid(), machine_id=status.id),
        add(served, "push", new_key("push"), machine_id=status.id),
        add(served, "machine", new_key("machine"), machine_id=status.id),
        add(served, "ping", new_key("ping"), defaults={"may_create": True, "tags": ["made"]}),
        add(served, "fleet", new_key("fleet")),
    )
    return Pinged(served, folder / "lastseen.db", *keys)


@pytest.fixture
async def pinged(tmp_path: Path) -> AsyncIterator[Pinged]:
    async with a_server(tmp_path) as served:
        yield await prepared(served, tmp_path)
