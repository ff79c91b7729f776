"""What docs/mqtt.md says of presets and of a broker's own rules is so."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from lastseen.cli.main import app
from lastseen.durations import NEVER, spell
from lastseen.ingest.mqtt import PRESETS, Binding, MqttSource
from lastseen.monitor.heartbeat import HeartbeatMonitor
from tests.mqtt.broker import Mosquitto, find
from tests.support import eventually

PAGE = (Path(__file__).parent.parent.parent / "docs" / "mqtt.md").read_text()


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:3] == "| `"]


def test_the_table_of_presets_is_what_they_are() -> None:
    said = {row[0].strip("`"): row[1:] for row in table("Presets")}
    assert list(said) == list(PRESETS)
    for name, make in PRESETS.items():
        bindings = make("")
        if not bindings:
            continue
        topics = ", ".join(f"`{one.topic.replace('{base}', one.base)}`" for one in bindings)
        assert said[name] == [topics, bindings[0].mode.value, limit(bindings[0])], name


def limit(binding: Binding) -> str:
    found = binding.machine_fields()["offline_after"]
    return "never" if found == NEVER else spell(found)


def test_the_table_of_options_names_those_that_are_there() -> None:
    named = {flag for row in table("Options") for flag in re.findall(r"--[a-z-]+", row[0])}
    command = typer.main.get_command(app)
    for word in ("sources", "add", "mqtt"):
        command = command.get_command(command.make_context(word, [], resilient_parsing=True), word)  # type: ignore[attr-defined]
    there = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")}
    assert named <= there
    assert there - named <= {"--json", "--help"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with the page's rules and limits, and its users."""
    blocks = re.findall(r"```text\n(.*?)```", PAGE, re.S)
    (rules,) = [block for block in blocks if "mosquitto/acl" in block]
    (limits,) = [block for block in blocks if "conf.d" in block]
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    (more,) = [block for block in blocks if block.startswith("topic readwrite")]
    acl.write_text(rules.replace("\npattern", f"{more}\npattern") + "\nuser onlooker\ntopic read #\n")
    acl.chmod(0o600)
    passwords.touch(0o600)
    for user in ("lastseen", "pump", "valve", "onlooker"):
        subprocess.run([find("mosquitto_passwd"), "-b", str(passwords), user, "secret"], check=True, timeout=300)
    lines = [line for line in limits.splitlines() if line and line[0] != "#" and "persistence" not in line]
    rest = ("allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}")
    broker = Mosquitto(tmp_path, (*lines, *rest))
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize("share", [None, "lastseen"])
async def test_by_these_rules_a_device_speaks_for_itself_alone_and_lastseen_may_publish(
    guarded: Mosquitto, share: str | None, tmp_path: Path
) -> None:
    who = {"username": "lastseen", "password": "secret"}
    way = MqttSource(guarded.url, presets=["devices"], auto_add=True, share=share, publish="lastseen", **who)
    async with HeartbeatMonitor(f"sqlite:///{tmp_path / 'a.db'}", sources=[way]) as monitor:
        await eventually(lambda: monitor._loops.listener.ears["mqtt"].hears)
        guarded.publish("devices/valve/heartbeat", "", "-u", "pump", "-P", "secret")
        guarded.publish("devices/pump/heartbeat", "", "-u", "pump", "-P", "secret")

        async def heard() -> bool:
            return "pump" in await monitor.statuses(["pump"])

        await eventually(heard)
        assert await monitor.statuses(["valve"]) == {}
        await eventually(lambda: asyncio.to_thread(kept, guarded, "lastseen/pump/state", "online"))
        assert await asyncio.to_thread(kept, guarded, "homeassistant/binary_sensor/lastseen/+/config", "pump")


def kept(broker: Mosquitto, topic: str, word: str) -> bool:
    """The broker has a message with this word."""
    at = ("-h", "127.0.0.1", "-p", str(broker.port), "-u", "onlooker", "-P", "secret")
    told = subprocess.run(
        [find("mosquitto_sub"), *at, "-t", topic, "-C", "1", "-W", "15"], capture_output=True, text=True, timeout=30
    )
    return word in told.stdout
