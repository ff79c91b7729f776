"""When API keys were last used is noted in memory and written down later: no request waits for that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.ingest import used
from lastseen.ingest.auth import KeyCache
from lastseen.ingest.used import UsedKeys
from tests.server.fakes import FakeKeys, HandClock
from tests.support import eventually

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Written:
    """Only what is written down here."""

    def __init__(self) -> None:
        self.kept: list[Mapping[int, datetime]] = []
        self.failing: Exception | None = None
        self.asked = 0

    async def keys_used(self, given: Mapping[int, datetime]) -> None:
        self.asked += 1
        if self.failing is not None:
            raise self.failing
        self.kept.append(given)


async def write(keys: UsedKeys, store: Any) -> None:
    await keys.write(store)


async def test_the_newest_use_is_written_once() -> None:
    keys, store = UsedKeys(), Written()
    for seconds in (0, 5, 9):
        keys.note(1, NOW + timedelta(seconds=seconds))
    keys.note(2, NOW)
    await write(keys, store)
    await write(keys, store)
    assert store.kept == [{1: NOW + timedelta(seconds=9), 2: NOW}]


async def test_what_could_not_be_written_is_written_with_the_next() -> None:
    keys, store = UsedKeys(), Written()
    store.failing = StoreUnavailable("the disk is full")
    keys.note(1, NOW)
    keys.note(2, NOW)
    with pytest.raises(StoreUnavailable):
        await write(keys, store)
    keys.note(1, NOW + timedelta(seconds=1))
    store.failing = None
    await write(keys, store)
    assert store.kept == [{1: NOW + timedelta(seconds=1), 2: NOW}]


async def test_a_server_writes_now_and_then_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used, "WRITE_EVERY", 0.001)
    keys, store = UsedKeys(), Written()
    async with keys.written(store):
        keys.note(1, NOW)
        await eventually(lambda: store.kept == [{1: NOW}])
        store.failing = RuntimeError("a plugin's own")
        keys.note(2, NOW)
        await eventually(lambda: store.asked > 3)
        assert store.kept == [{1: NOW}]
        store.failing = None
        await eventually(lambda: store.kept[-1] == {2: NOW})
        monkeypatch.setattr(used, "WRITE_EVERY", 3600.0)
    async with keys.written(store):
        keys.note(3, NOW)
    assert store.kept[-1] == {3: NOW}


async def test_only_keys_of_the_api_are_noted() -> None:
    keys, clock = FakeKeys(), HandClock()
    cache = KeyCache(keys, clock)  # type: ignore[arg-type]
    texts = [keys.put(f"{prefix}_one", scope) for prefix, scope in (("lsm", "machine"), ("lsf", "fleet"))]
    api = keys.put("lsa_one", "api", None)
    for text in (*texts, api):
        grant = await cache.find(text.encode(), clock.now())
        assert grant is not None
        assert (grant.api is not None) == (text == api)
    store = Written()
    await write(cache.used, store)
    assert store.kept == [{3: clock.now()}]
