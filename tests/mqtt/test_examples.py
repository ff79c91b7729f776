"""The examples over MQTT, against a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mqtt.broker import Mosquitto
from tests.mqtt.hearing import publish
from tests.support import eventually

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(example: str, broker: Mosquitto, folder: Path) -> Iterator[Path]:
    """Its output."""
    out = folder / "out.txt"
    env = {**os.environ, "APP_BROKER": broker.url, "APP_HOST": "127.0.0.1", "APP_PORT": str(broker.port)}
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / example)], cwd=folder, env=env, stdout=file, stderr=file
        )
    try:
        yield out
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.parametrize(("example", "ready"), [("mqtt.py", "source_up"), ("mqtt_own_loop.py", "listening")])
async def test_an_example_tells_of_a_goodbye_and_of_the_return(
    broker: Mosquitto, tmp_path: Path, example: str, ready: str
) -> None:
    with running(example, broker, tmp_path) as out:
        await eventually(lambda: ready in out.read_text())
        await publish(broker, "devices/lamp/heartbeat", '{"uptime_seconds": 5}')
        await publish(broker, "devices/lamp/heartbeat", '{"status": "offline"}')
        await eventually(lambda: "🔴 lamp" in out.read_text())
        await publish(broker, "devices/lamp/heartbeat")
        await eventually(lambda: "🟢 lamp" in out.read_text())


@pytest.mark.parametrize("name", ["from lastseen import MqttSource", "from lastseen.ingest.mqtt import Binding"])
def test_without_its_package_it_is_said_in_one_line_what_to_install(name: str) -> None:
    code = f"import sys; sys.modules['paho'] = None\n{name}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    said = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert said.endswith("PluginError: MQTT needs a package: install it with: pip install lastseen[mqtt]")
    assert "During handling" not in done.stderr
