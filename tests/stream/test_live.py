"""One reader for all who follow: what waits for one is bounded, and whoever was slow misses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from lastseen.errors import Busy, StoreUnavailable
from lastseen.model.seen import Seen
from lastseen.monitor import live as module
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.live import Follower, Live
from lastseen.storage.memory import MemoryStore
from lastseen.testing import FakeClock
from tests.stream.lives import Frame, frame
from tests.support import eventually


class Counted(MemoryStore):
    """Counts what it is asked, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.failing = 0, False

    async def sequel(self, seen: Seen, limit: int = 500, within: Seen | None = None) -> Any:
        self.asked += 1
        if self.failing:
            raise StoreUnavailable("not now")
        return await super().sequel(seen, limit, within)


class Stand:
    """A monitor with one machine that changes, and who follows it."""

    def __init__(self) -> None:
        self.store = Counted()
        self.monitor = HeartbeatMonitor(self.store, clock=FakeClock())
        self.live: Live[Frame] = Live(self.monitor, frame)
        self.happened = 0

    async def happen(self, count: int) -> None:
        for _ in range(count):
            await (self.monitor.resume("pump") if self.happened % 2 else self.monitor.pause("pump"))
            self.happened += 1

    async def follower(self) -> Follower[Frame]:
        """Who follows from now on."""
        made = self.live.follow()
        await made.next()
        return made


async def taken(follower: Follower[Frame], count: int) -> list[int]:
    """The `seq` of so many events."""
    found: list[int] = []
    while len(found) < count:
        found += [one.frame[1]["seq"] for one in await follower.next() or ()]
    return found


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setattr(module, "POLL", 0.01)
    monkeypatch.setattr(module, "SPACED", 0.001)
    monkeypatch.setattr(module, "AFTER_TROUBLE", 0.01)
    made = Stand()
    async with made.monitor, made.live.running():
        await made.monitor.watch("pump")
        yield made


async def test_what_waits_for_one_who_takes_nothing_is_bounded_and_nothing_is_lost(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    slow, quick = await stand.follower(), await stand.follower()
    most = 0
    for _ in range(10):
        await stand.happen(10)
        await taken(quick, 10)
        most = max(most, slow.waiting)
    assert 0 < most <= 20
    assert slow.waiting <= 20
    assert await taken(slow, 100) == list(range(2, 102))
    await stand.happen(2)
    assert await taken(slow, 2) == [102, 103], "it follows with the others again"


async def test_the_store_is_read_once_for_all(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 600.0)  # nobody looks without a reason
    many = [await stand.follower() for _ in range(50)]
    before = stand.store.asked
    await stand.happen(1)
    for follower in many:
        assert await taken(follower, 1) == [2]
    assert stand.store.asked - before <= 2, "as often as was looked, however many follow"


async def test_nothing_is_read_while_nobody_follows(stand: Stand) -> None:
    follower = await stand.follower()
    stand.live.leave(follower)
    stand.live.leave(follower)
    await stand.happen(4)
    before = stand.store.asked
    for _ in range(100):
        await asyncio.sleep(0)
    assert stand.store.asked == before
    again = await stand.follower()
    await stand.happen(1)
    assert await taken(again, 1) == [6], "from now on, and not from where somebody left"


async def test_who_comes_right_after_the_last_one_left_follows_from_then_on(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 600.0)  # nobody looks without a reason
    monkeypatch.setattr(module, "PLACED_WITHIN", 600.0)
    before = await stand.follower()
    await stand.happen(1)
    assert await taken(before, 1) == [2]
    stand.live.leave(before)
    again = stand.live.follow()
    await asyncio.wait_for(stand.live.place(again), 60)
    assert again.up_to_date
    await stand.happen(1)
    assert await taken(again, 1) == [3]


async def test_who_cannot_be_told_from_where_on_follows_all_the_same(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLACED_WITHIN", 0.01)
    monkeypatch.setattr(stand.store, "seen_all", asyncio.Event().wait)  # it does not answer
    follower = stand.live.follow()
    await stand.live.place(follower)
    assert follower in stand.live.followers
    assert not follower.begun


async def test_what_happens_while_the_store_fails_is_told_when_it_can_be_read(stand: Stand) -> None:
    follower, behind = await stand.follower(), stand.live.follow(Seen(0))
    stand.store.failing = True
    await stand.happen(3)
    before = stand.store.asked
    reading = asyncio.create_task(taken(behind, 4))
    await eventually(lambda: stand.store.asked > before + 3)
    stand.store.failing = False
    assert await taken(follower, 3) == [2, 3, 4]
    assert await reading == [1, 2, 3, 4]


async def test_who_is_cancelled_while_they_wait_loses_nothing(stand: Stand) -> None:
    follower = stand.live.follow(Seen(0))
    found: list[int] = []
    for number in range(30):
        task = asyncio.create_task(follower.next())
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            found += [one.frame[1]["seq"] for one in await task or ()]
        await stand.happen(1)
    found += await taken(follower, 31 - len(found))
    assert found == list(range(1, 32))


async def test_it_is_over_for_everybody_at_once(stand: Stand) -> None:
    waiting = [asyncio.create_task((await stand.follower()).next()) for _ in range(20)]
    await asyncio.sleep(0)
    stand.live.close()
    assert await asyncio.gather(*waiting) == [None] * 20
    with pytest.raises(Busy):
        stand.live.follow()


async def test_only_so_many_may_follow(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FOLLOWING", 3)
    followers = [await stand.follower() for _ in range(3)]
    with pytest.raises(Busy):
        stand.live.follow()
    stand.live.leave(followers[0])
    assert stand.live.follow()


async def test_nobody_keeps_all_others_out(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE", 2)
    ann = [stand.live.follow(by="ann") for _ in range(2)]
    with pytest.raises(Busy):
        stand.live.follow(by="ann")
    assert stand.live.follow(by="bob")
    stand.live.leave(ann[0])
    assert stand.live.follow(by="ann")


async def test_a_position_that_never_was_begins_anew(stand: Stand) -> None:
    follower = stand.live.follow(Seen(1_000))
    assert not await follower.next()
    assert follower.reset
    await stand.happen(1)
    assert await taken(follower, 1) == [2]
