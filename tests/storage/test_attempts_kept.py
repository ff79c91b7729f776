"""What became of each attempt is kept, whatever becomes of the next one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from lastseen.testing.script import again, at, lease
from lastseen.testing.suite_base import offline
from lastseen.testing.suite_outbox import BUSY, done, take


def outcomes(folder: Path) -> list[str | None]:
    with closing(sqlite3.connect(folder / "lastseen.db")) as db:
        return [row[0] for row in db.execute("SELECT outcome FROM delivery_attempts ORDER BY id")]


async def test_one_that_was_interrupted_leaves_those_before_it_as_they_ended(store: Any, tmp_path: Path) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "pump", channels=[ops])
    (first,) = await take(store, [ops], 200)
    assert await store.finish(lease([ops]), first, BUSY, again(at(230)), at(201))
    await take(store, [ops], 230)
    assert outcomes(tmp_path) == ["retry", None]
    (third,) = await take(store, [ops], 300, token=2)
    assert outcomes(tmp_path) == ["retry", "lost", None]
    assert await done(store, third, [ops], 301, token=2)
    assert outcomes(tmp_path) == ["retry", "lost", "delivered"]


async def test_one_that_ends_after_it_was_given_up_says_how_it_ended_and_counts_no_more(
    store: Any, tmp_path: Path
) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "pump", channels=[ops])
    (late,) = await take(store, [ops], 200)
    (now,) = await take(store, [ops], 300, token=2)
    assert not await done(store, late, [ops], 301)
    assert outcomes(tmp_path) == ["delivered", None]
    assert await store.finish(lease([ops], 2), now, BUSY, again(at(330)), at(302))
    assert not await done(store, now, [ops], 303, token=2)
    assert outcomes(tmp_path) == ["delivered", "retry"], "it has ended once"
