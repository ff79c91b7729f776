"""Publishing back to a real broker: what is kept there is how the machines stand, whatever happens to either side."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import pytest

from lastseen.errors import InvalidInput
from lastseen.ingest.mqtt import MqttSource, publish
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage import open_store
from tests.mqtt.broker import Mosquitto, find
from tests.mqtt.hearing import has, hears, listening
from tests.mqtt.hearing import publish as send
from tests.support import eventually


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "LOOK_EVERY", 0.02)
    monkeypatch.setattr("lastseen.ingest.mqtt.source.FIRST_PAUSE", 0.05)
    monkeypatch.setattr("lastseen.ingest.mqtt.source.LONGEST_PAUSE", 0.2)


class Onlooker:
    """Another program on the broker: the last word on each topic, by Mosquitto's own client."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[tuple[str, str]]:
        said = self._path.read_text().splitlines()
        pairs = (line.partition(" ") for line in said)
        return [(topic, "" if payload == "(null)" else payload) for topic, _, payload in pairs]

    def last(self, topic: str) -> str | None:
        return dict(self.lines()).get(topic)

    def state(self, slug: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.last(f"out/{slug}/state") or "{}")
        return found

    def configs(self) -> dict[str, dict[str, Any]]:
        found = {topic: payload for topic, payload in self.lines() if topic.startswith("homeassistant/")}
        return {topic: json.loads(payload) for topic, payload in found.items() if payload}


