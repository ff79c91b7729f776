"""How long somebody waits for the database, counted in looks."""

from __future__ import annotations

import asyncio

from lastseen.ingest.patience import LOOK_EVERY, PATIENCE, Patience


async def test_who_waits_longest_is_who_counts_and_whoever_is_answered_waits_anew() -> None:
    missed: list[float] = []
    patience = Patience(missed.append)
    go = asyncio.Event()

    async def asks() -> None:
        task = patience.begin()
        await go.wait()
        patience.answered()
        assert patience.waited() <= 4 * LOOK_EVERY
        patience.end(task)

    first = asyncio.create_task(asks())
    await asyncio.sleep(0)
    assert patience.waited() == 0, "not for longer than from look to look"
    for _ in range(3):
        patience._look()
    assert patience.waited() == 4 * LOOK_EVERY, "it came before the first of these looks"
    second = asyncio.create_task(asks())
    await asyncio.sleep(0)
    assert patience.waited() == 4 * LOOK_EVERY
    go.set()
    await asyncio.gather(first, second)
    assert (patience.waited(), missed) == (0, [])


async def test_whose_patience_is_over_is_told_of_with_how_long_that_was() -> None:
    missed: list[float] = []
    patience = Patience(missed.append)

    async def asks() -> None:
        task = patience.begin()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert patience.is_over(task)

    task = asyncio.create_task(asks())
    await asyncio.sleep(0)
    while not missed:
        patience._look()
    await task
    assert PATIENCE <= missed[0] <= PATIENCE + 2 * LOOK_EVERY
