"""One broker and several nodes: heartbeats are shared among them, and one hears what the broker keeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.mqtt.broker import Mosquitto
from tests.nodes.fleet import PATIENCE, Fleet, fleet
from tests.servers.postgres import PostgresServer
from tests.support import eventually


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


class Side:
    """What the database says."""

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server, self._database = server, url.rpartition("/")[2]

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        return list(self._server.execute(statement, self._database))

    def statuses(self) -> dict[str, str]:
        rows = self.ask("SELECT slug, status FROM machines JOIN liveness ON machine_id = machines.id")
        return {str(slug): str(status) for slug, status in rows}


@pytest.fixture
def side(postgres_server: PostgresServer, url: str) -> Side:
    return Side(postgres_server, url)


@pytest.fixture
def two(tmp_path: Path, url: str, broker: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    base = request.node.name[:40].replace("_", "-")
    settings = {"URL": broker.url, "PRESETS": "aquabook", "BIND": f"{base}/{{machine}}/beat", "BASE": base}
    settings |= {"AUTO_ADD": "true", "SHARE": base, "PUBLISH": f"{base}-out", "OFFLINE_AFTER": "1h"}
    with fleet(tmp_path, url, **{f"LASTSEEN_MQTT_{name}": value for name, value in settings.items()}) as found:
        found.base = base
        yield found


async def publish(broker: Mosquitto, topic: str, payload: str = "", *options: str) -> None:
    await asyncio.to_thread(broker.publish, topic, payload, *options)


async def test_each_message_is_recorded_once_and_by_both(two: Fleet, broker: Mosquitto, side: Side) -> None:
    await two.start("a", "b")
    await two.all_say("source_up")
    base = two.base
    for number in range(20):
        await publish(broker, f"{base}/lamp-{number}/beat", '{"uptime_seconds": 5}')
    await eventually(lambda: len(side.statuses()) == 20, timeout=PATIENCE)

    await eventually(lambda: both_heard(two, 20), timeout=PATIENCE)


async def both_heard(of: Fleet, messages: int) -> bool:
    counts = [await heard(of, name) for name in of.nodes]
    assert sum(counts) == messages
    return min(counts) > 0


async def heard(of: Fleet, name: str) -> int:
    """How many heartbeats from the broker this node has stored."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{await of.url(name)}/metrics")).text
    found = re.search(r'^lastseen_heartbeats_total\{outcome="stored",source="mqtt"\} (\d+)', text, re.M)
    return int(found[1]) if found else 0


async def test_presence_is_heard_by_one_and_moves_when_it_is_killed(two: Fleet, broker: Mosquitto, side: Side) -> None:
    base = two.base
    await publish(broker, f"{base}/tank/availability", "online", "-r")
    await two.start("a", "b")
    first = await two.one_says("source_taken", source="mqtt")
    await eventually(lambda: side.statuses() == {"tank": "online"}, timeout=PATIENCE)
    two.kill(first)
    await publish(broker, f"{base}/tank/availability", "offline", "-r")
    await two.one_says("source_taken", source="mqtt")
    await eventually(lambda: side.statuses() == {"tank": "offline"}, timeout=PATIENCE)


async def test_a_node_that_is_killed_takes_no_share_of_the_heartbeats_with_it(
    two: Fleet, broker: Mosquitto, side: Side
) -> None:
    base = two.base
    await two.start("a", "b")
    await two.all_say("source_up")
    two.kill("a")
    await publish(broker, f"{base}/probe/beat")  # the broker may give one to a connection that it has not missed yet
    for number in range(10):
        await publish(broker, f"{base}/lamp-{number}/beat")
    await eventually(lambda: sum(slug.startswith("lamp") for slug in side.statuses()) == 10, timeout=PATIENCE)
