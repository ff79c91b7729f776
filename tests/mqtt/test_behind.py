"""A broker that has messages for us and does not get them through: whose word may be among them is not silent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lastseen.ingest.mqtt import MqttSource, session
from lastseen.ingest.mqtt.link import Link
from lastseen.ingest.mqtt.session import Session
from lastseen.model import Beat, Recorded
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage import open_store
from lastseen.testing import FakeClock
from tests.fresh import new_database
from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import devices, has, hears, listening, publish, words
from tests.mqtt.line import Line
from tests.support import eventually

MANY = 60
"""Messages: more than Mosquitto has in flight for one client."""


async def test_a_broker_that_does_not_answer_is_blind_and_nobody_is_silent_for_it(
    tmp_path: Path, shared: Mosquitto
) -> None:
    async with Line.to(shared.port) as line:
        source = MqttSource(f"mqtt://127.0.0.1:{line.port}", presets=["devices"], base="behind", auto_add=True)
        clock = FakeClock()
        async with listening(tmp_path, source, offline_after="3m", clock=clock) as (monitor, told):
            await publish(shared, "behind/pump/heartbeat")
            await has(monitor, "pump")

            line.cut()
            await clock.advance("2m50s")
            await publish(shared, "behind/pump/heartbeat")  # the broker has it, and the line has not
            await clock.advance("20s")
            await eventually(lambda: not hears(monitor, "mqtt"))
            assert words(told) == []

            line.mend()
            await eventually(lambda: hears(monitor, "mqtt"))
            await clock.advance("2m50s")
            assert words(told) == []
            await clock.advance("20s")
            assert words(told) == ["machine.offline pump"]


async def test_what_the_broker_keeps_back_until_we_acknowledge_is_waited_for(
    tmp_path: Path, shared: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of MQTT 3.1.1: to a client of MQTT 5 Mosquitto sends as many as that says."""
    monkeypatch.setattr(session, "Link", lambda broker, on_message, _: Link(broker, on_message, 4))
    store = Gated(new_database(tmp_path / "lastseen.db"))
    async with listening(tmp_path, devices(shared, "kept"), store=store.store) as (monitor, _):
        for number in range(MANY):
            await monitor.watch(f"lamp-{number}")
        await say_all(shared)
        await eventually(lambda: all_seen(monitor))
        store.opened.clear()
        await say_all(shared)
        await eventually(lambda: monitor.waiting >= 20)
        asked = asyncio.create_task(caught_up(monitor))
        store.opened.set()
        await asked
        assert store.beats == 2 * MANY
        assert hears(monitor, "mqtt")


class Gated:
    """A store that writes heartbeats down only while `opened`."""

    def __init__(self, url: str) -> None:
        self.store: Any = open_store(url)
        self.opened = asyncio.Event()
        self.opened.set()
        self.beats = 0
        self._record = self.store.record
        self.store.record = self._gated

    async def _gated(self, beats: list[Beat], now: Any) -> Recorded:
        await self.opened.wait()
        recorded: Recorded = await self._record(beats, now)
        self.beats += len(beats)
        return recorded


async def caught_up(monitor: HeartbeatMonitor) -> None:
    catch_up = monitor._loops.listener.ears["mqtt"].catch_up
    assert catch_up is not None
    await catch_up()


async def say_all(broker: Mosquitto) -> None:
    await asyncio.gather(*[publish(broker, f"kept/lamp-{number}/heartbeat") for number in range(MANY)])


async def all_seen(monitor: HeartbeatMonitor) -> bool:
    found = await monitor.statuses([f"lamp-{number}" for number in range(MANY)])
    return all(status.status == "online" for status in found.values())


@pytest.mark.parametrize(("came", "asked"), [([0], 1), ([19], 1), ([20, 19], 2), ([20] * 60, 50)])
async def test_a_broker_that_had_sent_as_many_as_it_may_is_asked_again_however_soon_they_were_acknowledged(
    came: list[int], asked: int
) -> None:
    """It keeps others back until it has our acknowledgements, which may be later than its answer. Of a thousand that
    came the last were not there when it was asked first."""
    port: Any = SimpleNamespace(clock=FakeClock())
    of = Session(MqttSource("mqtt://localhost", presets=["devices"]), port)
    echoes: list[int] = []

    async def echo(_: int) -> bool:
        of._taken += came[len(echoes)]
        echoes.append(of._taken)
        return True

    link: Any = SimpleNamespace(echo=echo)
    assert await of._has_sent_all(link)
    assert len(echoes) == asked
