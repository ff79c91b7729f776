"""An upgrade that needs a table which nodes of the older program are at."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.storage import upgrade_postgres
from tests.storage.postgres.stage import Stage
from tests.storage.postgres.test_schema import newer
from tests.storage.test_migrations import HEAD


async def test_an_upgrade_waits_so_long_for_a_table_then_gives_up_with_nothing_changed(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade_postgres, "PATIENCE", "100ms")
    versions = newer(tmp_path)
    with psycopg.connect(stage.url) as other:
        other.execute("SELECT FROM machines")
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade_postgres.upgrade, stage.url, versions))
        await asyncio.wait([upgrading], timeout=60)
        gave_up = upgrading.done()
    with pytest.raises(StoreUnavailable, match="55P03"):
        await upgrading
    assert gave_up, "while the other was still at it"
    assert upgrade_postgres.current(stage.url) == HEAD
    assert upgrade_postgres.upgrade(stage.url, versions).after == "next"
