"""What is shown again for some seconds: made once for all who ask, bounded, made anew when what it is of changes."""

from __future__ import annotations

import asyncio

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.web.public import kept as kept_module
from lastseen.web.public.kept import STALE, Kept, Shelf
from tests.server.fakes import HandClock

pytestmark = pytest.mark.anyio


class Made:
    """Counts how often it was made."""

    def __init__(self) -> None:
        self.times, self.fails = 0, False

    async def __call__(self) -> int:
        self.times += 1
        await asyncio.sleep(0)
        if self.fails:
            raise StoreUnavailable("away")
        return self.times


async def test_many_who_ask_at_once_have_it_made_once() -> None:
    clock, make = HandClock(), Made()
    kept = Kept(make, clock, 10)
    assert set(await asyncio.gather(*(kept.get() for _ in range(50)))) == {1}
    clock.seconds += 9
    assert await kept.get() == 1
    clock.seconds += 1
    assert set(await asyncio.gather(*(kept.get() for _ in range(50)))) == {2}


async def test_what_was_made_last_stands_in_for_some_minutes() -> None:
    clock, make = HandClock(), Made()
    kept = Kept(make, clock, 10)
    make.fails = True
    with pytest.raises(StoreUnavailable):
        await kept.get()
    make.fails = False
    first = await kept.get()
    make.fails = True
    clock.seconds += STALE - 1
    assert await kept.get() == first
    clock.seconds += 1
    with pytest.raises(StoreUnavailable):
        await kept.get()


async def test_a_shelf_holds_so_many_and_forgets_what_was_asked_for_longest_ago() -> None:
    shelf, make = Shelf[int](HandClock(), 10, most=3), Made()
    for name in ("a", "b", "c", "a", "d"):
        await shelf.get(name, name, make)
    assert make.times == 4
    await shelf.get("a", "a", make)
    assert make.times == 4
    await shelf.get("b", "b", make)
    assert make.times == 5, "it went, for d"
    assert len(shelf._kept) == 3


async def test_what_is_of_something_else_now_is_made_anew() -> None:
    shelf, make = Shelf[int](HandClock(), 10), Made()
    assert [await shelf.get("a", of, make) for of in ("one", "one", "two", "two")] == [1, 1, 2, 2]


async def test_what_hangs_is_waited_for_once_in_a_while_where_something_old_can_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_module, "PATIENCE", 0.05)
    clock, hangs, asked = HandClock(), asyncio.Event(), 0

    async def make() -> int:
        nonlocal asked
        asked += 1
        if hangs.is_set():
            await asyncio.Event().wait()
        return asked

    kept = Kept(make, clock, 10)
    assert await kept.get() == 1
    hangs.set()
    clock.seconds += 10
    assert await asyncio.gather(*(kept.get() for _ in range(20))) == [1] * 20
    assert asked == 2
    clock.seconds += 10
    assert await kept.get() == 1
    assert asked == 3
    hangs.clear()
    clock.seconds += 10
    assert await kept.get() == 4
