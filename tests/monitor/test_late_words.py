"""What was said before an outage and is written down in it: by a node that stood still, or whose line hung."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lastseen.model import Beat, Said
from tests.monitor.cases import EVERY_STORE, Scene, scene

pytestmark = pytest.mark.parametrize("store", EVERY_STORE)
HOUR = timedelta(hours=1)


async def write(s: Scene, ago: timedelta, said: Said = Said.ALIVE) -> None:
    now = s.clock.now()
    await s.monitor.store.record([Beat("pump", now - ago, said)], now)


@pytest.mark.parametrize("said", [Said.ALIVE, Said.OK, Said.ERROR])
async def test_it_brings_nobody_back(store: str, tmp_path: Path, said: Said) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        assert s.types == ["machine.offline pump"]
        await write(s, HOUR, said)
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"]
        await s.beat("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]


async def test_what_is_heard_right_after_it_does(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        await write(s, HOUR)
        await write(s, timedelta(0))
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]
        assert (await s.monitor.status("pump")).is_online


async def test_nor_does_what_was_said_while_it_was_paused(store: str, tmp_path: Path) -> None:
    """It is newer than what was heard last, and older than the outage, which begins when it was watched again."""
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.monitor.pause("pump")
        await s.clock.advance("10m")
        await s.monitor.resume("pump")
        await s.clock.advance("10m")
        assert s.types == ["machine.offline pump"]
        await write(s, timedelta(minutes=15))
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"]
        await s.beat("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]


@pytest.mark.parametrize("said", [Said.ALIVE, Said.OK])
async def test_nor_does_what_is_so_old_that_it_is_silent_again_by_now(store: str, tmp_path: Path, said: Said) -> None:
    """By a node that was suspended, whose clock has stood still with it: the outage is older than that."""
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        assert s.types == ["machine.offline pump"]
        await write(s, timedelta(minutes=10), said)
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"]
        back = s.clock.now()
        await s.beat("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]
        assert ended_at(s) == back


async def test_one_that_it_is_not_silent_after_yet_does(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        said = s.clock.now() - timedelta(minutes=2)
        await write(s, timedelta(minutes=2))
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]
        assert ended_at(s) == said


@pytest.mark.parametrize(("first", "is_said"), [("10m", False), ("2m", True)])
async def test_it_came_back_with_the_first_word_that_was_followed_in_time(
    store: str, tmp_path: Path, first: str, is_said: bool
) -> None:
    """Both are in the store before anybody looks."""
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        ago = timedelta(minutes=int(first[:-1]))
        await write(s, ago)
        await write(s, timedelta(0))
        now = s.clock.now()
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"]
        assert ended_at(s) == (now - ago if is_said else now)


async def test_an_error_is_told_however_old_it_is(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("1h")
        await write(s, timedelta(minutes=10), Said.ERROR)
        await s.monitor.sweep()
        await s.clock.advance("1s")
        assert s.types[:2] == ["machine.offline pump", "machine.error pump"]


async def test_an_older_goodbye_does_not_hurry_one_that_is_known(store: str, tmp_path: Path) -> None:
    """Two nodes heard it; the one that was stopped dates it with the beginning of that."""
    async with scene(store, tmp_path, goodbye_grace="1m") as s:
        await s.beat("pump")
        await s.clock.advance("1m30s")
        await write(s, timedelta(seconds=5), Said.GOODBYE)
        await s.monitor.sweep()
        await write(s, timedelta(seconds=80), Said.GOODBYE)
        await s.monitor.sweep()
        await s.clock.advance("50s")
        assert s.types == []
        await s.clock.advance("40s")
        assert s.types == ["machine.offline pump"]


def ended_at(s: Scene) -> datetime:
    """Of the outage of what was told last."""
    (event,) = s.told.messages[-1].events
    return datetime.fromisoformat(event.snapshot["outage"]["ended_at"])
