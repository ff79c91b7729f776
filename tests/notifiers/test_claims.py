"""What is asked of the store when something may be sent, and what it says of what it ended itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen.model import Matcher, Silence
from lastseen.model.outbox import Attempt
from lastseen.storage.memory import MemoryStore
from lastseen.storage.sql import SqlStore
from lastseen.storage.sqlite import open_sqlite
from lastseen.testing.script import admit_all, at, lease
from lastseen.testing.suite_base import offline
from tests.monitor.cases import scene


async def test_a_silence_that_begins_while_the_store_is_asked_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, waiting = SqlStore.take, True

    async def take(store: SqlStore, *given: Any) -> Sequence[Attempt]:
        """Somebody else has the write lock first."""
        nonlocal waiting
        now = given[2]
        if waiting and await store.next_due() is not None:
            waiting = False
            await store.add_silence(Silence("works", now, now + timedelta(hours=1), Matcher(), "eva"), now)
        return await real(store, *given)

    monkeypatch.setattr(SqlStore, "take", take)
    async with scene("sqlite", tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        assert not waiting
        assert s.types == []
        await s.clock.advance("1h")
        assert s.types == ["machine.offline pump"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_expires_when_it_is_to_be_sent_is_said_to_be_dead(kind: str, tmp_path: Path) -> None:
    store: Any = MemoryStore() if kind == "memory" else open_sqlite(f"sqlite:///{tmp_path / 'lastseen.db'}")
    if kind == "sqlite":
        await store.open()
    ops = (await store.code_channel("ops", "channel:ops", at(0))).uid if kind == "sqlite" else "ops"
    await offline(store, "pump", channels=[ops])
    with capture_logs() as log:
        assert await store.take(lease([ops]), admit_all(), at(200 + 77 * 3600), 10) == []
    (dead,) = [line for line in log if line["event"] == "notification_dead"]
    assert (dead["channel"], dead["reason"]) == ("ops", "expired: it could not be delivered in time")
    if kind == "sqlite":
        await store.close()
