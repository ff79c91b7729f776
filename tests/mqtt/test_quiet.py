"""A link on which nobody says anything for long is there all the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.ingest.mqtt import MqttSource
from lastseen.monitor.heartbeat import HeartbeatMonitor
from tests.mqtt.broker import Mosquitto
from tests.support import eventually


async def test_a_quiet_link_that_is_lost_was_there_until_the_broker_last_answered(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a broker that is restarted after a quiet hour would look like one that was away for an hour, and be told."""
    monkeypatch.setattr("lastseen.ingest.mqtt.link.KEEPALIVE", 1)
    way = MqttSource(broker.url, presets=["esphome"])
    async with HeartbeatMonitor(f"sqlite:///{tmp_path / 'lastseen.db'}", sources=[way]) as monitor:
        ear = monitor._loops.listener.ears["mqtt"]
        await eventually(lambda: ear.hears)
        assert ear.up_since is not None
        later = ear.up_since + timedelta(seconds=3)
        await eventually(lambda: monitor.clock.now() >= later)
        broker.kill()
        await eventually(lambda: ear.lost_at is not None)
        assert ear.lost_at is not None
        assert ear.lost_at > ear.up_since
