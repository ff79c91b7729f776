"""What doctor says of a broker: a real Mosquitto, with the limits that lose messages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread

from lastseen.clock import SystemClock
from lastseen.doctor import Finding, Severity
from lastseen.doctor.brokers import DROPPED, TOPICS, UPTIME, VERSION, judge
from lastseen.ingest.mqtt import MqttSource
from lastseen.ingest.mqtt.probe import probe
from lastseen.storage import open_store
from tests.cli.conftest import Cli
from tests.mqtt.broker import find, mosquitto
from tests.secrecy import secret
from tests.support import eventually, free_port


def source(port: int, username: str | None = None, password: str | None = None) -> MqttSource:
    url = f"mqtt://127.0.0.1:{port}"
    return MqttSource(url, name="broker", presets=["devices"], username=username, password=password)


async def asked(port: int, when: Callable[[Finding], bool], password: str | None = None) -> Finding:
    """The one finding, as soon as it is as wanted."""
    found: list[Finding] = []

    async def fits() -> bool:
        user = None if password is None else "lastseen"
        found[:] = await probe(source(port, user, password))
        return len(found) == 1 and when(found[0])

    await eventually(fits, every=0.1)
    return found[0]


async def test_a_broker_that_has_dropped_messages_is_found_and_its_limits_are_named(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_queued_messages 5") as port:
        before = await asked(port, lambda finding: finding.code == "broker.limits")
        assert before.severity is Severity.HINT
        away = [find("mosquitto_sub"), "-p", str(port), "-i", "away", "-c", "-q", "1", "-t", "devices/#", "-E"]
        subprocess.run(away, check=True, timeout=300)  # it subscribes, and leaves its session behind
        lines = "\n".join(map(str, range(100)))
        send = [find("mosquitto_pub"), "-p", str(port), "-q", "1", "-t", "devices/a/heartbeat", "-l"]
        subprocess.run(send, input=lines, text=True, check=True, timeout=300)
        after = await asked(port, lambda finding: finding.code == "broker.dropped")
    assert after.severity is Severity.WARNING
    assert "messages in" in after.what
    assert "max_queued_messages" in after.do


async def test_a_broker_that_does_not_know_us_is_found(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false") as port:
        finding = await asked(
            port, lambda finding: "the broker refused us" in finding.what, password="wrong-password-1"
        )
    assert finding.severity is Severity.BAD
    assert "wrong-password-1" not in repr(finding)


async def test_a_broker_that_is_not_there_is_found() -> None:
    (finding,) = await probe(source(free_port()))
    assert (finding.severity, finding.code) == (Severity.BAD, "broker.unreachable")
    assert 'source "broker"' in finding.what


def test_a_broker_that_says_nothing_of_itself_is_not_judged() -> None:
    assert list(judge("broker", {})) == []
    assert list(judge("broker", {VERSION: "EMQX 5.3", UPTIME: "1 seconds"})) == []
    assert [f.code for f in judge("broker", {DROPPED: "3"})] == ["broker.dropped"]
    assert set(TOPICS) == {VERSION, DROPPED, UPTIME}


async def test_the_command_asks_every_broker_that_is_set_up(cli: Cli) -> None:
    port = free_port()
    store: Any = open_store(f"sqlite:///{cli.folder / 'lastseen.db'}")
    await store.open()
    now, fine = SystemClock().now(), {"url": f"mqtt://127.0.0.1:{port}", "presets": ["devices"]}
    await store.add_source("mqtt", "cellar", fine, {}, now)
    await store.add_source("mqtt", "attic", {**fine, "url": "mqtts://127.0.0.1", "ca": "/no/such/file"}, {}, now)
    await store.close()
    cli.env["LASTSEEN_MQTT_URL"] = f"mqtt://someone:{secret('a-password-of-a-broker')}@127.0.0.1:{port}"
    cli.env["LASTSEEN_MQTT_PRESETS"] = "tasmota"
    done = await anyio.to_thread.run_sync(cli, "doctor", "--json")
    assert "a-password-of-a-broker" not in done.out + done.err
    found = {
        f["what"].split('"')[1]: f["code"] for c in done.value["checks"] for f in c["findings"] if '"' in f["what"]
    }
    assert found == {"mqtt": "broker.unreachable", "cellar": "broker.unreachable", "attic": "source.unusable"}
    cli.env["LASTSEEN_MQTT_PRESETS"] = "nonsense"
    wrong = await anyio.to_thread.run_sync(cli, "doctor", "--json")
    assert [f["code"] for c in wrong.value["checks"] for f in c["findings"]] == ["settings.wrong"]
