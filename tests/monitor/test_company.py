"""Where several processes listen, silence is decided on a second after the deadline: another may have heard in time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.model import Beat
from tests.monitor.cases import Scene, scene

pytestmark = pytest.mark.parametrize("store", ["memory", "sqlite"])


async def in_company(s: Scene) -> None:
    s.monitor._loops._membership.company = True
    await s.monitor.heartbeat("web")
    await s.clock.advance("1s")  # it is online


def types(s: Scene) -> list[str]:
    return [message.event.type for message in s.told.messages]


async def test_silence_is_told_a_second_after_the_deadline(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await in_company(s)
        await s.clock.advance("179.9s")
        assert types(s) == []
        await s.clock.advance("0.2s")
        assert types(s) == ["machine.offline"]


async def test_what_another_process_heard_in_time_and_wrote_late_is_no_silence(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await in_company(s)
        heard = s.clock.now() + timedelta(seconds=178)
        await s.clock.advance("179.5s")
        await s.monitor.store.record([Beat("web", heard)], s.clock.now())
        await s.clock.advance("2m")
        assert types(s) == []
        await s.clock.advance("2m")
        assert types(s) == ["machine.offline"]


async def test_alone_it_is_told_at_the_deadline(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.heartbeat("web")
        await s.clock.advance("180s")
        assert types(s) == ["machine.offline"]


async def test_what_comes_back_is_told_at_once(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await in_company(s)
        await s.clock.advance("10m")
        heard = s.clock.now()
        await s.monitor.heartbeat("web")
        await s.clock.advance("1ms")
        assert types(s) == ["machine.offline", "machine.online"]
        offline, online = (message.event for message in s.told.messages)
        assert online.seq == (offline.seq or 0) + 1
        assert online.at == heard


async def test_one_that_comes_back_brings_no_verdict_on_another_forward(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await in_company(s)
        await s.clock.advance("5m")
        await s.monitor.heartbeat("db")
        await s.clock.advance("179.5s")
        await s.monitor.heartbeat("web")
        await s.clock.advance("0.8s")
        assert types(s) == ["machine.offline", "machine.online"], "db has another 0.7 s"
        await s.clock.advance("1s")
        assert types(s)[2:] == ["machine.offline"]
