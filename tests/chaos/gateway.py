"""Machines that report over MQTT, by one connection with QoS 1."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.machines import ANSWERED_WITHIN, BODIES


class Gateway:
    def __init__(self, port: int, names: dict[int, str]) -> None:
        self._port, self._names = port, names
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="gateway")
        self._client.on_publish = self._acknowledged
        self._client.reconnect_delay_set(1, 1)
        self._waiting: dict[int, asyncio.Future[float]] = {}
        self._early: dict[int, float] = {}

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._client.connect_async("127.0.0.1", self._port, keepalive=5)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _acknowledged(self, client: Any, data: Any, mid: int, *more: Any) -> None:
        """By paho's thread."""
        self._loop.call_soon_threadsafe(self._tell, mid, time.time())

    def _tell(self, mid: int, at: float) -> None:
        future = self._waiting.pop(mid, None)
        if future is None:
            self._early[mid] = at
        elif not future.done():
            future.set_result(at)

    async def say(self, machine: int, said: str) -> float | None:
        """What is not acknowledged in time paho sends again when it can, which is as if it were said then."""
        if not self._client.is_connected():
            return None
        sent = self._client.publish(f"devices/{self._names[machine]}/heartbeat", BODIES[said] or b"{}", qos=1)
        if sent.mid in self._early:
            return self._early.pop(sent.mid)
        future = self._waiting[sent.mid] = self._loop.create_future()
        try:
            return await asyncio.wait_for(future, ANSWERED_WITHIN)
        except TimeoutError:
            return None
