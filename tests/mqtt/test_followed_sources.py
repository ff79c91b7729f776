"""Sources as rows and by the environment: the running server listens to what is there, and to nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen import sources as module
from lastseen.app import App
from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError
from lastseen.ingest.mqtt.source import CONFIG
from lastseen.manage import sources as manage
from lastseen.settings import Settings
from lastseen.sources import split_url
from lastseen.storage import open_store
from lastseen.storage.sql import SqlStore
from tests.mqtt.broker import Mosquitto, find
from tests.server.conftest import Served, a_server
from tests.support import eventually, free_port


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.02)


def config(broker: Mosquitto, base: str, **more: Any) -> dict[str, Any]:
    return {"url": broker.url, "presets": ["devices"], "base": base, "auto_add": True, **more}


async def is_heard(server: Served, broker: Mosquitto, topic: str, slug: str) -> None:
    """Of what is published on this topic, once somebody listens."""

    async def heard() -> bool:
        await asyncio.to_thread(broker.publish, topic)
        return slug in await server.app.monitor.statuses([slug])

    await eventually(heard, every=0.1)


def ears(server: Served) -> set[str]:
    return set(server.app.monitor._loops.listener.ears)


def rows(folder: Path, query: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(folder / "lastseen.db")) as connection:
        return connection.execute(query, values).fetchall()


async def test_a_row_is_followed_from_its_first_to_its_last_day(tmp_path: Path, shared: Mosquitto) -> None:
    async with a_server(tmp_path) as server:
        now = server.app.monitor.clock.now()
        made = await server.other.add_source("mqtt", "home", config(shared, "rows"), {}, now)
        await is_heard(server, shared, "rows/pump/heartbeat", "pump")

        await server.other.change_source("home", config(shared, "other"))
        await is_heard(server, shared, "other/valve/heartbeat", "valve")

        paused = config(shared, "other", paused=True)
        await server.other.change_source("home", paused)
        await eventually(lambda: "home" not in ears(server))
        await server.other.change_source("home", config(shared, "other"))
        await is_heard(server, shared, "other/tap/heartbeat", "tap")

        await server.other.remove_source("home", server.app.monitor.clock.now())
        await eventually(lambda: "home" not in ears(server))
        still_open = "SELECT count(*) FROM blind_periods WHERE source_id = ? AND ended_at IS NULL"
        assert rows(tmp_path, still_open, made.id) == [(0,)], "nobody would ever end it"
        assert rows(tmp_path, "SELECT count(*) FROM sources WHERE name = 'home'") == [(0,)]


async def test_what_stands_behind_a_bridge_goes_with_its_source(tmp_path: Path, shared: Mosquitto) -> None:
    async with a_server(tmp_path) as server:
        now = server.app.monitor.clock.now()
        await server.other.add_source("mqtt", "home", config(shared, "", presets=["zigbee2mqtt"]), {}, now)
        await eventually(lambda: {"home", "home/zigbee2mqtt"} <= ears(server))
        await server.other.remove_source("home", now)
        await eventually(lambda: not {"home", "home/zigbee2mqtt"} & ears(server))


async def test_rows_that_are_there_at_start_are_blind_until_their_link_is(tmp_path: Path) -> None:
    """Before the first decision: nobody who reports through them is blamed for what came before."""
    store = open_store(f"sqlite:///{tmp_path / 'lastseen.db'}")
    await store.open()  # type: ignore[attr-defined]
    nowhere = {"url": f"mqtt://127.0.0.1:{free_port()}", "presets": ["devices"]}
    made = await store.add_source("mqtt", "home", nowhere, {}, SystemClock().now())  # type: ignore[attr-defined]
    await store.close()  # type: ignore[attr-defined]
    async with a_server(tmp_path) as server:
        assert "home" in ears(server)
        blind = "SELECT count(*) FROM blind_periods WHERE source_id = ? AND reason = 'link' AND ended_at IS NULL"
        assert rows(tmp_path, blind, made.id) == [(1,)]


async def test_a_row_that_cannot_be_used_is_told_once_and_harms_no_other(tmp_path: Path, shared: Mosquitto) -> None:
    async with a_server(tmp_path) as server:
        now = server.app.monitor.clock.now()
        with capture_logs() as logs:
            await server.other.add_source("mqtt", "wrong", {"url": shared.url, "presets": ["nope"]}, {}, now)
            await server.other.add_source("mqtt", "odd", {"url": 5, "presets": 7}, {}, now)
            await server.other.add_source("mqtt", "home", config(shared, "fine"), {}, now)
            await is_heard(server, shared, "fine/pump/heartbeat", "pump")
            told = [line["source"] for line in logs if line["event"] == "source_refused"]
        assert sorted(told) == ["odd", "wrong"]
        assert not {"odd", "wrong"} & ears(server)

        await server.other.change_source("wrong", config(shared, "mended"))
        await is_heard(server, shared, "mended/lamp/heartbeat", "lamp")


async def test_a_row_whose_password_cannot_be_read_is_told_and_harms_no_other(
    tmp_path: Path, shared: Mosquitto
) -> None:
    async with a_server(tmp_path) as server:
        now = server.app.monitor.clock.now()
        await server.other.add_source("mqtt", "locked", config(shared, "l", username="me"), {"password": "x" * 9}, now)
        await eventually(lambda: "locked" in ears(server))
    (tmp_path / "lastseen.db.key").rename(tmp_path / "elsewhere")
    with capture_logs() as logs:
        async with a_server(tmp_path) as server:
            await server.other.add_source("mqtt", "home", config(shared, "open"), {}, now)
            await is_heard(server, shared, "open/pump/heartbeat", "pump")
            assert "locked" not in ears(server)
    (told,) = [line for line in logs if line["event"] == "source_refused"]
    assert told["source"] == "locked"
    assert "x" * 9 not in str(logs)


@pytest.mark.parametrize("when", ["at the start", "later"])
async def test_one_that_is_removed_while_the_server_begins_to_listen_does_not_come_back(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, now = module.FollowedSources._read, SystemClock().now()

    looks: list[Any] = []

    async def just_before_it_is_removed(followed: Any) -> Any:
        found = await read(followed)
        looks.append(list(found))
        for name in found:
            await followed._rows.remove_source(name, now)
        return found

    store = open_store(f"sqlite:///{tmp_path / 'lastseen.db'}")
    gone = {"url": f"mqtt://127.0.0.1:{free_port()}", "presets": ["devices"]}
    if when == "at the start":
        await store.open()  # type: ignore[attr-defined]
        await store.add_source("mqtt", "home", gone, {}, now)  # type: ignore[attr-defined]
        await store.close()  # type: ignore[attr-defined]
    with capture_logs() as logs:
        monkeypatch.setattr(module.FollowedSources, "_read", just_before_it_is_removed)
        async with a_server(tmp_path) as server:
            if when == "later":
                await server.other.add_source("mqtt", "home", gone, {}, now)
            await eventually(lambda: ["home"] in looks and looks[-2:] == [[], []])
            assert ears(server) == {"http"}
            assert [row.name for row in await server.other.sources()] == ["http"]
    assert [line for line in logs if line["event"] in ("source_refused", "source_ended")] == []


async def test_a_part_that_is_made_while_its_source_is_removed_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_server(tmp_path) as server:
        store, now = server.app.store, SystemClock().now()
        assert isinstance(store, SqlStore)
        await store.add_source("mqtt", "house", {"paused": True}, {}, now)
        remove = store.remove_source

        async def just_after_a_part_was_made(name: str, at: datetime) -> None:
            if name == "house":
                await store.listen("house/attic", "n", now, of="house")
            await remove(name, at)

        monkeypatch.setattr(store, "remove_source", just_after_a_part_was_made)
        await manage.remove(server.app.office, "house")
        assert [row.name for row in await store.sources()] == ["http"]


async def test_the_environment_names_one_broker_that_goes_before_a_row_of_its_name(
    tmp_path: Path, shared: Mosquitto
) -> None:
    async with a_server(tmp_path) as server:
        await server.other.add_source("mqtt", "mqtt", config(shared, "row"), {}, server.app.monitor.clock.now())
        await is_heard(server, shared, "row/valve/heartbeat", "valve")
    given = {"mqtt_url": shared.url, "mqtt_bind": "env/{machine}/alive", "mqtt_auto_add": "true"}
    with capture_logs() as logs:
        async with a_server(tmp_path, **given) as server:
            await is_heard(server, shared, "env/pump/alive", "pump")
    (told,) = [line for line in logs if line["event"] == "source_refused"]
    assert (told["source"], "LASTSEEN_MQTT_URL" in told["error"]) == ("mqtt", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mqtt_presets": "devices"}, "LASTSEEN_MQTT_PRESETS is set, and LASTSEEN_MQTT_URL is not"),
        ({"mqtt_url": "http://u:geheim99@h", "mqtt_presets": "devices"}, "LASTSEEN_MQTT_URL: must be mqtt://host"),
        ({"mqtt_url": "mqtt://h", "mqtt_presets": "nope"}, "LASTSEEN_MQTT_PRESETS: there is no preset 'nope'"),
        ({"mqtt_url": "mqtt://h"}, "LASTSEEN_MQTT_BIND: names no topics"),
        ({"mqtt_url": "mqtt://h", "mqtt_bind": "a/b"}, "LASTSEEN_MQTT_BIND: "),
        ({"mqtt_url": "mqtt://h", "mqtt_offline_after": "soon"}, "LASTSEEN_MQTT_OFFLINE_AFTER: must be a duration"),
        ({"mqtt_url": "mqtt://h", "mqtt_auto_add": "perhaps"}, "LASTSEEN_MQTT_AUTO_ADD: must be true or false"),
        (
            {"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_goodbye_grace": "x"},
            "LASTSEEN_MQTT_GOODBYE_GRACE: ",
        ),
        ({"mqtt_base": "plant"}, "LASTSEEN_MQTT_BASE is set, and LASTSEEN_MQTT_URL is not"),
        ({"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_base": "a/#"}, "LASTSEEN_MQTT_BASE: "),
        ({"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_share": "a+"}, "LASTSEEN_MQTT_SHARE: "),
        ({"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_publish": "#"}, "LASTSEEN_MQTT_PUBLISH: "),
        (
            {"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_publish": "p", "mqtt_discovery": "+"},
            "LASTSEEN_MQTT_DISCOVERY: ",
        ),
        ({"mqtt_url": "mqtt://h", "mqtt_presets": "devices", "mqtt_ca": "/ca.pem"}, "LASTSEEN_MQTT_CA: is only for"),
        ({"mqtt_url": "mqtts://h", "mqtt_presets": "devices", "mqtt_ca": "/nothing"}, "LASTSEEN_MQTT_CA: '/nothing'"),
        ({"mqtt_url": "mqtts://h", "mqtt_presets": "devices", "mqtt_cert": "/nothing"}, "LASTSEEN_MQTT_CERT: "),
        ({"mqtt_url": "mqtts://h", "mqtt_presets": "devices", "mqtt_key": "/k"}, "LASTSEEN_MQTT_CERT: is needed"),
    ],
)
def test_settings_that_make_no_broker_are_refused_by_name(tmp_path: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        App(Settings.load(data_dir=tmp_path, **given))
    assert said in str(caught.value)
    assert "geheim99" not in str(caught.value)


def test_every_option_of_a_row_that_is_no_secret_is_a_setting() -> None:
    """The user stands in the address, and the client's id is the node's."""
    assert set(module.OPTIONS) == CONFIG - {"url", "username", "client_id"}
    assert {f"mqtt_{option}" for option in module.OPTIONS} <= Settings.model_fields.keys()


async def test_the_broker_of_the_environment_has_all_that_a_row_may_have(tmp_path: Path, shared: Mosquitto) -> None:
    """Its base and kind, and it is told how its machines stand."""
    given = {"mqtt_url": shared.url, "mqtt_presets": "devices", "mqtt_base": "env-base", "mqtt_auto_add": "true"}
    more = {"mqtt_kind": "device", "mqtt_share": "nodes", "mqtt_publish": "env-out", "mqtt_discovery": "off"}
    async with a_server(tmp_path, **given, **more) as server:
        await is_heard(server, shared, "env-base/pump/heartbeat", "pump")
        (standing,) = (await server.app.monitor.store.liveness(["pump"])).values()
        assert standing.machine.kind == "device"
        assert "pump" in await asyncio.to_thread(kept, shared, "env-out/pump/state")


def kept(broker: Mosquitto, topic: str) -> str:
    """What the broker keeps there, waited for."""
    at = ("-h", "127.0.0.1", "-p", str(broker.port))
    command = [find("mosquitto_sub"), *at, "-t", topic, "-C", "1", "-W", "20"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout


def test_the_address_may_be_in_a_file_and_is_in_no_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("mqtt://me:geheim99@h\n")
    monkeypatch.setenv("LASTSEEN_MQTT_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("LASTSEEN_MQTT_PRESETS", "devices, tasmota")
    settings = Settings.load(data_dir=tmp_path)
    assert settings.mqtt_presets == ("devices", "tasmota")
    assert "geheim99" not in repr(settings)
    way = module.way_of_settings(settings)
    assert "geheim99" not in repr(way)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("mqtt://h:1883", ("mqtt://h:1883", None, None)),
        ("mqtt://me@h", ("mqtt://h", "me", None)),
        ("mqtts://me:a%40b@h", ("mqtts://h", "me", "a@b")),
        ("mqtt://me:a/b@c@h", ("mqtt://h", "me", "a/b@c")),
        ("mqtt://me:p:q@h", ("mqtt://h", "me", "p:q")),
        ("me:pw@h", ("", None, None)),
        ("h:1883", ("h:1883", None, None)),
    ],
)
def test_an_address_is_split_at_its_last_at(url: str, parts: tuple[str, str | None, str | None]) -> None:
    assert split_url(url) == parts
