"""Machines over a real Mosquitto: what is heard, what is acknowledged, and what is not held against anybody."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.ingest.mqtt import MqttSource
from lastseen.model import Beat, BlindReason, Recorded
from lastseen.storage import open_store
from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import devices, has, hears, known, listening, publish, words
from tests.support import eventually


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastseen.ingest.mqtt.source.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("lastseen.ingest.mqtt.source.LONGEST_PAUSE", 0.2)


async def test_a_device_that_beats_is_added_and_known_by_its_topic(shared: Mosquitto, tmp_path: Path) -> None:
    async with listening(tmp_path, devices(shared, "a")) as (monitor, _):
        await publish(shared, "a/pump-1/heartbeat", '{"uptime_seconds": 5}')
        await publish(shared, "a/pump-2/heartbeat")
        await has(monitor, "pump-1")
        await has(monitor, "pump-2")
        status = await monitor.status("pump-1")
        assert (status.sources, status.group) == (("mqtt",), "mqtt")
        assert status.offline_after == timedelta(seconds=180)
        assert status.last_seen is not None


async def test_what_the_broker_keeps_is_no_heartbeat(shared: Mosquitto, tmp_path: Path) -> None:
    await publish(shared, "b/old/heartbeat", "{}", "-r")
    async with listening(tmp_path, devices(shared, "b")) as (monitor, _):
        await publish(shared, "b/new/heartbeat", "{}", "-r")
        await has(monitor, "new")
        assert await known(monitor, "old") == {}


async def test_unknown_machines_are_counted_and_one_that_was_declared_is_heard(
    shared: Mosquitto, tmp_path: Path
) -> None:
    async with listening(tmp_path, devices(shared, "c", auto_add=False)) as (monitor, _):
        await monitor.watch("declared")
        await publish(shared, "c/declared/heartbeat")
        await publish(shared, "c/stranger/heartbeat")
        await has(monitor, "declared")
        port = monitor._ways.ports["mqtt"]
        await eventually(lambda: ("unknown", "stranger") in port.heard_unknown())
        assert await known(monitor, "stranger") == {}


async def test_what_cannot_be_read_is_counted_and_harms_nobody(shared: Mosquitto, tmp_path: Path) -> None:
    async with listening(tmp_path, devices(shared, "d")) as (monitor, _):
        for payload in ("{", "[1]", '{"status": "dying"}', "x" * 70_000, '{"next_in": -1}'):
            await publish(shared, "d/odd/heartbeat", payload)
        await publish(shared, "d/fine/heartbeat")
        await has(monitor, "fine")
        port = monitor._ways.ports["mqtt"]
        assert port.heard_unknown()["malformed", "d/odd/heartbeat"].heard == 5
        assert await known(monitor, "odd") == {}


async def test_a_machine_that_cannot_be_made_as_the_source_says_is_counted_with_why(
    shared: Mosquitto, tmp_path: Path
) -> None:
    async with listening(tmp_path, devices(shared, "k", kind="teapot")) as (monitor, _):
        await publish(shared, "k/pump/heartbeat")
        port = monitor._ways.ports["mqtt"]
        await eventually(lambda: ("malformed", "pump") in port.heard_unknown())
        assert "no kind 'teapot'" in port.heard_unknown()["malformed", "pump"].detail


async def test_a_last_will_is_a_goodbye(shared: Mosquitto, tmp_path: Path) -> None:
    source = MqttSource(shared.url, presets=["tasmota"], base="e", auto_add=True)
    async with listening(tmp_path, source) as (monitor, told):
        device = shared.with_will("e/plug/LWT", "Offline")
        try:
            await publish(shared, "e/plug/LWT", "Online", "-r")
            await has(monitor, "plug")
        finally:
            device.kill()
            device.wait(60)
        await has(monitor, "plug", "offline")
        await eventually(lambda: words(told) == ["machine.offline plug"])
        assert told.messages[0].event.reason == "goodbye"
        await publish(shared, "e/plug/STATE", '{"Time":"x"}')
        await has(monitor, "plug")


async def test_presence_that_is_retained_is_the_truth_and_says_nothing_of_when(
    shared: Mosquitto, tmp_path: Path
) -> None:
    await publish(shared, "f/lamp/availability", "online", "-r")
    await publish(shared, "f/living room/availability", '{"state":"online"}', "-r")
    source = MqttSource(shared.url, presets=["zigbee2mqtt"], base="f", auto_add=True)
    async with listening(tmp_path, source) as (monitor, _):
        await has(monitor, "lamp")
        await has(monitor, "living-room")
        status = await monitor.status("lamp")
        assert (status.last_seen, status.offline_after) == (None, None)
        await publish(shared, "f/lamp/availability", "", "-r")
        await publish(shared, "f/attic/lamp/availability", "offline")
        await publish(shared, "f/attic/lamp/availability", "online")
        await has(monitor, "attic-lamp")
        assert (await known(monitor, "lamp"))["lamp"] == "online", "forgetting deletes nothing"


async def test_a_bridge_that_is_gone_holds_its_devices_and_groups_are_no_machines(
    shared: Mosquitto, tmp_path: Path
) -> None:
    await publish(shared, "g/bridge/devices", '[{"friendly_name": "lamp"}]', "-r")
    await publish(shared, "g/bridge/state", '{"state":"online"}', "-r")
    source = MqttSource(shared.url, presets=["zigbee2mqtt"], base="g", auto_add=True)
    async with listening(tmp_path, source) as (monitor, _):
        await publish(shared, "g/all lamps/availability", "online")
        await publish(shared, "g/lamp/availability", "online")
        await has(monitor, "lamp")
        assert await known(monitor, "all-lamps") == {}
        assert hears(monitor, "mqtt/g")
        await publish(shared, "g/bridge/state", '{"state":"offline"}', "-r")
        await eventually(lambda: not hears(monitor, "mqtt/g"))
        assert hears(monitor, "mqtt")
        await publish(shared, "g/bridge/state", "online", "-r")
        await eventually(lambda: hears(monitor, "mqtt/g"))


class Reluctance:
    """Of a store to write, for a while. It stays the same object: what it is able to is asked of its class."""

    def __init__(self, store: Any) -> None:
        self.away, self.refused, self._record = False, 0, store.record
        store.record = self.record

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        if self.away:
            self.refused += 1
            raise StoreUnavailable("disk full")
        recorded: Recorded = await self._record(beats, now)
        return recorded


async def test_what_could_not_be_stored_is_not_acknowledged_and_comes_again(broker: Mosquitto, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lastseen.db'}")
    reluctance = Reluctance(store)
    async with listening(tmp_path, devices(broker), store=store) as (monitor, _):
        await publish(broker, "devices/pump/heartbeat")
        await has(monitor, "pump")
        await monitor.pause("pump")
        before = await monitor.last_seen("pump")
        reluctance.away = True
        await publish(broker, "devices/pump/heartbeat", '{"message": "while the disk was full"}')
        await eventually(lambda: reluctance.refused > 0)
        assert await monitor.last_seen("pump") == before
        reluctance.away = False

        async def came_again() -> bool:
            return (await monitor.last_seen("pump")) != before

        await eventually(came_again)


async def test_what_comes_while_we_are_away_is_kept_by_the_broker(broker: Mosquitto, tmp_path: Path) -> None:
    async with listening(tmp_path, devices(broker)) as (monitor, _):
        await publish(broker, "devices/pump/heartbeat")
        await has(monitor, "pump")
    await publish(broker, "devices/lamp/heartbeat")
    async with listening(tmp_path, devices(broker)) as (monitor, _):
        await has(monitor, "lamp")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_broker_that_goes_is_blind_time_and_is_found_again(broker: Mosquitto, tmp_path: Path, how: str) -> None:
    async with listening(tmp_path, devices(broker)) as (monitor, told):
        await publish(broker, "devices/pump/heartbeat")
        await has(monitor, "pump")
        await asyncio.to_thread(getattr(broker, how))
        await eventually(lambda: not hears(monitor, "mqtt"))
        await asyncio.to_thread(broker.start)
        await eventually(lambda: hears(monitor, "mqtt"))
        await publish(broker, "devices/pump/heartbeat")
        await monitor.sweep()
        periods = [p for p in monitor._loops.listener.periods if p.reason is BlindReason.LINK and p.source]
        assert periods
        assert all(period.ended_at is not None for period in periods)
        assert words(told) == []


async def test_a_broker_that_is_not_there_at_the_start_is_awaited(tmp_path: Path) -> None:
    late = Mosquitto(tmp_path)
    async with listening(tmp_path, devices(late), up=False) as (monitor, _):
        assert not hears(monitor, "mqtt")
        await asyncio.to_thread(late.start)
        try:
            await eventually(lambda: hears(monitor, "mqtt"))
        finally:
            await asyncio.to_thread(late.stop)


async def test_two_brokers_have_machines_of_their_own(shared: Mosquitto, broker: Mosquitto, tmp_path: Path) -> None:
    here, there = devices(shared, "h", name="here"), devices(broker, "h", name="there")
    async with listening(tmp_path, here, there) as (monitor, _):
        await publish(shared, "h/pump/heartbeat")
        await has(monitor, "pump")
        await publish(broker, "h/pump/heartbeat")
        await has(monitor, "pump-2")
        assert (await monitor.status("pump-2")).group == "there"


async def test_a_shared_subscription_gives_each_message_to_one_node(shared: Mosquitto, tmp_path: Path) -> None:
    one, two = (devices(shared, "i", name=name, share="nodes") for name in ("one", "two"))
    async with listening(tmp_path, one, two) as (monitor, _):
        for n in range(20):
            await publish(shared, f"i/m{n}/heartbeat")
        for n in range(20):
            await has(monitor, f"m{n}")
        assert await known(monitor, "m0-2", "m1-2", "m2-2") == {}, "nobody heard it twice"


async def test_a_bridge_that_was_gone_before_we_came_is_known_to_be_gone(shared: Mosquitto, tmp_path: Path) -> None:
    """What the broker keeps of it comes with the subscription, before the link counts as up."""
    await publish(shared, "l/bridge/state", '{"state":"offline"}', "-r")
    source = MqttSource(shared.url, presets=["zigbee2mqtt"], base="l", auto_add=True)
    async with listening(tmp_path, source) as (monitor, _):
        await publish(shared, "l/lamp/availability", "online")
        await has(monitor, "lamp")
        assert not hears(monitor, "mqtt/l")
        await publish(shared, "l/bridge/state", '{"state":"online"}', "-r")
        await eventually(lambda: hears(monitor, "mqtt/l"))


async def test_a_flood_is_taken_and_each_machine_keeps_its_order(shared: Mosquitto, tmp_path: Path) -> None:
    """Goodbye and back, for machines that are made meanwhile."""
    source = MqttSource(shared.url, bindings=["j/{machine}=presence"], auto_add=True)
    lines = "\n".join(["online", "offline"] * 50 + ["online"])
    async with listening(tmp_path, source) as (monitor, _):
        await asyncio.gather(*(asyncio.to_thread(_feed, shared, f"j/m{n}", lines) for n in range(5)))
        await publish(shared, "j/last", "online")
        await has(monitor, "last")
        for n in range(5):
            await has(monitor, f"m{n}")
        store: Any = monitor.store
        for n in range(5):
            events = [e["type"] for e in reversed(await store.events(f"m{n}", None, 1000))]
            changes = [e for e in events if e in ("machine.online", "machine.offline")]
            assert changes[0] == "machine.online"
            assert all(a != b for a, b in itertools.pairwise(changes)), "alternating, each in its turn"


def _feed(broker: Mosquitto, topic: str, lines: str) -> None:
    import subprocess

    from tests.mqtt.broker import find

    command = [find("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(broker.port), "-t", topic, "-q", "1", "-l"]
    subprocess.run(command, input=lines.encode(), check=True, timeout=300)
