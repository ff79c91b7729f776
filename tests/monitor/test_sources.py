"""Ways in beside the program's own calls: their blind time, what is told of it, and what brokers say of machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lastseen.model import BlindReason, Said
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.sources import Port
from lastseen.testing import FakeClock, RecordingNotifier
from tests.monitor.cases import STORES, scene
from tests.monitor.comings import say
from tests.support import eventually


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_while_a_link_is_lost_nobody_who_was_heard_on_it_is_blamed_and_everybody_else_is(
    store: str, tmp_path: Path
) -> None:
    async with scene(store, tmp_path) as s:
        async with s.monitor.source("broker") as port:
            assert await say(port, "pump", add={})
            await s.beat("web")
        await s.clock.advance("4m")
        assert s.types == ["machine.offline web"]
        async with s.monitor.source("broker"):
            await s.clock.advance("2m50s")
            assert s.types == ["machine.offline web"], "its full threshold again"
            await s.clock.advance("30s")
        assert s.types == ["machine.offline web", "machine.offline pump"]


async def test_a_source_that_stays_blind_is_an_alert_of_its_own_and_so_is_its_end_once(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        async with s.monitor.source("broker") as port:
            await say(port, "pump", add={})
        await s.clock.advance("4m59s")
        assert s.types == []
        await s.clock.advance("2s")
        assert [e.type for m in s.told.messages for e in m.events] == ["source.blind"]
        blind = s.told.messages[0].event
        assert blind.snapshot["source"]["name"] == "broker"
        assert blind.snapshot["held"] == 1
        await s.clock.advance("2h")
        assert len(s.told.messages) == 1
        async with s.monitor.source("broker"):
            await s.clock.advance("89s")
            assert len(s.told.messages) == 1
            await s.clock.advance("1s")
            assert [m.event.type for m in s.told.messages] == ["source.blind", "source.restored"]
            restored = s.told.messages[1].event
            assert (restored.snapshot["heard"], restored.snapshot["waiting"]) == (0, ["pump"])
            assert restored.incident == blind.uid
            assert restored.snapshot["seconds"] == pytest.approx(2 * 3600 + 301, abs=1)


@pytest.mark.parametrize(("after", "told_after"), [(5, 10), (20, 30), (40, 90)])
async def test_the_end_is_told_when_everybody_was_heard_again(tmp_path: Path, after: int, told_after: int) -> None:
    async with scene("sqlite", tmp_path) as s:
        async with s.monitor.source("broker") as port:
            for name in ("pump", "fan"):
                await say(port, name, add={})
            await say(port, "quiet", add={"offline_after": "never"})
        await s.clock.advance("20m")
        async with s.monitor.source("broker") as port:
            await say(port, "pump")
            await s.clock.advance(f"{after}s")
            await say(port, "fan")
            await s.clock.advance(f"{told_after - after}s")
            assert [m.event.type for m in s.told.messages] == ["source.blind", "source.restored"]
            assert "3 of 3 heard again." in s.told.messages[1].text


async def test_a_link_that_is_lost_again_at_once_is_told_of_as_it_was(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        async with s.monitor.source("broker") as port:
            await say(port, "pump", add={})
        await s.clock.advance("20m")
        async with s.monitor.source("broker"):
            await s.clock.advance("15s")
        await s.clock.advance("4m")
        assert [m.event.type for m in s.told.messages] == ["source.blind", "source.restored"]
        await s.clock.advance("2m")
        assert [m.event.type for m in s.told.messages][2:] == ["source.blind"], "a loss of its own"


async def test_a_short_loss_is_told_to_nobody(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        for _ in range(3):
            async with s.monitor.source("broker") as port:
                await say(port, "pump", add={})
                await s.clock.advance("1m")
            await s.clock.advance("2m")
        assert s.types == []


async def test_a_restart_while_the_link_is_lost_goes_on_with_the_same_loss(tmp_path: Path) -> None:
    """One alert, not one of each process; and the time between is not held against anybody."""
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s:
        async with s.monitor.source("broker") as port:
            await say(port, "pump", add={})
        await clock.advance("6m")
    assert [m.event.type for m in told.messages] == ["source.blind"]
    way = Script("broker")
    async with scene("sqlite", tmp_path, clock=clock, told=told, sources=[way]) as s:
        await clock.advance("10m")
        assert [m.event.type for m in told.messages] == ["source.blind"]
        way.port.up()
        await clock.advance("2m")
        assert [m.event.type for m in told.messages] == ["source.blind", "source.restored"]
        assert told.messages[1].event.incident == told.messages[0].event.uid
        await clock.advance("2m")
        assert told.messages[-1].event.machine == "pump"


@pytest.mark.parametrize("meanwhile", [Said.PRESENT, Said.ABSENT, None])
async def test_what_a_broker_says_of_a_paused_machine_is_the_truth_when_it_is_resumed(
    store: str, tmp_path: Path, meanwhile: Said | None
) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "lamp", Said.PRESENT, add={"offline_after": "never"})
        await s.clock.advance("1m")
        await s.monitor.pause("lamp")
        await s.clock.advance("1h")
        for word in () if meanwhile is None else (Said.ABSENT, Said.PRESENT, meanwhile):
            await say(port, "lamp", word)
        await s.monitor.resume("lamp")
        status = await s.monitor.status("lamp")
        assert status.status == "online", "its grace begins"
        assert status.awaited is (meanwhile is Said.ABSENT), "by the word of its broker it is there"
        await s.clock.advance("11s")
        gone = meanwhile is Said.ABSENT
        assert (await s.monitor.status("lamp")).status == ("offline" if gone else "online")
        assert s.types == (["machine.offline lamp"] if gone else [])
        await say(port, "lamp", Said.PRESENT)
        await s.clock.advance("1s")
        assert s.types == (["machine.offline lamp", "machine.online lamp"] if gone else [])


async def test_a_machine_that_nobody_ever_spoke_of_is_awaited_when_it_is_resumed(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("lamp")
        await s.monitor.pause("lamp")
        await s.monitor.resume("lamp")
        assert (await s.monitor.status("lamp")).status == "provisioning"


async def test_a_goodbye_waits_for_the_grace_that_a_machine_has_of_its_own(store: str, tmp_path: Path) -> None:
    """That of a job is another: how late it may be."""
    async with scene(store, tmp_path, offline_after="never") as s:
        await s.monitor.watch("plain")
        await s.monitor.watch("patient", grace="5m")
        await s.monitor.watch("job", kind="job", grace="5m")
        for name in ("plain", "patient", "job"):
            await s.beat(name)
            await s.monitor.goodbye(name)
        await s.clock.advance("4m59s")
        assert sorted(s.types) == ["machine.offline job", "machine.offline plain"]
        await s.clock.advance("2s")
        assert s.types[2:] == ["machine.offline patient"]


async def test_an_outage_by_a_brokers_word_began_when_it_was_said(store: str, tmp_path: Path) -> None:
    """It was there until then, however long nothing was said of it; only its own heartbeats tell more."""
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "lamp", Said.PRESENT, add={"offline_after": "never"})
        await say(port, "plug", Said.PRESENT, add={"offline_after": "1h"})
        await s.clock.advance("10m")
        await say(port, "plug")
        await s.clock.advance("5m")
        for name in ("lamp", "plug"):
            await say(port, name, Said.ABSENT)
        await s.clock.advance("1m")
        began = {m.event.machine: m.event.snapshot["outage"]["started_at"] for m in s.told.messages}
        assert began == {"lamp": "2026-01-01T12:15:00Z", "plug": "2026-01-01T12:10:00Z"}


class Script:
    """A way in that a test speaks through."""

    kind = "script"

    def __init__(self, name: str) -> None:
        self.name, self.runs, self.fail = name, 0, False

    async def run(self, port: Port) -> None:
        self.port, self.runs = port, self.runs + 1
        if self.fail:
            raise OSError("the far end is not there")
        await asyncio.Event().wait()


async def test_a_source_that_never_came_up_is_blind_from_the_start(tmp_path: Path) -> None:
    clock, told = FakeClock(), RecordingNotifier()
    async with scene("sqlite", tmp_path, clock=clock, told=told) as s, s.monitor.source("broker") as port:
        await say(port, "pump", add={})
        await clock.advance("1m")
    await clock.advance("1m")
    async with scene("sqlite", tmp_path, clock=clock, told=told, sources=[Script("broker")]) as s:
        await clock.advance("1h")
    assert [m.event.type for m in told.messages] == ["source.blind"], "and nobody is offline"


async def test_a_way_in_that_fails_is_blind_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastseen.monitor.sources.AGAIN", 0.01)
    way = Script("broker")
    way.fail = True
    async with HeartbeatMonitor(sources=[way]):
        await eventually(lambda: way.runs >= 3)
        assert not way.port._ear.hears


async def test_a_broker_says_who_is_there_and_only_a_change_is_news(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "lamp", Said.PRESENT, add={"offline_after": "never"})
        await s.clock.advance("1s")
        assert (await s.monitor.status("lamp")).status == "online"
        assert await s.monitor.last_seen("lamp") is None, "a broker's word is no heartbeat"
        await s.clock.advance("30d")
        assert s.types == [], "no deadline while our link is up"
        await say(port, "lamp", Said.ABSENT)
        await s.clock.advance("9s")
        assert s.types == []
        await s.clock.advance("2s")
        assert s.types == ["machine.offline lamp"]
        assert s.told.messages[0].event.reason == "goodbye"
        for _ in range(3):
            await say(port, "lamp", Said.ABSENT)
            await s.clock.advance("1m")
        await say(port, "lamp", Said.PRESENT)
        await s.clock.advance("1s")
        assert s.types == ["machine.offline lamp", "machine.online lamp"]


async def test_a_broker_that_says_the_same_again_does_not_revive_a_silent_machine(store: str, tmp_path: Path) -> None:
    """Presence and heartbeats: what is retained is read again after every reconnect."""
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "lamp", Said.PRESENT, add={"offline_after": "5m"})
        await say(port, "lamp")
        await s.clock.advance("6m")
        assert s.types == ["machine.offline lamp"]
        await say(port, "lamp", Said.PRESENT)
        await s.clock.advance("10m")
        assert s.types == ["machine.offline lamp"]
        await say(port, "lamp")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline lamp", "machine.online lamp"]


async def test_a_machine_that_comes_and_goes_within_the_grace_is_no_outage(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "lamp", Said.PRESENT, add={"offline_after": "never"})
        for _ in range(5):
            await s.clock.advance("1m")
            await say(port, "lamp", Said.ABSENT)
            await s.clock.advance("5s")
            await say(port, "lamp", Said.PRESENT)
        await s.clock.advance("1m")
        assert s.types == []


async def test_a_stream_is_consumed_many_at_once_and_what_is_wrong_in_it_stops_nothing(
    store: str, tmp_path: Path
) -> None:
    async def messages() -> AsyncIterator[tuple[str, object]]:
        for n in range(500):
            yield f"m{n % 50}", {"n": n}
        yield "bad", '{"status": "dying"}'
        yield "worse", "{"
        yield "skip", None
        yield "raise", None

    def parse(message: tuple[str, Any]) -> tuple[str, Any] | None:
        if message[0] == "raise":
            raise RuntimeError("a bug in the program's own code")
        return None if message[0] == "skip" else message

    async with scene(store, tmp_path) as s, s.monitor.source("broker"):
        await s.monitor.consume(messages(), parse, source="broker")
        known = await s.monitor.statuses([*(f"m{n}" for n in range(50)), "bad", "worse", "skip"])
        assert len(known) == 50
        assert all(status.sources == ("broker",) for status in known.values())


async def test_the_loss_of_a_link_begins_when_something_was_last_received(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port:
        await s.clock.advance("1m")
        received = s.clock.now()
        await s.clock.advance("40s")
        port.down(received)
        await s.monitor.sweep()
        periods = [p for p in s.monitor._loops.listener.periods if p.reason is BlindReason.LINK]
        assert periods[-1].started_at == received


async def test_a_link_that_is_lost_before_anything_came_is_lost_since_it_was_there_again(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port:
        received = s.clock.now()
        await s.clock.advance("1m")
        port.down(received)
        await s.clock.advance("1m")
        port.up()
        again = s.clock.now()
        await s.clock.advance("30s")
        port.down(received)
        await s.monitor.sweep()
        periods = [p for p in s.monitor._loops.listener.periods if p.reason is BlindReason.LINK]
        assert [p.started_at for p in periods][-2:] == [received, again]


class Slow:
    """A way in whose far end still has something for us when it is asked."""

    name, kind = "slow", "code"

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def run(self, port: Port) -> None:
        async def catch_up() -> None:
            for machine in self.kept:
                await say(port, machine, add={})

        port.catches_up(catch_up)
        port.up()
        await asyncio.Event().wait()


async def test_before_anybody_is_found_silent_it_is_asked_what_stands_in_queues(store: str, tmp_path: Path) -> None:
    slow = Slow()
    async with scene(store, tmp_path, sources=[slow]) as s:
        slow.kept = ["pump"]
        await eventually(lambda: s.monitor._loops.listener.ears["slow"].catch_up)
        await s.clock.advance("1m")
        await s.monitor.sweep()
        await s.clock.advance("20m")
        assert s.types == [], "each time that it would be found silent it is heard"
        slow.kept = []
        await s.clock.advance("4m")
        assert s.types == ["machine.offline pump"]


class Parted:
    """A way in that is taken away while it makes a part of its own."""

    name, kind = "whole", "code"

    async def run(self, port: Port) -> None:
        await port.part("part")


async def test_a_part_that_is_just_being_made_goes_with_its_source(tmp_path: Path) -> None:
    async with scene("memory", tmp_path) as s:
        listener, held = s.monitor._loops.listener, asyncio.Event()
        keep = listener.keep

        async def slow_keep() -> None:
            if "whole/part" in listener.ears and not held.is_set():
                held.set()
                await asyncio.Event().wait()
            await keep()

        listener.keep = slow_keep  # type: ignore[method-assign]
        await s.monitor.add_source(Parted())
        await eventually(held.is_set)
        await s.monitor.drop_source("whole")
        assert set(listener.ears) == {"http"}
