"""What was said while we could not hear it, and waited for us: nobody knows when, so it counts as of the beginning."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lastseen.ingest.mqtt import MqttSource, session
from lastseen.ingest.mqtt.link import Link
from lastseen.monitor.blindness import STALLED
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing import FakeClock
from tests.metrics.scrape import Page
from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import devices, has, hears, listening, publish, words
from tests.mqtt.line import Line
from tests.scenarios.harness import rows, server
from tests.support import eventually

MANY = 60
"""Messages: three times as many as Mosquitto sends to a client of MQTT 3.1.1 before it wants an acknowledgement."""

NEAR = timedelta(seconds=1)
STORED = ("lastseen_heartbeats_total", "outcome=stored", "source=mqtt")


@pytest.mark.parametrize("version", [5, 4])
async def test_what_the_broker_kept_counts_as_of_when_we_left(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(session, "Link", lambda broker, on_message, _: Link(broker, on_message, version))
    clock, lamps = FakeClock(), [f"lamp-{number}" for number in range(MANY)]
    options = {"offline_after": "3m", "clock": clock}
    async with listening(tmp_path, devices(broker), **options) as (monitor, _):
        await say(broker, lamps)
        for lamp in lamps:
            await has(monitor, lamp)
        await clock.advance("1m")
        await monitor.sweep()  # leaves its mark, as a look does in any case
        left = clock.now()
    await say(broker, lamps)
    await clock.advance("4m")
    async with listening(tmp_path, devices(broker), **options) as (monitor, told):
        for lamp in lamps:
            at = await monitor.last_seen(lamp)
            assert at is not None
            assert left <= at < left + NEAR
        await clock.advance("2m50s")
        assert words(told) == []
        await say(broker, lamps[1:])
        await eventually(lambda: all_seen(monitor, lamps[1:], clock.now()))
        await clock.advance("20s")
        assert words(told) == ["machine.offline lamp-0"]


async def say(broker: Mosquitto, names: list[str]) -> None:
    await asyncio.gather(*[publish(broker, f"devices/{name}/heartbeat") for name in names])


async def all_seen(monitor: HeartbeatMonitor, names: list[str], at: datetime) -> bool:
    return all(status.last_seen == at for status in (await monitor.statuses(names)).values())


async def test_what_a_line_held_back_counts_as_of_when_it_was_there_last(shared: Mosquitto, tmp_path: Path) -> None:
    """And so do a goodbye and the word after it, in their order."""
    async with Line.to(shared.port) as line:
        source = MqttSource(f"mqtt://127.0.0.1:{line.port}", presets=["devices"], base="held", auto_add=True)
        clock = FakeClock()
        async with listening(tmp_path, source, offline_after="3m", clock=clock) as (monitor, told):
            for name in ("pump", "lamp"):
                await publish(shared, f"held/{name}/heartbeat")
                await has(monitor, name)
            there = clock.now()
            line.cut()
            await publish(shared, "held/lamp/heartbeat", '{"status": "offline"}')
            await publish(shared, "held/lamp/heartbeat", '{"uptime_seconds": 1}')
            await clock.advance("3m10s")
            await eventually(lambda: not hears(monitor, "mqtt"))
            await publish(shared, "held/pump/heartbeat")
            line.mend()
            await eventually(lambda: hears(monitor, "mqtt"))
            for name in ("pump", "lamp"):
                at = await monitor.last_seen(name)
                assert at is not None
                assert there < at < there + NEAR
            await clock.advance("2m50s")
            assert words(told) == []
            await publish(shared, "held/pump/heartbeat")
            await eventually(lambda: all_seen(monitor, ["pump"], clock.now()))
            await clock.advance("20s")
            assert words(told) == ["machine.offline lamp"]


async def test_what_waited_for_a_process_that_was_stopped_counts_as_of_the_stop(
    broker: Mosquitto, tmp_path: Path
) -> None:
    settings = {"LASTSEEN_MQTT_URL": broker.url, "LASTSEEN_MQTT_PRESETS": "devices", "LASTSEEN_MQTT_AUTO_ADD": "true"}
    async with server(tmp_path, **settings) as serve:
        await serve.start()

        async def stored() -> float:
            page = Page((await serve.client.get(f"{serve.url}/metrics")).text, "text/plain")
            return page.numbers.get(STORED, 0.0)

        async def has_stored(count: int) -> bool:
            return await stored() == count

        await eventually(lambda: "source_up" in serve.log.read_text(), timeout=60)
        await publish(broker, "devices/pump/heartbeat")
        await eventually(lambda: has_stored(1), timeout=60)
        stopped = datetime.now(UTC)
        serve.signal(signal.SIGSTOP)
        await publish(broker, "devices/pump/heartbeat")
        await eventually(lambda: (datetime.now(UTC) - stopped).total_seconds() > STALLED + 1)
        serve.signal(signal.SIGCONT)
        await eventually(lambda: has_stored(2), timeout=60)
        await eventually(lambda: rows(tmp_path, "SELECT 1 FROM blind_periods WHERE reason = 'stalled'"), timeout=60)
        assert seen(tmp_path) <= stopped
        await publish(broker, "devices/pump/heartbeat")
        await eventually(lambda: seen(tmp_path) > stopped, timeout=60)


def seen(folder: Path) -> datetime:
    (text,) = rows(folder, "SELECT last_seen FROM liveness")[0]
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def test_what_waited_is_later_than_all_that_was_heard_before_it_and_stays_in_its_order() -> None:
    """The last look at the clock before a stop is older than what was received between the two."""
    clock, since = FakeClock(), list[datetime | None]([None])
    port: Any = SimpleNamespace(clock=clock, said_since=lambda: since[-1])
    of = session.Session(MqttSource("mqtt://localhost", presets=["devices"]), port)
    heard, tick = clock.now(), timedelta(microseconds=1)
    assert of._waited() is None
    since.append(heard - timedelta(seconds=0.4))
    assert [of._waited() for _ in range(3)] == [heard + tick, heard + 2 * tick, heard + 3 * tick]
    since.append(None)
    assert of._waited() is None
    later = heard + timedelta(minutes=1)
    since.append(later)
    assert [of._waited(), of._waited()] == [later, later + tick]
