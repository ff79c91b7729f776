"""The broker is restarted while hundreds of devices publish: nothing that was acknowledged is lost, nobody is blamed,
and the time in which nobody could be heard is known to the moment.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from lastseen.ingest.mqtt import MqttSource
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing import FakeClock, RecordingNotifier
from tests.mqtt.broker import Mosquitto
from tests.mqtt.day import MIDNIGHT, Overheard, clock_time, watch_links
from tests.support import eventually, pace

DEVICES = 300
LIMITS = ("allow_anonymous true", "max_inflight_messages 1000", "max_queued_messages 100000")
"""What docs/mqtt.md says of a broker with many devices."""


class Device:
    """It publishes one report after the other with QoS 1, and each again until the broker has acknowledged it.

    Packets by hand (MQTT 3.1.1, sections 3.1, 3.3 and 3.4): hundreds of clients of a library would be as many threads.
    """

    def __init__(self, broker: Mosquitto, name: str, going: asyncio.Event) -> None:
        self._broker, self.name, self._going = broker, name, going
        self.acknowledged = 0

    async def run(self) -> None:
        while True:
            await self._going.wait()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
            except OSError:
                await pace(0.1)
                continue
            try:
                await self._publish(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                await pace(0.1)
            finally:
                writer.close()

    async def _publish(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0x10, field(b"MQTT") + b"\x04\x02\x00\x00" + field(self.name.encode())))
        await reader.readexactly(4)
        while True:
            await self._going.wait()
            said = json.dumps({"metrics": {"number": self.acknowledged + 1}}).encode()
            writer.write(packet(0x32, field(f"devices/{self.name}/heartbeat".encode()) + b"\x00\x01" + said))
            assert await reader.readexactly(4) == b"\x40\x02\x00\x01"
            self.acknowledged += 1


def packet(kind: int, rest: bytes) -> bytes:
    assert len(rest) < 128
    return bytes((kind, len(rest))) + rest


def field(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


class Fleet:
    """Devices that publish as fast as they can, while they are told to."""

    def __init__(self, broker: Mosquitto) -> None:
        self._going = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.devices = [Device(broker, f"device-{number}", self._going) for number in range(DEVICES)]

    async def publish_until(self, enough: Callable[[], bool]) -> None:
        self._going.set()
        try:
            await eventually(enough)
        finally:
            self._going.clear()

    async def publish_each(self, more: int) -> None:
        wanted = {device.name: device.acknowledged + more for device in self.devices}
        await self.publish_until(lambda: all(one.acknowledged >= wanted[one.name] for one in self.devices))

    async def stop(self, name: str) -> None:
        """This one is heard no more."""
        self.devices = [device for device in self.devices if device.name != name]
        await self._end(self._tasks.pop(name))

    @staticmethod
    async def _end(*tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @classmethod
    @asynccontextmanager
    async def at(cls, broker: Mosquitto) -> AsyncIterator[Fleet]:
        fleet = cls(broker)
        fleet._tasks = {device.name: asyncio.create_task(device.run()) for device in fleet.devices}
        try:
            yield fleet
        finally:
            await cls._end(*fleet._tasks.values())


def stored(file: Path) -> dict[str, int]:
    """The number of the newest report, by machine."""
    query = "SELECT m.slug, r.body FROM machines m JOIN latest_reports r ON r.machine_id = m.id"
    with closing(sqlite3.connect(file)) as connection:
        return {slug: json.loads(body)["metrics"]["number"] for slug, body in connection.execute(query)}


def taken() -> dict[str, int]:
    """The newest number of which lastseen has told the broker that it is stored, by machine."""
    found: dict[str, int] = {}
    for topic, payload in Overheard.acknowledged:
        name, number = topic.split("/")[1], json.loads(payload)["metrics"]["number"]
        found[name] = max(number, found.get(name, 0))
    return found


def untaken(fleet: Fleet) -> list[str]:
    """Reports that the broker has acknowledged to their device, and lastseen never to the broker."""
    said = {
        (topic.split("/")[1], json.loads(payload)["metrics"]["number"]) for topic, payload in Overheard.acknowledged
    }
    every = {(device.name, number) for device in fleet.devices for number in range(1, device.acknowledged + 1)}
    return sorted(f"{name} {number}" for name, number in every - said)


def blind_periods(file: Path) -> list[tuple[str, str, str]]:
    """Of the source `mqtt`: since when, until when, why. Those that took no time are left out."""
    query = """SELECT b.started_at, b.ended_at, b.reason FROM blind_periods b JOIN sources s ON s.id = b.source_id
               WHERE s.name = 'mqtt' AND b.started_at IS NOT b.ended_at ORDER BY b.started_at"""
    with closing(sqlite3.connect(file)) as connection:
        return [
            (clock_time(since), until and clock_time(until), why) for since, until, why in connection.execute(query)
        ]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_that_is_restarted_under_load_loses_nothing_that_was_acknowledged_and_blames_nobody(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_links(monkeypatch)
    clock, told, file = FakeClock(MIDNIGHT), RecordingNotifier(), tmp_path / "lastseen.db"
    broker = Mosquitto(tmp_path, LIMITS, persistent=True)
    broker.start()
    source = MqttSource(broker.url, presets=["devices"], auto_add=True)
    options: Any = {"notify": {"ops": told}, "clock": clock, "sources": [source], "node": "test"}
    async with HeartbeatMonitor(f"sqlite:///{file}", **options) as monitor, Fleet.at(broker) as fleet:
        ear = monitor._loops.listener.ears["mqtt"]
        await eventually(lambda: ear.hears)

        def all_stored() -> bool:
            return {device.name: device.acknowledged for device in fleet.devices}.items() <= stored(file).items()

        await fleet.publish_each(3)
        await eventually(all_stored)
        await fleet.stop("device-7")  # it is really dead
        await clock.advance("1m")

        before = taken()
        going = asyncio.create_task(fleet.publish_until(lambda: not ear.hears))
        await eventually(lambda: sum(taken().values()) > sum(before.values()) + DEVICES)
        await asyncio.to_thread(getattr(broker, how))
        await going
        await clock.settled()
        kept = stored(file)
        assert all(kept[name] >= number for name, number in taken().items()), "what the broker was told is so"

        await clock.advance("10m")
        assert [event.type for message in told.messages for event in message.events] == ["source.blind"]
        await asyncio.to_thread(broker.start)
        await eventually(lambda: ear.hears)
        for _ in range(20):
            await fleet.publish_each(1)
            await eventually(all_stored)
            await clock.advance("30s")
        if how == "stop":  # one that is killed has not written down what it had for us
            assert untaken(fleet) == []
        assert blind_periods(file) == [("00:01:00", "00:11:00", "link")]
        events = [event for message in told.messages for event in message.events]
        assert [event.type for event in events] == ["source.blind", "source.restored", "machine.offline"]
        assert (events[-1].machine, clock_time(events[-1].at.isoformat())) == ("device-7", "00:14:00")
    broker.stop()
