"""What each command prints for programs: the contract of the command line."""

from __future__ import annotations

import re
from datetime import datetime

from tests.cli.conftest import Cli
from tests.storage.test_migrations import HEAD

MACHINE = {
    *("id", "slug", "name", "status", "late", "awaited", "last_seen", "status_since", "since", "offline_after_seconds"),
    *("seconds_until_offline", "notified_at", "sources", "group", "flapping_since"),
    *("acknowledged_by", "acknowledged_at"),
    *("hostname", "description", "kind", "tags", "enabled", "ping_url", "push_url"),
    *("schedule", "timezone", "grace_seconds", "max_runtime_seconds", "every_seconds", "owner"),
}
ONE = {*MACHINE, "next_due", "runs"}
EVENT = {
    *("id", "uid", "type", "severity", "machine_id", "machine", "at", "previous_status", "status", "reason"),
    *("last_seen", "incident_id", "seq"),
}
NOTIFICATION = {
    *("id", "uid", "event_id", "channel_id", "cause", "state", "reason", "attempts", "due_at", "finished_at"),
}
KEY = {
    *("id", "scope", "label", "hint", "machine_id", "created_at", "first_used_at", "last_used_at", "expires_at"),
    *("revoked_at", "defaults", "may"),
}


def test_a_machine_is_added_shown_changed_and_removed(cli: Cli) -> None:
    flags = ("--name", "Größe ☃", "--hostname", "prod-01", "--description", "Main", "--kind", "server")
    made = cli.json(
        "machines", "add", "db-01", *flags, "--group", "berlin", "--tag", "a", "--tag", "b", "--every", "1m"
    )
    key = made.pop("key")
    assert re.fullmatch(r"lsm_[A-Za-z0-9_-]{43}", key)
    assert re.fullmatch(r"http://127\.0\.0\.1:8383/ping/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["ping_url"])
    assert re.fullmatch(r"http://127\.0\.0\.1:8383/api/push/lsu_[A-Za-z0-9_-]{43}", made["push_url"])
    urls = {"ping_url": made["ping_url"], "push_url": made["push_url"]}
    assert made == {"id": 1, "slug": "db-01", "name": "Größe ☃", **urls}

    shown = cli.json("machines", "show", "1")
    assert set(shown) == ONE
    assert {name: shown[name] for name in urls} == urls
    assert shown["status"] == "provisioning"
    assert (shown["offline_after_seconds"], shown["every_seconds"]) == (180, 60)
    assert re.search(r"reports every +1 min\n", cli("machines", "show", "1").out)
    assert (shown["hostname"], shown["kind"], shown["tags"], shown["enabled"]) == (
        "prod-01",
        "server",
        ["a", "b"],
        True,
    )

    changed = cli.json("machines", "set", "db-01", "--offline-after", "never", "--every", "none", "--tag", "")
    assert set(changed) == ONE
    assert (changed["offline_after_seconds"], changed["every_seconds"]) == (None, None)
    assert changed["tags"] == []
    assert changed["name"] == "Größe ☃"
    assert cli.json("machines", "set", "db-01", "--offline-after", "default")["offline_after_seconds"] == 120

    cli.json("machines", "set", "db-01", "--offline-after", "5m")
    assert cli.json("machines", "set", "db-01", "--offline-after", "")["offline_after_seconds"] == 120

    (listed,) = cli.json("machines", "list")
    assert set(listed) == MACHINE
    assert {name: listed[name] for name in urls} == urls
    new = cli.json("machines", "new-addresses", "db-01")
    assert not {new["ping_url"], new["push_url"]} & set(urls.values())
    assert cli.json("machines", "list", "--kind", "job") == []
    assert key not in cli("machines", "list").out + cli("machines", "show", "db-01").out

    assert cli.json("machines", "remove", "db-01") == {"id": 1, "slug": "db-01", "removed": True}
    assert cli.json("machines", "list") == []
    assert cli.json("events", "--machine", "db-01")[0]["type"] == "machine.removed"
    assert cli.json("events", "--machine", "1", "--limit", "1")[0]["type"] == "machine.removed"


def test_the_process_prints_the_value_and_nothing_else(cli: Cli) -> None:
    done = cli.process("machines", "add", "größe".encode("ascii", "ignore").decode(), "--name", "Größe ☃", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.value["name"] == "Größe ☃"
    listed = cli.process("machines", "list")
    assert listed.code == 0
    assert "\x1b" not in listed.out  # colours are for terminals
    refused = cli.process("machines", "show", "nobody")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("lastseen: no machine")
    assert cli.process("machines", "show").code == 2


def test_adding_what_is_there_fails_or_changes_nothing_where_that_is_asked(cli: Cli) -> None:
    made = cli.json("machines", "add", "db-01", "--name", "first")
    again = cli("machines", "add", "db-01", "--json")
    assert (again.code, again.out) == (1, "")
    assert "db-01" in again.err
    kept = cli.json("machines", "add", "db-01", "--if-missing", "--name", "second")
    assert kept == {**made, "key": None}
    assert "key" in cli.json("machines", "rotate-key", "db-01")


def test_digits_are_tried_as_a_slug_and_then_as_an_id(cli: Cli) -> None:
    cli.json("machines", "add", "2")
    cli.json("machines", "add", "other")
    assert cli.json("machines", "show", "2")["id"] == 1
    assert cli.json("machines", "show", "1")["slug"] == "2"


def test_a_machine_is_paused_disabled_and_watched_again_and_the_events_say_so(cli: Cli) -> None:
    cli.json("machines", "add", "m")
    assert cli.json("machines", "pause", "m")["status"] == "paused"
    assert cli.json("machines", "resume", "m")["status"] == "provisioning"
    disabled = cli.json("machines", "disable", "m")
    assert (disabled["status"], disabled["enabled"]) == ("paused", False)
    assert "disabled" in cli("machines", "list").out
    for verb in ("pause", "resume"):
        refused = cli("machines", verb, "m")
        assert (refused.code, refused.out) == (1, ""), "else a script takes it for watched"
        assert refused.err == f"lastseen: m: is disabled: enable it, then {verb} it\n"
    assert cli.json("machines", "enable", "m")["enabled"] is True

    events = cli.json("events", "--machine", "m")
    assert all(set(event) == EVENT for event in events)
    assert [event["type"].removeprefix("machine.") for event in events] == [
        *("resumed", "paused", "resumed", "paused", "registered"),
    ]
    assert all(datetime.fromisoformat(event["at"]).tzinfo for event in events)
    assert [event["type"] for event in cli.json("events", "--type", "machine.registered")] == ["machine.registered"]
    assert len(cli.json("events", "--limit", "2")) == 2


def test_kinds_are_listed_and_set(cli: Cli) -> None:
    assert {kind["name"] for kind in cli.json("kinds", "list")} == {"default", "server", "device", "job"}
    assert cli.json("kinds", "set", "server", "--offline-after", "90s", "--every", "30s") == {
        "name": "server",
        "offline_after_seconds": 90,
        "every_seconds": 30,
    }
    assert cli.json("kinds", "set", "server", "--offline-after", "never")["offline_after_seconds"] == 0
    cleared = cli.json("kinds", "set", "server", "--offline-after", "default")
    assert (cleared["offline_after_seconds"], cleared["every_seconds"]) == (None, 30)
    assert cli.json("kinds", "set", "server", "--every", "")["every_seconds"] is None
    assert cli.json("kinds", "set", "camera", "--every", "1m")["every_seconds"] == 60


def test_keys_are_made_listed_and_revoked_and_shown_once(cli: Cli) -> None:
    made = cli.json("keys", "add", "api", "--label", "grafana", "--expires", "90d")
    assert set(made) == {"id", "scope", "label", "key", "expires_at"}
    assert made["key"].startswith("lsa_")
    (listed,) = cli.json("keys", "list")
    assert set(listed) == KEY | {"machine", "user"}
    assert listed["hint"] == made["key"][:12]
    assert listed["expires_at"]
    assert made["key"] not in cli("keys", "list").out
    assert listed["expires_at"] == made["expires_at"]
    assert "It is valid until 20" in cli("keys", "add", "api", "--expires", "1d").out
    assert cli.json("keys", "revoke", str(made["id"]))["revoked_at"]


def test_fleet_and_ping_keys_say_what_they_may_make(cli: Cli) -> None:
    flags = ("--label", "l", "--kind", "device", "--group", "roof", "--tag", "b", "--tag", "a")
    fleet = cli.json("keys", "add", "fleet", "--may-create", *flags)
    ping = cli.json("keys", "add", "ping", "--expires", "1d")
    assert (fleet["key"][:4], ping["key"][:4]) == ("lsf_", "lsp_")
    listed = cli.json("keys", "list")
    made = {"may_create": True, "kind": "device", "group": "roof", "tags": ["a", "b"]}
    assert [key["defaults"] for key in listed] == [made, {"may_create": True}]
    assert ping["key"] not in cli("keys", "list").out + str(listed)
    assert ping["key"] in cli("keys", "list", "--show").out
    assert [key["key"] for key in cli.json("keys", "list", "--show")] == [None, ping["key"]]
    assert cli.json("keys", "add", "ping", "--may-not-create")["scope"] == "ping"
    refused = cli("keys", "add", "fleet", "--kind", "nothing")
    assert (refused.code, "--kind" in refused.err) == (1, True)


def test_addresses_are_those_of_the_public_url_or_of_the_running_server(cli: Cli) -> None:
    made = cli.json("machines", "add", "m")
    path = made["ping_url"].removeprefix("http://127.0.0.1:8383")
    with cli.serving() as url:
        assert cli.json("machines", "show", "m")["ping_url"] == url + path
    assert cli.json("machines", "show", "m")["ping_url"] == url + path, "where it was served last"
    cli.env["LASTSEEN_PUBLIC_URL"] = "https://seen.example.org/"
    assert cli.json("machines", "show", "m")["ping_url"] == "https://seen.example.org" + path
    (cli.folder / "lastseen.db.key").unlink()
    locked = cli("machines", "show", "m", "--json")
    assert (locked.code, locked.value["ping_url"]) == (0, None)
    assert "cannot be read" in locked.err
    added = cli("machines", "add", "n", "--json")
    assert (added.code, added.value["push_url"]) == (0, None)


def test_with_a_free_port_and_never_served_nobody_knows_the_address(cli: Cli) -> None:
    cli.env["LASTSEEN_PORT"] = "0"
    made = cli.json("machines", "add", "m")
    assert (made["ping_url"], made["push_url"]) == (None, None)
    assert made["key"]


def test_a_webhook_channel_is_added_listed_switched_and_removed(cli: Cli) -> None:
    made = cli.json("channels", "add", "webhook", "--name", "ops", "--url", "http://127.0.0.1:9/hook")
    assert set(made) == {"id", "type", "name", "secret"}
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", made["secret"])
    own = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    (cli.folder.parent / "secret").write_text(own + "\n")
    file = str(cli.folder.parent / "secret")
    given = cli.json(
        "channels", "add", "webhook", "--name", "pager", "--url", "https://x.example/", "--secret-file", file
    )
    assert given == {"id": 2, "type": "webhook", "name": "pager"}

    listed = cli.json("channels", "list")
    assert [channel["name"] for channel in listed] == ["ops", "pager"]
    assert not any(secret in cli("channels", "list").out + str(listed) for secret in (made["secret"], own))
    assert cli.json("channels", "disable", "ops", "--reason", "moved")["disabled_reason"] == "moved"
    assert cli.json("channels", "enable", "1")["enabled"] is True
    assert cli.json("channels", "remove", "ops") == {"id": 1, "name": "ops", "removed": True}
    assert [channel["name"] for channel in cli.json("channels", "list")] == ["pager"]


def test_the_rest_has_its_shapes_too(cli: Cli) -> None:
    assert cli.json("notifications", "list") == []
    assert cli.json("notifications", "list", "--state", "dead") == []
    assert {plugin["type"] for plugin in cli.json("plugins")} >= {"webhook", "telegram", "console"}
    assert cli.json("db", "check")["ok"] is True
    assert cli.json("db", "current")["revision"] == HEAD
    again = cli.json("db", "upgrade")
    assert again["before"] == again["after"] == HEAD


def test_a_group_is_taken_back_by_what_people_call_none(cli: Cli) -> None:
    cli.json("machines", "add", "srv-7", "--group", "none")
    assert cli.json("machines", "show", "srv-7")["group"] == "http"
    for nothing in ("none", "", "no group", "No Group"):
        assert cli.json("machines", "set", "srv-7", "--group", "berlin")["group"] == "berlin"
        assert cli.json("machines", "set", "srv-7", "--group", nothing)["group"] == "http"
        assert cli.json("machines", "list", "--group", "no group")[0]["slug"] == "srv-7"
    assert cli.json("machines", "list", "--group", "none") == []
