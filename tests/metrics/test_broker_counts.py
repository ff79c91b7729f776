"""What comes by a broker is counted by the name of its source."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lastseen import counters
from lastseen.ingest.mqtt import MqttSource
from lastseen.monitor.heartbeat import HeartbeatMonitor
from tests.mqtt.broker import find, mosquitto
from tests.support import eventually

SOURCE = "cellar-of-this-test"


def counted() -> dict[str, float]:
    return {outcome: n for (source, outcome), n in counters.HEARTBEATS.values().items() if source == SOURCE}


async def test_messages_of_a_broker_are_counted_and_so_is_the_time_without_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true") as port:
        source = MqttSource(f"mqtt://127.0.0.1:{port}", name=SOURCE, presets=["devices"])
        async with HeartbeatMonitor(f"sqlite:///{tmp_path / 'x.db'}", sources=[source]) as monitor:
            await monitor.watch("lamp")

            def send(machine: str, payload: str) -> None:
                topic = f"devices/{machine}/heartbeat"
                where = ["-p", str(port), "-q", "1", "-t", topic, "-m", payload]
                subprocess.run([find("mosquitto_pub"), *where], check=True, timeout=300)

            await eventually(lambda: (SOURCE, "link") in counters.BLIND.values())  # it was blind until it had its link
            for machine, payload in (("lamp", '{"x": 1}'), ("lamp", "{"), ("nobody", "{}"), ("lamp", "")):
                send(machine, payload)
            await eventually(lambda: counted() == {"stored": 2, "malformed": 1, "unknown": 1})
    assert counters.BLIND.values()[SOURCE, "link"] > 0
