"""The cache of keys: what it remembers, and how soon it forgets."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.ingest.auth import CAPACITY, FRESH, MISSES, Grant, KeyCache, digest_of, new_key
from tests.server.fakes import FakeKeys, HandClock
from tests.support import eventually


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def cache(keys: FakeKeys, clock: HandClock) -> KeyCache:
    return KeyCache(keys, clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(("scope", "prefix"), [("machine", "lsm_"), ("fleet", "lsf_"), ("api", "lsa_")])
def test_a_new_key_says_its_scope_and_is_stored_by_its_digest(scope: str, prefix: str) -> None:
    key = new_key(scope)
    assert key.text.startswith(prefix)
    assert len(key.text) == 47
    assert key.hint == key.text[:12]
    assert key.digest == hashlib.sha256(key.text.encode()).hexdigest() == digest_of(key.text.encode())
    assert key.text not in repr(key)
    assert new_key(scope).text != key.text


async def test_a_key_is_asked_for_once_and_remembered(cache: KeyCache, keys: FakeKeys, clock: HandClock) -> None:
    text = keys.put("lsm_one").encode()
    assert cache.get(text, clock.now()) is None
    found = await cache.find(text, clock.now())
    assert found is not None
    assert found.machine_id == 1
    assert cache.get(text, clock.now()) is found
    assert await cache.find(text, clock.now()) is found
    assert len(keys.reads) == 1


async def test_the_store_is_asked_for_its_version_at_most_twice_a_second(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_one").encode()
    for _ in range(100):
        await cache.find(text, clock.now())
    assert keys.version_reads == 1
    clock.seconds += FRESH
    assert cache.get(text, clock.now()) is None
    await cache.find(text, clock.now())
    assert (keys.version_reads, len(keys.reads)) == (2, 1)


async def test_what_another_process_changes_is_seen_when_the_time_is_over(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_one").encode()
    assert await cache.find(text, clock.now())
    keys.drop("lsm_one")
    keys.put("lsm_two")
    clock.seconds += FRESH
    assert cache.get(text, clock.now()) is None
    assert await cache.find(text, clock.now()) is None
    assert await cache.find(b"lsm_two", clock.now())


async def test_a_wrong_key_is_asked_for_once_until_the_next_look(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    for _ in range(5):
        assert await cache.find(b"lsm_wrong", clock.now()) is None
    assert len(keys.reads) == 1
    clock.seconds += FRESH
    assert await cache.find(b"lsm_wrong", clock.now()) is None
    assert len(keys.reads) == 2


async def test_what_has_not_the_form_of_a_key_is_not_asked_for(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    for text in (b"", b"password", b"lsx_abc", b"lsm_" + b"x" * 500, b"\xff\xfe"):
        assert await cache.find(text, clock.now()) is None
    assert keys.reads == []


async def test_the_caches_are_bounded(keys: FakeKeys, clock: HandClock) -> None:
    cache = KeyCache(keys, clock, capacity=10)  # type: ignore[arg-type]
    texts = [keys.put(f"lsm_{n}", machine=n).encode() for n in range(100)]
    for text in texts:
        assert await cache.find(text, clock.now())
    assert len(cache) <= 10
    assert await cache.find(texts[-1], clock.now())
    assert len(keys.reads) == 100, "the newest are still there"
    for n in range(MISSES + 50):
        await cache.find(f"lsm_wrong{n}".encode(), clock.now())
    assert len(cache._misses) == MISSES
    assert CAPACITY >= 100_000


async def test_one_that_is_used_stays_while_others_come_and_go(keys: FakeKeys, clock: HandClock) -> None:
    cache = KeyCache(keys, clock, capacity=10)  # type: ignore[arg-type]
    favourite = keys.put("lsm_favourite").encode()
    for n in range(50):
        await cache.find(favourite, clock.now())
        await cache.find(keys.put(f"lsm_{n}").encode(), clock.now())
    assert keys.reads.count(digest_of(favourite)) == 1


async def test_a_key_ends_when_it_expires(cache: KeyCache, keys: FakeKeys, clock: HandClock) -> None:
    text = keys.put("lsm_one", expires_at=clock.now() + timedelta(seconds=0.2)).encode()
    assert await cache.find(text, clock.now())
    clock.seconds += 0.2
    assert cache.get(text, clock.now()) is None
    assert await cache.find(text, clock.now()) is None


async def test_the_first_use_of_a_key_is_written_down_once_and_keys_are_looked_at_again(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_new", fresh=True).encode()
    assert await cache.find(text, clock.now())
    reads = keys.version_reads
    assert await cache.find(text, clock.now())
    assert keys.version_reads == reads + 1, "what the new key replaces is over at once"
    assert cache.get(text, clock.now())
    assert keys.used == [1]


async def test_a_disabled_machines_key_is_not_used_up(cache: KeyCache, keys: FakeKeys, clock: HandClock) -> None:
    grant = await cache.find(keys.put("lsm_new", fresh=True, enabled=False).encode(), clock.now())
    assert grant is not None
    assert not grant.enabled
    assert keys.used == []


async def test_many_requests_with_one_unknown_key_ask_once(cache: KeyCache, keys: FakeKeys, clock: HandClock) -> None:
    text = keys.put("lsm_one").encode()
    grants = await asyncio.gather(*(cache.find(text, clock.now()) for _ in range(50)))
    assert all(grants)
    assert (len(keys.reads), keys.version_reads) == (1, 1)


async def asking(
    cache: KeyCache, keys: FakeKeys, text: bytes, clock: HandClock, count: int
) -> list[asyncio.Task[Grant | None]]:
    """So many who ask a store that answers once its gate is opened."""
    keys.gate = asyncio.Event()
    tasks = [asyncio.create_task(cache.find(text, clock.now())) for _ in range(count)]
    await eventually(lambda: keys.reads)
    return tasks


async def test_an_answer_that_was_read_before_keys_changed_is_not_remembered(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_one").encode()
    (slow,) = await asking(cache, keys, text, clock, 1)
    keys.drop("lsm_one")
    clock.seconds += FRESH
    gate, keys.gate = keys.gate, None
    assert gate is not None
    await cache.find(keys.put("lsm_other").encode(), clock.now())
    gate.set()
    await slow
    assert await cache.find(text, clock.now()) is None


async def test_a_store_that_is_away_is_no_wrong_key_and_is_asked_again(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_one").encode()
    keys.failing = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable):
        await cache.find(text, clock.now())
    keys.failing = None
    assert await cache.find(text, clock.now())


async def test_a_caller_who_gives_up_does_not_spoil_it_for_others(
    cache: KeyCache, keys: FakeKeys, clock: HandClock
) -> None:
    text = keys.put("lsm_one").encode()
    first, second = await asking(cache, keys, text, clock, 2)
    first.cancel()
    assert keys.gate is not None
    keys.gate.set()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first
