"""`lastseen sources`: what is kept of a broker, what is refused, and that no password comes back."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

SECRET = "hunter2/and@more"
HOME = ("sources", "add", "mqtt", "home", "--url", "mqtt://broker.example")


def stored(cli: Cli) -> bytes:
    """The whole database, as it is on the disk."""
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        return "\n".join(connection.iterdump()).encode()


def test_a_source_is_added_shown_changed_and_removed(cli: Cli) -> None:
    flags = ("--preset", "zigbee2mqtt", "--preset", "tasmota", "--bind", "plant/{machine}/alive=heartbeat")
    made = cli.json(*HOME, *flags, "--offline-after", "5m", "--kind", "device", "--auto-add")
    assert made == {
        "id": 1,
        "name": "home",
        "kind": "mqtt",
        "url": "mqtt://broker.example",
        "presets": ["zigbee2mqtt", "tasmota"],
        "bind": ["plant/{machine}/alive=heartbeat"],
        "offline_after": "5m",
        "machine_kind": "device",
        "auto_add": True,
    }
    shown = cli.json("sources", "show", "home")
    assert shown == {**made, "hears": False, "blind_since": None, "blind_reason": None, "strangers": []}
    assert [one["name"] for one in cli.json("sources", "list")] == ["http", "home"]

    changed = cli.json("sources", "set", "home", "--preset", "devices", "--base", "plant", "--no-auto-add")
    gone = {"auto_add"}
    want = {**{k: v for k, v in made.items() if k not in gone}, "presets": ["devices"], "base": "plant"}
    assert changed == want
    taken_back = cli.json("sources", "set", "home", "--base", "", "--kind", "", "--bind", "", "--offline-after", "")
    assert taken_back == {key: made[key] for key in ("id", "name", "kind", "url")} | {"presets": ["devices"]}

    assert cli.json("sources", "remove", "home") == {"id": 1, "name": "home", "removed": True}
    assert [one["name"] for one in cli.json("sources", "list") if one["kind"] == "mqtt"] == []
    assert cli("sources", "show", "home").code == 1


def test_a_kind_that_is_not_there_is_refused_before_a_machine_is_lost_by_it(cli: Cli) -> None:
    for command in (HOME, ("sources", "set", "home")):
        refused = cli(*command, "--preset", "devices", "--kind", "sensor")
        assert (refused.code, "--kind: there is no kind 'sensor'" in refused.err) == (1, True)
        cli(*HOME, "--preset", "devices")


def test_a_list_for_people_names_the_broker_and_its_topics(cli: Cli) -> None:
    cli(*HOME, "--preset", "shelly", "--bind", "a/{machine}/b=both")
    listed = cli("sources", "list").out
    (line,) = [line for line in listed.splitlines() if "home" in line]
    shown = ["1", "home", "mqtt", "no", "mqtt://broker.example", "shelly", "a/{machine}/b=both"]
    assert line.split()[:7] == shown


def test_user_and_password_of_the_address_are_kept_apart_from_it(cli: Cli) -> None:
    made = cli.json(
        "sources", "add", "mqtt", "home", "--url", f"mqtt://me:{SECRET}@broker.example", "--preset", "homie"
    )
    assert (made["url"], made["username"]) == ("mqtt://broker.example", "me")
    everything = [cli("sources", *words) for words in (("list",), ("show", "home"), ("show", "home", "--json"))]
    assert not any("hunter2" in done.out + done.err or "more" in done.out for done in everything)
    assert b"hunter2" not in stored(cli)


def test_a_password_in_a_file_is_stored_encrypted_and_stays_when_something_else_is_set(
    cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    cli.json(*HOME, "--preset", "homie", "--user", "me", "--password-file", str(file))
    assert b"hunter2" not in stored(cli)
    before = sealed(cli)
    assert before is not None
    cli.json("sources", "set", "home", "--offline-after", "10m")
    assert sealed(cli) == before
    cli.json("sources", "set", "home", "--user", "")
    assert sealed(cli) is None


def sealed(cli: Cli) -> str | None:
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        found: str | None = connection.execute("SELECT secrets FROM sources WHERE name = 'home'").fetchone()[0]
        return found


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--url", "http://broker"), "--url: must be mqtt://host[:port] or mqtts://host[:port]"),
        (("--url", f"mqtt://me:{SECRET}@broker:99999"), "--url: must be mqtt://host"),
        (("--url", f"me:{SECRET}@broker"), "--url: must be mqtt://host"),
        (("--preset", "nope"), "--preset: there is no preset 'nope'"),
        (("--bind", "a/{machine}/b=sometimes"), "--bind: 'sometimes' must be one of heartbeat, presence, both"),
        (("--bind", "a/+/b=presence"), "--bind: "),
        (("--preset", "", "--bind", ""), "--bind: names no topics: name a preset, or topics of your own"),
        (("--base", "a/#"), "--base: "),
        (("--offline-after", "soon"), "--offline-after: must be a duration"),
        (("--ca", "/nowhere/ca.pem"), "--ca: "),
        (("--share", "a+b"), "--share: "),
        (("--publish", "a/#"), "--publish: "),
        (("--password-file", "/nowhere/password"), "--password-file: /nowhere/password cannot be read: No such file"),
    ],
)
def test_what_is_wrong_is_named_by_its_option_and_nothing_is_changed(
    cli: Cli, flags: tuple[str, ...], said: str
) -> None:
    cli.json(*HOME, "--preset", "devices", "--user", "me")
    before = stored(cli)
    words = ("--url", "mqtt://broker.example", "--preset", "devices", *flags)
    if flags[:2] == ("--preset", ""):
        words = ("--url", "mqtt://broker.example", *flags)
    for command in (("sources", "add", "mqtt", "other", *words), ("sources", "set", "home", *flags)):
        done = cli(*command)
        assert done.code == 1
        assert said in done.err
        assert "hunter2" not in done.err + done.out
    assert stored(cli) == before


def test_a_name_is_taken_once_and_has_no_slash(cli: Cli) -> None:
    cli.json(*HOME, "--preset", "devices")
    assert "there is a source 'home' already" in cli(*HOME, "--preset", "devices").err
    done = cli("sources", "add", "mqtt", "a/b", "--url", "mqtt://broker", "--preset", "devices")
    assert (done.code, "NAME: must be a name without slashes" in done.err) == (1, True)
    assert cli("sources", "add", "mqtt", "more", "--preset", "devices").code == 2


def test_what_is_not_there_and_what_is_no_broker_are_left_alone(cli: Cli) -> None:
    for command in (("show",), ("set", "--base", "x"), ("remove",)):
        done = cli("sources", *command, "nobody")
        assert (done.code, "no source 'nobody'" in done.err) == (1, True)


def test_parts_of_a_source_go_with_it(cli: Cli) -> None:
    cli.json(*HOME, "--preset", "zigbee2mqtt")
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        connection.execute("INSERT INTO sources (id, name, kind, config) VALUES (9, 'home/zigbee2mqtt', 'mqtt', '{}')")
    connection.close()
    cli.json("sources", "remove", "home")
    assert not [one for one in cli.json("sources", "list") if one["name"].startswith("home")]


def test_the_config_is_what_the_source_is_made_of(cli: Cli) -> None:
    from lastseen.ingest.mqtt import MqttSource

    cli.json(*HOME, "--preset", "devices", "--share", "lastseen", "--base", "plant")
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        (config,) = connection.execute("SELECT config FROM sources WHERE name = 'home'").fetchone()
    way = MqttSource.from_config("home", json.loads(config), {})
    assert way.together() == [("$share/lastseen/plant/+/heartbeat", False)]


def test_what_nobody_added_is_shown_as_what_it_is(cli: Cli) -> None:
    """The broker of the settings, what stands behind its bridge, and a way in that a program gave."""
    cli.json("sources", "list")
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        rows = [(n, name, "code", "{}") for n, name in enumerate(("mqtt", "mqtt/zigbee2mqtt", "mine"), 1)]
        connection.executemany("INSERT INTO sources (id, name, kind, config) VALUES (?, ?, ?, ?)", rows)
    cli.env["LASTSEEN_MQTT_URL"] = "mqtt://broker.example"
    kinds = {one["name"]: one["kind"] for one in cli.json("sources", "list")}
    assert kinds == {"http": "http", "mqtt": "mqtt", "mqtt/zigbee2mqtt": "bridge", "mine": "code"}
    assert cli.json("sources", "show", "mqtt")["kind"] == "mqtt"
    refused = cli("sources", "set", "mqtt", "--preset", "devices")
    assert (refused.code, "has no options here" in refused.err) == (1, True)
