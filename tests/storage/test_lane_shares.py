"""Channels of one lane share what may be sent at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lastseen.storage import open_store
from lastseen.storage.memory import MemoryStore
from lastseen.testing.script import at
from lastseen.testing.suite_base import offline
from lastseen.testing.suite_outbox import take
from tests.fresh import new_database

UIDS = ("4bd6ee7f-4e4a-5a40-8d0c-3f5f7b8a0001", "4bd6ee7f-4e4a-5a40-8d0c-3f5f7b8a0002")
MANY = [f"m{number}" for number in range(12)]


async def opened(kind: str, folder: Path) -> tuple[Any, list[str]]:
    """A store, and the channels of one lane."""
    if kind == "memory":
        return MemoryStore(), list(UIDS)
    store: Any = open_store(new_database(folder / "lastseen.db"))
    await store.open()
    return store, [(await store.code_channel(name, "lane", at(0))).uid for name in ("ops", "pager")]


async def shared(kind: str, folder: Path, waiting: slice, limit: int) -> list[int]:
    """How many of so many sends each channel gets, when those of the slice have many waiting."""
    store, channels = await opened(kind, folder)
    await offline(store, *MANY, channels=channels[waiting])
    taken = Counter(attempt.channel for attempt in await take(store, channels, 200, limit=limit))
    if kind == "sqlite":
        await store.close()
    return [taken[channel] for channel in channels]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_both_get_half_and_the_odd_one_is_not_lost(kind: str, tmp_path: Path) -> None:
    assert await shared(kind, tmp_path, slice(2), 5) == [3, 2]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("limit", [1, 2])
async def test_a_channel_that_waits_alone_is_never_passed_over(kind: str, who: int, limit: int, tmp_path: Path) -> None:
    taken = await shared(kind, tmp_path, slice(who, who + 1), limit)
    assert taken[who] >= 1
    assert sum(taken) <= limit
