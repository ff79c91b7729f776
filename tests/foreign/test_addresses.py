"""The ping and push addresses of machines that nobody added by hand."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Cli
from tests.mqtt.broker import Mosquitto, find
from tests.secrecy import log_of, secret
from tests.support import until

BOTH = ("ping_url", "push_url")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path / "data")
    assert made("db", "upgrade").code == 0
    return made


@pytest.fixture
def url(cli: Cli) -> Iterator[str]:
    broker = Mosquitto(cli.folder.parent)
    broker.start()
    cli.env.update(LASTSEEN_MQTT_URL=broker.url, LASTSEEN_MQTT_PRESETS="devices", LASTSEEN_MQTT_AUTO_ADD="true")
    try:
        with cli.serving() as serving:
            come_into_being(cli, serving, broker)
            yield serving
    finally:
        broker.stop()
    log_of("the machines that come by themselves", cli.folder.parent / "serve.log")


def come_into_being(cli: Cli, url: str, broker: Mosquitto) -> None:
    fleet = secret(cli.json("keys", "add", "fleet", "--may-create")["key"])
    answer = httpx.post(f"{url}/api/v1/heartbeats", json=[{"machine": "by-fleet"}], headers={"X-API-Key": fleet})
    assert answer.json() == {"accepted": 1, "rejected": []}
    ping = secret(cli.json("keys", "add", "ping")["key"])
    assert httpx.get(f"{url}/ping/{ping}/by-ping?create=1").status_code == 201
    client = find("mosquitto_pub")

    def there() -> bool:
        topic = ("-t", "devices/by-mqtt/heartbeat", "-q", "1", "-m", "{}")
        subprocess.run([client, "-p", str(broker.port), *topic], check=True, timeout=300)
        return "by-mqtt" in slugs(cli)

    until(there, "the broker's machine is there", 30, every=0.3)


def slugs(cli: Cli) -> dict[str, Any]:
    return {machine["slug"]: machine for machine in cli.json("machines", "list")}


def test_they_are_made_when_the_machine_is_first_shown_and_stay_the_same(cli: Cli, url: str) -> None:
    listed = slugs(cli)
    assert set(listed) == {"by-fleet", "by-ping", "by-mqtt"}
    assert all(machine[name] is None for machine in listed.values() for name in BOTH), "a list makes none"
    addresses = {}
    for slug in listed:
        shown = cli.json("machines", "show", slug)
        addresses[slug] = {name: secret(shown[name]) for name in BOTH}
        assert httpx.get(shown["ping_url"]).text == "OK"
        assert httpx.get(shown["push_url"]).json() == {"ok": True}
    again = slugs(cli)
    for slug, known in addresses.items():
        assert {name: again[slug][name] for name in BOTH} == known
        assert {name: cli.json("machines", "show", slug)[name] for name in BOTH} == known
    assert len({text for known in addresses.values() for text in known.values()}) == 6


def test_one_that_was_revoked_is_replaced_and_the_other_stays(cli: Cli, url: str) -> None:
    before = cli.json("machines", "show", "by-fleet")
    (push,) = [key for key in cli.json("keys", "list") if key["scope"] == "push"]
    cli.json("keys", "revoke", str(push["id"]))
    after = cli.json("machines", "show", "by-fleet")
    assert after["ping_url"] == before["ping_url"]
    assert after["push_url"] not in (None, before["push_url"])
    until(lambda: httpx.get(before["push_url"]).status_code == 404, "the old one is worthless")


async def test_two_who_look_at_once_both_get_addresses_that_work(cli: Cli, url: str) -> None:
    looked = await asyncio.gather(
        *(asyncio.to_thread(cli.process, "machines", "show", "by-ping", "--json") for _ in range(2))
    )
    for done in looked:
        assert (done.code, httpx.get(done.value["ping_url"]).text) == (0, "OK")
