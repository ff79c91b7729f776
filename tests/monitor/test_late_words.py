"""What was said before an outage and is written down in it: by a node that stood still, or whose line hung."""

from __future__ import annotations

from datetime import timedelta
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
