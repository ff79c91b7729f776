"""A broker as a way in: it gets its acknowledgement when a heartbeat is stored. While it is away nobody is blamed."""

import asyncio
import os

from lastseen import HeartbeatMonitor, MqttSource

broker = os.environ.get("APP_BROKER", "mqtt://localhost")
monitor = HeartbeatMonitor(
    os.environ.get("APP_DATABASE", "sqlite:///app.db"),
    notify=lambda message: print(message.text, flush=True),
    goodbye_grace="1s",
    node="home",  # a name that stays: the broker keeps what comes while this is not running
    sources=[MqttSource(broker, presets=["devices", "tasmota"], auto_add=True)],
)

if __name__ == "__main__":
    asyncio.run(monitor.run())
