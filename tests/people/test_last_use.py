"""When keys were last used is noted in memory and written down later: no request waits for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.clock import rfc3339
from lastseen.errors import StoreUnavailable
from lastseen.ingest import used
from lastseen.ingest.auth import KeyCache
from lastseen.ingest.used import UsedKeys
from lastseen.manage import keys as key_verbs
from lastseen.manage import machines
from tests.secrecy import secret
from tests.server.fakes import FakeKeys, HandClock
from tests.support import eventually
from tests.web.site import a_site

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Written:
    """Only what is written down here."""

    def __init__(self) -> None:
        self.kept: list[Mapping[int, datetime]] = []
        self.failing: Exception | None = None
        self.room: int | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked = 0

    async def keys_used(self, given: Mapping[int, datetime]) -> None:
        self.asked += 1
        self.meanwhile()
        if self.failing is not None:
            raise self.failing
        if self.room is not None and sum(map(len, self.kept)) + len(given) > self.room:
            raise StoreUnavailable("the disk is full")
        self.kept.append(dict(given))


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
    store.meanwhile = lambda: keys.note(1, NOW + timedelta(seconds=1))
    keys.note(1, NOW)
    keys.note(2, NOW)
    with pytest.raises(StoreUnavailable):
        await write(keys, store)
    store.failing, store.meanwhile = None, lambda: None
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


async def test_many_are_written_in_parts_and_what_was_written_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys, store = UsedKeys(), Written()
    for number in range(2500):
        keys.note(number, NOW)
    await write(keys, store)
    assert [len(one) for one in store.kept] == [1000, 1000, 500]
    store.kept.clear()
    monkeypatch.setattr(used, "AT_ONCE", 2)
    for number in range(5):
        keys.note(number, NOW)
    store.room = 2
    with pytest.raises(StoreUnavailable):
        await write(keys, store)
    store.room = None
    await write(keys, store)
    assert [sorted(one) for one in store.kept] == [[0, 1], [2, 3], [4]]


class Watched:
    """A cache whose clock and writer the test has in its hands."""

    def __init__(self) -> None:
        self.keys, self.clock, self.store = FakeKeys(), HandClock(), Written()
        self.cache = KeyCache(self.keys, self.clock)  # type: ignore[arg-type]

    async def use(self, text: str) -> None:
        """As every way in does it."""
        now = self.clock.now()
        assert self.cache.get(text.encode(), now) or await self.cache.find(text.encode(), now)

    async def written(self) -> Mapping[int, datetime]:
        """What one more round writes."""
        await write(self.cache.used, self.store)
        kept, self.store.kept = self.store.kept, []
        return kept[0] if kept else {}


@pytest.mark.parametrize("scope", ["api", "fleet", "ping"])
async def test_that_a_key_of_no_one_machine_is_used_is_written_with_each_round(scope: str) -> None:
    watched = Watched()
    text = watched.keys.put("lsm_one", scope, None)
    for _ in range(5):
        for _ in range(30):
            watched.clock.seconds += 2
            await watched.use(text)
        assert await watched.written() == {1: watched.clock.now()}
    assert await watched.written() == {}, "it was not used again"


@pytest.mark.parametrize("scope", ["machine", "ping", "push"])
async def test_that_a_machines_key_is_used_is_written_once_in_an_hour(scope: str) -> None:
    watched = Watched()
    text = watched.keys.put("lsm_one", scope, 7)
    rounds, known = [], watched.clock.now()
    for minute in range(10 * 60):
        watched.clock.seconds += 20
        await watched.use(text)
        watched.clock.seconds += 40
        await watched.use(text)
        assert watched.clock.now() - known <= timedelta(hours=1) or not minute
        wrote = await watched.written()
        known = wrote.get(1, known)
        rounds.append(wrote)
    assert 10 <= len([one for one in rounds if one]) <= 12


async def test_a_machines_key_that_is_seldom_used_is_noted_each_time() -> None:
    watched = Watched()
    text = watched.keys.put("lsm_one", "ping", 7)
    for _ in range(3):
        watched.clock.seconds += 24 * 3600
        await watched.use(text)
        assert await watched.written() == {1: watched.clock.now()}
    watched.clock.seconds += 24 * 3600
    assert await watched.cache.known(text.encode(), watched.clock.now())
    assert await watched.written() == {1: watched.clock.now()}


async def test_machines_that_report_all_the_time_do_not_come_all_at_once() -> None:
    watched = Watched()
    texts = [watched.keys.put(f"lsm_{n}", "machine", n) for n in range(1, 601)]
    counts = []
    for _ in range(3 * 59):
        for text in texts:
            await watched.use(text)
        counts.append(len(await watched.written()))
        watched.clock.seconds += 60
    assert counts[0] == 600, "of none was it known"
    assert sum(counts[59:]) == 2 * 600
    assert max(counts[59:]) <= 60


async def test_what_is_written_already_another_node_does_not_note_again() -> None:
    """Nor this one, when all is forgotten because some key has changed."""
    watched = Watched()
    now = watched.clock.now()
    text = watched.keys.put("lsm_one", "machine", 7, last_used_at=now - timedelta(seconds=1))
    later = watched.keys.put("lsm_two", "machine", 8, last_used_at=now - timedelta(hours=2))
    for _ in range(3):
        await watched.use(text)
        watched.cache.forget()
    await watched.use(later)
    assert set(await watched.written()) == {2}


async def test_a_use_that_could_not_be_written_waits_and_nobody_else_does() -> None:
    watched = Watched()
    texts = [watched.keys.put("lsm_one", "machine", 7), watched.keys.put("lsf_one", "fleet", None)]
    watched.store.failing = StoreUnavailable("the disk is full")
    for _ in range(3):
        for text in texts:
            await watched.use(text)
        with pytest.raises(StoreUnavailable):
            await watched.written()
        watched.clock.seconds += 0.1
    watched.store.failing = None
    assert set(await watched.written()) == {1, 2}


async def test_a_key_that_is_refused_is_not_used() -> None:
    watched = Watched()
    off = watched.keys.put("lsm_off", enabled=False)
    over = watched.keys.put("lsm_over", expires_at=watched.clock.now())
    await watched.use(off)
    assert await watched.cache.find(over.encode(), watched.clock.now()) is None
    assert await watched.cache.known(off.encode(), watched.clock.now()) is None
    assert await watched.written() == {}


async def test_a_clock_that_is_put_back_stops_no_request() -> None:
    watched = Watched()
    text = watched.keys.put("lsm_one", "machine", 7)
    await watched.use(text)
    watched.clock.put -= 900
    await watched.use(text)
    assert len(await watched.written()) == 1


async def test_of_every_kind_of_key_it_is_listed_when_it_was_last_used(tmp_path: Path) -> None:
    """By a cache for each of two nodes, on one database."""
    async with a_site(tmp_path, public_url="https://seen.example") as site:
        office, other = site.app.office, KeyCache(site.store, site.clock)
        pump = await machines.add(office, "pump", {})
        texts = [(await key_verbs.add(office, scope))["key"] for scope in ("api", "fleet", "ping")]
        texts += [
            secret(one.rstrip("/").rpartition("/")[2]) for one in (pump["key"], pump["ping_url"], pump["push_url"])
        ]
        for cache in (site.app.keys, other, site.app.keys, other, other):
            site.clock.seconds += 3600
            for text in texts:
                assert await cache.find(text.encode(), site.clock.now())
        await other.used.write(site.store)
        await site.app.keys.used.write(site.store)  # the later writes what is older
        listed = await key_verbs.listed(office)
        assert sorted(key["scope"] for key in listed) == ["api", "fleet", "machine", "ping", "ping", "push"]
        assert {key["last_used_at"] for key in listed} == {rfc3339(site.clock.now())}
