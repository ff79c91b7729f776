"""What waited at a broker's line to a node that stood still: another node has heard it, and knows when."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.mqtt.broker import Mosquitto
from tests.nodes.fleet import PATIENCE, Fleet, fleet
from tests.servers.postgres import PostgresServer
from tests.support import eventually

HOW_IT_STANDS = """
SELECT status, last_seen, back_at, (SELECT array_agg(type ORDER BY events.id) FROM events WHERE type LIKE 'machine.o%')
FROM liveness
"""


@pytest.mark.parametrize("keepalive", [30, 4])
async def test_a_machine_that_fell_silent_meanwhile_is_not_told_as_returned(
    tmp_path: Path, url: str, postgres_server: PostgresServer, keepalive: int
) -> None:
    """With a short keep-alive the broker has given the node up by then, and what it had sent is read all the same."""
    broker = Mosquitto(tmp_path)
    broker.start()
    settings = {"URL": broker.url, "PRESETS": "devices", "AUTO_ADD": "true", "OFFLINE_AFTER": "4s"}
    ask = Asked(postgres_server, url)
    try:
        with fleet(tmp_path, url, **{f"LASTSEEN_MQTT_{name}": value for name, value in settings.items()}) as two:
            two.program = f"import lastseen.ingest.mqtt.link\nlastseen.ingest.mqtt.link.KEEPALIVE = {keepalive}\n"
            await two.start("a", "b")
            await two.all_say("source_up")
            broker.publish("devices/pump/heartbeat")
            for name in "ab":
                await eventually(lambda name=name: stored(two, name, 1), timeout=PATIENCE)
            two.signal("a", signal.SIGSTOP)
            broker.publish("devices/pump/heartbeat")
            await eventually(lambda: stored(two, "b", 2), timeout=PATIENCE)
            before = ask.stands()
            await eventually(lambda: ask.stands()[0] == "offline", timeout=PATIENCE)
            if keepalive < 30:
                await eventually(lambda: "exceeded timeout" in broker.said(), timeout=PATIENCE)
            two.signal("a", signal.SIGCONT)
            await eventually(lambda: stored(two, "a", 2), timeout=PATIENCE)
            await eventually(lambda: ask.stands()[2] is None, timeout=PATIENCE)
            status, last_seen, _, events = ask.stands()
            assert (status, last_seen) == ("offline", before[1])
            assert events[-1] == "machine.offline"
            await eventually(lambda: ups(two, "a") >= 2, timeout=PATIENCE)
            broker.publish("devices/pump/heartbeat")
            await eventually(lambda: ask.stands()[0] == "online", timeout=PATIENCE)
            assert ask.stands()[3] == [*events, "machine.online"]
    finally:
        broker.stop()


class Asked:
    """The database."""

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server, self._database = server, url.rpartition("/")[2]

    def stands(self) -> tuple[str, object, object, list[str]]:
        (row,) = self._server.execute(HOW_IT_STANDS, self._database)
        return row


async def stored(of: Fleet, name: str, count: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{await of.url(name)}/metrics")).text
    found = re.search(r'^lastseen_heartbeats_total\{outcome="stored",source="mqtt"\} (\d+)', text, re.M)
    return found is not None and int(found[1]) == count


def ups(of: Fleet, name: str) -> int:
    """How often it has had its link, or has caught up."""
    return of.nodes[name].events().count("source_up")
