"""`kill -9` between receiving and storing: what was not acknowledged comes again, and nothing of it is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import devices, has, listening, publish
from tests.support import eventually

STUCK = """
import asyncio, sys
from lastseen import HeartbeatMonitor, MqttSource, open_store
from lastseen.storage.sql import SqlStore

async def record(self, beats, now):
    print("received", len(beats), flush=True)
    await asyncio.Event().wait()  # for ever: nothing is stored, so nothing may be acknowledged

SqlStore.record = record
url, database = sys.argv[1:]
source = MqttSource(url, presets=["devices"], auto_add=True)
asyncio.run(HeartbeatMonitor(open_store(database), node="test", sources=[source]).run())
"""


async def test_what_was_received_and_not_stored_comes_to_the_next_process(broker: Mosquitto, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    command = [sys.executable, "-c", STUCK, broker.url, f"sqlite:///{tmp_path / 'lastseen.db'}"]
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        await eventually(lambda: "source_up" in out.read_text())
        for slug in ("lamp", "pump"):
            await publish(broker, f"devices/{slug}/heartbeat", '{"uptime_seconds": 5}')
        await eventually(lambda: "received" in out.read_text())
    finally:
        process.kill()
        process.wait(60)
    async with listening(tmp_path, devices(broker)) as (monitor, _):
        await has(monitor, "lamp")
        await has(monitor, "pump")
