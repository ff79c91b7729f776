"""The six cases of the Go monitor that this one replaces, by name, and their neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastseen.model import Status
from tests.monitor.cases import EVERY_STORE, scene

pytestmark = pytest.mark.parametrize("store", EVERY_STORE)


async def test_goes_offline(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("10m")
        assert s.types == ["machine.offline web-1"]
        status = await s.monitor.status("web-1")
        assert status.status is Status.OFFLINE
        assert status.notified_at is not None


async def test_comes_back(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("10m")
        await s.beat("web-1")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline web-1", "machine.online web-1"]
        assert await s.monitor.is_online("web-1")


async def test_no_duplicate(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("2d")
        for _ in range(5):
            await s.monitor.sweep()
        await s.clock.advance("2d")
        assert s.types == ["machine.offline web-1"]


async def test_stays_online(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.keep_beating(["web-1"], minutes=30)
        assert s.types == []
        assert await s.monitor.is_online("web-1")


async def test_stays_offline(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("10m")
        since = (await s.monitor.status("web-1")).status_since
        await s.clock.advance("10h")
        status = await s.monitor.status("web-1")
        assert (status.status, status.status_since) == (Status.OFFLINE, since)
        assert len(s.told.messages) == 1


async def test_several_in_different_states(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("stays", "goes", "returns", "pauses")
        await s.monitor.watch("never-heard")
        await s.monitor.pause("pauses")
        await s.keep_beating(["stays"], minutes=10)
        await s.beat("returns")
        await s.clock.advance("1s")
        known = await s.monitor.statuses(["stays", "goes", "returns", "pauses", "never-heard", "nobody"])
        assert {slug: status.status.value for slug, status in known.items()} == {
            "stays": "online",
            "goes": "offline",
            "returns": "online",
            "pauses": "paused",
            "never-heard": "provisioning",
        }
        assert sorted(s.types) == ["machine.offline goes", "machine.offline returns", "machine.online returns"]


async def test_an_empty_due_list_is_no_trouble(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        assert await s.monitor.sweep() == []
        await s.beat("web-1")
        await s.clock.settled()
        assert await s.monitor.sweep() == []


async def test_just_under_the_threshold_nobody_is_told_and_just_over_it_somebody_is(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("179.999s")
        assert s.types == []
        await s.clock.advance("2ms")
        assert s.types == ["machine.offline web-1"]
        outage = s.told.messages[0].event
        assert outage.last_seen is not None
        assert (outage.at - outage.last_seen).total_seconds() == pytest.approx(180, abs=0.001)


async def test_ingest_never_sets_the_status_yet_recovery_is_told_at_once(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("web-1")
        await s.clock.advance("10m")
        at_record: list[Status] = []
        record = s.monitor.store.record

        async def watched(beats, now):  # type: ignore[no-untyped-def]
            recorded = await record(beats, now)
            at_record.extend(x.liveness.status for x in (await s.monitor.store.liveness(["web-1"])).values())
            return recorded

        s.monitor.store.record = watched  # type: ignore[method-assign]
        await s.beat("web-1")
        await s.clock.settled()
        assert at_record == [Status.OFFLINE]
        assert s.types[-1] == "machine.online web-1"


async def test_sweep_returns_exactly_the_newly_offline(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("a", "b", "c")
        s.clock.jump("1s")
        await s.clock.settled()
        loops = s.monitor._loops
        loops._schedule.wait = _for_ever  # type: ignore[method-assign]  # only sweeps by hand
        loops._schedule.wake()
        await s.clock.settled()
        await s.clock.advance("2m")
        await s.beat("c")
        await s.clock.advance("90s")
        assert sorted(str(e.machine) for e in await s.monitor.sweep()) == ["a", "b"]
        assert await s.monitor.sweep() == []


async def _for_ever() -> None:
    import anyio

    await anyio.sleep_forever()


async def test_two_machines_at_once_on_one_channel_are_both_told(store: str, tmp_path: Path) -> None:
    """The system this replaces drops the second."""
    async with scene(store, tmp_path) as s:
        await s.beat("a", "b")
        await s.clock.advance("3m")
        await s.clock.advance("1s")
        assert sorted(s.types) == ["machine.offline a", "machine.offline b"]
        assert len({m.id for m in s.told.messages}) == 2
