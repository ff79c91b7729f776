"""Heartbeats from a program's own loop over MQTT, here aiomqtt's. While the loop does not run, nobody is blamed."""

import asyncio
import os
from typing import Any

import aiomqtt

from lastseen import HeartbeatMonitor


def read(message: aiomqtt.Message) -> tuple[str, Any]:
    return message.topic.value.split("/")[1], message.payload


async def main() -> None:
    host, port = os.environ.get("APP_HOST", "localhost"), int(os.environ.get("APP_PORT", "1883"))
    monitor = HeartbeatMonitor(goodbye_grace="1s", notify=lambda message: print(message.text, flush=True))
    async with monitor, aiomqtt.Client(host, port) as client, monitor.source("broker"):
        await client.subscribe("devices/+/heartbeat", qos=1)
        print("listening", flush=True)
        await monitor.consume(client.messages, read, "broker")


if __name__ == "__main__":
    asyncio.run(main())
