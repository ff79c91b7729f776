"""A lane is held with time to spare, taken up again when it was lost, and looked at once more when something fell due
while it was busy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.model import Attempt, Lease
from lastseen.notifiers.dispatcher import LEASE
from lastseen.storage.sql import SqlStore
from tests.monitor.cases import scene
from tests.support import eventually

BROKEN = {"status": "error", "message": "no paper"}


async def test_what_was_sent_and_could_not_be_written_down_is_taken_up_under_a_new_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing else falls due on this lane, ever."""
    real, refused = SqlStore.finish, list[Any]()

    async def finish(store: SqlStore, lease: Lease, *given: Any) -> bool:
        if len(refused) < 2:  # neither what became of it nor that this cannot be stored
            refused.append(lease)
            raise RuntimeError("nonsense")
        assert lease.token > refused[0].token
        return await real(store, lease, *given)

    monkeypatch.setattr(SqlStore, "finish", finish)
    async with scene("sqlite", tmp_path) as s:
        await s.beat("printer", report=BROKEN)
        await s.clock.advance("10s")
        assert len(refused) == 2
        first, again = s.told.messages
        assert again.id == first.id


async def test_a_lane_that_is_sent_on_is_held_for_half_a_lease_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = SqlStore.take, list[timedelta]()

    async def take(store: SqlStore, *given: Any) -> Sequence[Attempt]:
        lease, _, now, *_ = given
        left.append(lease.until - now)
        return await real(store, *given)

    monkeypatch.setattr(SqlStore, "take", take)
    async with scene("sqlite", tmp_path) as s:
        await s.clock.advance(LEASE * 0.6)
        before = len(left)
        await s.beat("printer", report=BROKEN)
        await s.clock.advance("1s")
        assert s.types == ["machine.error printer"]
        assert min(left[before:]) > LEASE / 2


async def test_what_falls_due_while_a_lane_finds_nothing_is_sent_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, waiting = SqlStore.take, False

    async def take(store: SqlStore, *given: Any) -> Sequence[Attempt]:
        """It has looked, and what is committed before it says so is not among what it found."""
        nonlocal waiting
        found = await real(store, *given)
        if waiting:
            waiting = False
            await s.beat("printer", report=BROKEN)
            await eventually(lambda: s.monitor._loops._dispatcher._called)
        return found

    monkeypatch.setattr(SqlStore, "take", take)
    async with scene("sqlite", tmp_path) as s:
        await s.clock.advance("1s")
        waiting = True
        s.monitor._loops._dispatcher._visited.clear()
        s.monitor._loops._dispatcher.wake()
        await s.clock.advance("0.5s")
        assert not waiting
        assert s.types == ["machine.error printer"]
