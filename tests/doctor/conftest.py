"""A database with something of everything in it, and what doctor says of it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.doctor import CHECKS, Checked, Finding, Serving, Site, Subject, examine
from lastseen.ingest.auth import new_key
from lastseen.model import Beat
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage import open_store
from tests.cli.conftest import cli, empty, fresh
from tests.fresh import new_database
from tests.secrecy import secret

__all__ = ["cli", "empty", "fresh"]

NOW = datetime(2025, 10, 10, 16, 0, tzinfo=UTC)
AT = "2025-10-10 16:00:00.000000"


@dataclass
class Ward:
    """A site in good health. `sql` changes the database, `look` is what doctor finds."""

    site: Site
    store: Any
    now: datetime = NOW
    wall: datetime = NOW

    def sql(self, *statements: str) -> None:
        assert self.site.database is not None
        with closing(sqlite3.connect(self.site.database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def look(self, name: str, **changes: Any) -> Checked:
        subject = Subject(replace(self.site, **changes), self.store, self.now, self.wall)
        (check,) = (check for check in CHECKS if check.name == name)
        found = await examine(check, subject)
        assert found is not None
        return found

    async def only(self, name: str, **changes: Any) -> Finding:
        """The one thing that the check finds."""
        (finding,) = (await self.look(name, **changes)).findings
        return finding


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """A machine that reports, a channel that works, a server that marks."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    file = folder / "lastseen.db"
    store: Any = open_store(new_database(file))
    await store.open()
    monitor = HeartbeatMonitor(store)
    await store.listen("http", "node", NOW)
    await monitor.watch("db-01")
    await store.record([Beat("db-01", NOW)], NOW)
    await monitor.sweep()
    key = new_key("machine")
    await store.add_key("machine", key.digest, key.hint, NOW, machine_id=1)
    secret(key.text)
    await store.add_user("root", "admin", None, NOW)
    await store.add_channel("console", "screen", {}, {"token": secret("a-secret-of-the-channel")}, "screen", NOW)
    yield Ward(Site(folder, file, Serving(held=True, pid=4711)), store)
    await store.close()


def ago(**span: float) -> str:
    """A moment before NOW, as the database writes it."""
    return (NOW - timedelta(**span)).replace(tzinfo=None).isoformat(" ", "microseconds")