@contextmanager
def onlooker(broker: Mosquitto, folder: Path) -> Iterator[Onlooker]:
    path = folder / "seen.txt"
    command = [find("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-v"]
    with path.open("wb") as file:
        process = subprocess.Popen([*command, "-t", "out/#", "-t", "homeassistant/#"], stdout=file)
    try:
        yield Onlooker(path)
    finally:
        process.kill()
        process.wait(60)


def outlet(broker: Mosquitto, **options: Any) -> MqttSource:
    options.setdefault("presets", ["devices"])
    return MqttSource(broker.url, auto_add=True, publish="out", **options)


async def test_states_follow_the_machines_and_lastseen_says_whether_it_is_there(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with onlooker(broker, tmp_path) as seen:
        async with listening(tmp_path, outlet(broker)) as (monitor, _):
            await eventually(lambda: seen.last("out/status") == "online")
            await send(broker, "devices/pump/heartbeat")
            await eventually(lambda: seen.state("pump").get("status") == "online")
            state = seen.state("pump")
            assert (state["name"], state["group"], state["kind"]) == ("pump", "mqtt", "default")
            await send(broker, "devices/pump/heartbeat", '{"status": "offline"}')
            await eventually(lambda: seen.state("pump")["status"] == "offline")
            status = await monitor.status("pump")
            assert seen.state("pump")["since"] == status.as_dict()["since"] < status.as_dict()["status_since"]
            await monitor.pause("pump")
            await eventually(lambda: seen.state("pump")["status"] == "paused")
            await monitor.forget("pump")
            await eventually(lambda: seen.last("out/pump/state") == "")
            assert [payload for topic, payload in seen.lines() if topic.endswith("/config")][-1] == ""
            assert seen.configs() == {}, "Home Assistant forgets it too"
        await eventually(lambda: seen.last("out/status") == "offline")


async def test_home_assistant_is_told_of_each_machine_in_words_that_it_takes(broker: Mosquitto, tmp_path: Path) -> None:
    with onlooker(broker, tmp_path) as seen:
        async with listening(tmp_path, outlet(broker)) as (monitor, _):
            await monitor.watch("cellar.pump:1", name="The pump in the cellar")
            await eventually(lambda: seen.configs() and seen.last("out/cellar.pump:1/state"))
            ((topic, config),) = seen.configs().items()
            prefix, component, node, object_id, last = topic.split("/")
            assert (prefix, component, node, last) == ("homeassistant", "binary_sensor", "lastseen", "config")
            assert object_id.isalnum()
            assert config["device"]["name"] == "The pump in the cellar"
            assert (config["device_class"], config["state_topic"]) == ("connectivity", "out/cellar.pump:1/state")
            said = {}
            for status in ("provisioning", "online", "error", "offline", "paused"):
                value = {"value_json": {"status": status}}
                ours, its = config["availability"]
                assert ours == {"topic": "out/status"}
                there = jinja2.Template(its["value_template"]).render(value) == "online"
                said[status] = jinja2.Template(config["value_template"]).render(value) if there else None
            assert said == {"provisioning": None, "online": "ON", "error": "ON", "offline": "OFF", "paused": None}


async def test_a_connection_later_everything_is_said_again_and_what_is_no_more_is_taken_back(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with listening(tmp_path, outlet(broker)) as (monitor, _):
        await monitor.watch("kept")
        await monitor.watch("removed-meanwhile")
        with onlooker(broker, tmp_path) as seen:
            await eventually(lambda: seen.state("kept") and seen.state("removed-meanwhile"))
        await asyncio.to_thread(broker.stop)
        await eventually(lambda: not hears(monitor, "mqtt"))
        await monitor.forget("removed-meanwhile")
        await monitor.watch("added-meanwhile")
        await asyncio.to_thread(broker.start)
        with onlooker(broker, tmp_path) as seen:
            await eventually(lambda: seen.state("added-meanwhile") and seen.state("kept"))
            await eventually(lambda: seen.last("out/removed-meanwhile/state") in ("", None))
            await eventually(lambda: seen.last("out/status") == "online")


async def test_the_will_speaks_for_one_that_was_cut_off(broker: Mosquitto, tmp_path: Path) -> None:
    with onlooker(broker, tmp_path) as seen:
        async with listening(tmp_path, outlet(broker)) as (monitor, _):
            await eventually(lambda: seen.last("out/status") == "online")
            link = _links(monitor)
            link._client.socket().shutdown(2)  # as a cable that is pulled: no goodbye
            await eventually(lambda: "offline" in [p for t, p in seen.lines() if t == "out/status"])
            await eventually(lambda: seen.last("out/status") == "online")


def _links(monitor: HeartbeatMonitor) -> Any:
    import gc

    from lastseen.ingest.mqtt.link import Link

    (link,) = [one for one in gc.get_objects() if isinstance(one, Link) and not one.lost.done()]
    return link


async def test_what_another_process_orders_is_published_too(broker: Mosquitto, tmp_path: Path) -> None:
    with onlooker(broker, tmp_path) as seen:
        async with listening(tmp_path, outlet(broker)) as (monitor, _):
            await monitor.watch("pump")
            other = HeartbeatMonitor(open_store(f"sqlite:///{tmp_path / 'lastseen.db'}"))
            async with other.opened():
                await other.pause("pump")
            await eventually(lambda: seen.state("pump").get("status") == "paused")


async def test_our_own_words_are_no_machines(broker: Mosquitto, tmp_path: Path) -> None:
    """`{machine}/status` of ESPHome has room for ours."""
    async with listening(tmp_path, outlet(broker, presets=["esphome"], discovery="off")) as (monitor, _):
        with onlooker(broker, tmp_path) as seen:
            await eventually(lambda: seen.last("out/status") == "online")
            await send(broker, "garage/status", "online", "-r")
            await has(monitor, "garage")
            await send(broker, "out/status", "online", "-r")
            await send(broker, "attic/status", "online")
            await has(monitor, "attic")
            assert await monitor.statuses(["out"]) == {}
            assert seen.configs() == {}, "nothing for Home Assistant where that is off"


async def test_more_machines_than_are_published_at_once_are_published(broker: Mosquitto, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lastseen.db'}")
    async with listening(tmp_path, store=store) as (monitor, _):
        for n in range(520):
            await monitor.watch(f"m{n}")
    async with listening(tmp_path, outlet(broker)):
        with onlooker(broker, tmp_path) as seen:
            await eventually(lambda: seen.last("out/status") == "online")
            await eventually(lambda: len([t for t, _ in seen.lines() if t.endswith("/state")]) == 520)
            assert len(seen.configs()) == 520


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"publish": "a/#"}, "publish"),
        ({"publish": ""}, "publish"),
        ({"publish": "devices"}, "publish"),
        ({"publish": "x", "discovery": "+"}, "discovery"),
    ],
)
def test_a_prefix_that_is_none_or_that_is_listened_to_is_refused(options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        MqttSource("mqtt://localhost", presets=["devices"], **options)
    assert refused.value.field == field
