"""A monitor that listens to a broker, and what a test asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lastseen.ingest.mqtt import MqttSource
from lastseen.model import Status
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage import open_store
from lastseen.testing import RecordingNotifier
from tests.fresh import new_database
from tests.mqtt.broker import Mosquitto
from tests.support import eventually


@asynccontextmanager
async def listening(
    folder: Path, *sources: MqttSource, store: Any = None, up: bool = True, **options: Any
) -> AsyncIterator[tuple[HeartbeatMonitor, RecordingNotifier]]:
    told = RecordingNotifier()
    options.setdefault("offline_after", "1h")
    options.setdefault("goodbye_grace", 0)
    store = store or open_store(new_database(folder / "lastseen.db"))
    async with HeartbeatMonitor(store, notify={"ops": told}, sources=sources, node="test", **options) as monitor:
        if up:
            await eventually(lambda: all(hears(monitor, source.name) for source in sources))
        yield monitor, told


def hears(monitor: HeartbeatMonitor, name: str) -> bool:
    return monitor._loops.listener.ears[name].hears


async def publish(broker: Mosquitto, topic: str, payload: str = "", *options: str) -> None:
    await asyncio.to_thread(broker.publish, topic, payload, *options)


async def known(monitor: HeartbeatMonitor, *slugs: str) -> dict[str, Status]:
    return {str(slug): status.status for slug, status in (await monitor.statuses(slugs)).items()}


async def has(monitor: HeartbeatMonitor, slug: str, status: str = "online") -> None:
    async def as_wanted() -> bool:
        return (await known(monitor, slug)).get(slug) == status

    await eventually(as_wanted)


def words(told: RecordingNotifier) -> list[str]:
    return [f"{e.type} {e.machine}" for m in told.messages for e in m.events]


def devices(broker: Mosquitto, base: str = "devices", **options: Any) -> MqttSource:
    options.setdefault("auto_add", True)
    return MqttSource(broker.url, presets=["devices"], base=base, **options)
