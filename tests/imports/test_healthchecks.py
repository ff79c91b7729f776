"""`lastseen import healthchecks`: what becomes of checks, ping keys and integrations."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.imports.conftest import content, machines, moved
from tests.imports.programs import HEALTHCHECKS_1, HEALTHCHECKS_3, Healthchecks, ago
from tests.secrecy import secret

PING_KEY = "bQ7xR2mJ9vLk4sT8wYzA1c"
BOT = secret("123456:AAH-kq_bot_token_of_theirs")


@pytest.fixture
def filled(healthchecks: Healthchecks) -> Healthchecks:
    """A project with one check of each state, and who hears of what."""
    project = healthchecks.project("Office", PING_KEY)
    up = healthchecks.check(
        project, "Backup DB", slug="backup-db", status="up", last_ping=ago(600), timeout=3600, grace=300,
        tags="db  nightly", desc="the big one",
    )  # fmt: skip
    healthchecks.check(project, "Printer", status="down", last_ping=ago(90_000 + 7200), grace=3600)
    healthchecks.check(
        project, "Report", kind="cron", schedule="30 2 * * 1-5", tz="Europe/Berlin", status="new", grace=1800
    )
    healthchecks.check(project, "Camera", status="paused", manual_resume=1, last_ping=ago(5000))
    healthchecks.check(project, "Sensor", status="paused", last_ping=ago(5000))
    healthchecks.channel(project, "webhook", POST, up, name="pager")
    return healthchecks


POST = {
    "method_down": "POST", "url_down": "http://127.0.0.1:9/hook", "body_down": "$NAME is down", "headers_down": {},
    "method_up": "POST", "url_up": "http://127.0.0.1:9/hook", "body_up": "", "headers_up": {},
}  # fmt: skip


def test_each_check_becomes_a_machine_as_it_stood(cli: Cli, filled: Healthchecks) -> None:
    report = cli.json("import", "healthchecks", str(filled.file))
    assert {row["result"] for row in report["moved"]} == {"brought"}
    found = machines(cli)
    assert {slug: machine["status"] for slug, machine in found.items()} == {
        "backup-db": "online",
        "printer": "offline",
        "report": "provisioning",
        "camera": "paused",
        "sensor": "paused",
    }
    backup = found["backup-db"]
    assert (backup["name"], backup["description"], backup["group"]) == ("Backup DB", "the big one", "Office")
    assert backup["tags"] == ["db", "nightly"]
    assert backup["offline_after_seconds"] == 3900
    assert datetime.fromisoformat(backup["last_seen"]) == pytest.approx(ago(600), abs=timedelta(seconds=1))
    report_shown = cli.json("machines", "show", "report")
    assert (report_shown["schedule"], report_shown["timezone"]) == ("30 2 * * 1-5", "Europe/Berlin")


def test_what_was_up_has_its_whole_threshold_from_now_and_what_was_down_an_outage_since_then(
    cli: Cli, filled: Healthchecks
) -> None:
    cli.json("import", "healthchecks", str(filled.file))
    found = machines(cli)
    assert 3400 < found["backup-db"]["seconds_until_offline"] <= 3900
    assert cli.json("events", "--machine", "printer", "--limit", "1")[0]["type"] == "machine.offline"
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as database:
        begun = database.execute("SELECT started_at FROM outages").fetchall()
    assert len(begun) == 1
    assert abs(datetime.fromisoformat(begun[0][0] + "+00:00") - ago(97_200)) < timedelta(seconds=1)


def test_nobody_is_told_again_of_what_they_were_told_there(cli: Cli, filled: Healthchecks) -> None:
    cli.json("channels", "add", "webhook", "--name", "ours", "--url", "http://127.0.0.1:9/")
    cli.json("import", "healthchecks", str(filled.file))
    told = cli.json("notifications", "list")
    assert {row["state"] for row in told} <= {"skipped", "delivered"}
    assert told


def test_a_second_import_changes_nothing_and_says_so(cli: Cli, filled: Healthchecks) -> None:
    cli.json("import", "healthchecks", str(filled.file))
    before = content(cli)
    again = cli.json("import", "healthchecks", str(filled.file))
    assert {row["result"] for row in again["moved"]} == {"here"}
    assert content(cli) == before
    assert "Nothing is changed: 7 here already." in cli("import", "healthchecks", str(filled.file)).out


def test_a_dry_run_says_the_same_and_writes_nothing(cli: Cli, filled: Healthchecks) -> None:
    before, theirs = content(cli), filled.content()
    dry = cli.json("import", "healthchecks", str(filled.file), "--dry-run")
    assert content(cli) == before
    assert [row["result"] for row in dry["moved"]] == ["would be brought"] * 7
    real = cli.json("import", "healthchecks", str(filled.file))
    assert [(row["kind"], row["name"], row["here"]) for row in real["moved"]] == [
        (row["kind"], row["name"], row["here"]) for row in dry["moved"]
    ]
    assert filled.content() == theirs


def test_what_people_changed_or_removed_since_stays_so(cli: Cli, filled: Healthchecks) -> None:
    cli.json("import", "healthchecks", str(filled.file))
    cli.json("machines", "set", "backup-db", "--name", "The backup", "--offline-after", "5m")
    cli.json("machines", "remove", "printer")
    again = moved(cli.json("import", "healthchecks", str(filled.file)))
    assert again["Backup DB"]["result"] == "here"
    assert again["Printer"]["result"] == "removed here"
    found = machines(cli)
    assert "printer" not in found
    assert (found["backup-db"]["name"], found["backup-db"]["offline_after_seconds"]) == ("The backup", 300)


def test_a_slug_that_is_taken_is_a_conflict_by_name_and_the_rest_comes(cli: Cli, filled: Healthchecks) -> None:
    cli.json("machines", "add", "backup-db")
    done = cli("import", "healthchecks", str(filled.file), "--json")
    assert done.code == 1
    found = moved(done.value)
    assert found["Backup DB"]["result"] == "conflict"
    assert "'backup-db'" in found["Backup DB"]["why"]
    assert found["Printer"]["result"] == "brought"
    assert "none of its machines came" in " ".join(found["pager"]["notes"])
    assert [channel["enabled"] for channel in cli.json("channels", "list")] == [False]


def test_what_is_taken_comes_under_another_name_where_that_is_wanted(cli: Cli, filled: Healthchecks) -> None:
    ours = cli.json("machines", "add", "backup-db")["id"]
    cli.json("channels", "add", "webhook", "--name", "pager", "--url", "http://127.0.0.1:9/")
    arguments = ("import", "healthchecks", str(filled.file), "--rename")
    dry = cli.json(*arguments, "--dry-run")
    found = moved(cli.json(*arguments))
    assert {name: row["notes"] for name, row in moved(dry).items()} == {
        name: row["notes"] for name, row in found.items()
    }
    assert found["Backup DB"]["here"] == "backup-db-healthchecks"
    assert found["Backup DB"]["notes"] == ["backup-db is taken: here it is backup-db-healthchecks"]
    theirs = machines(cli)["backup-db-healthchecks"]["id"]
    assert theirs != ours
    (key,) = [key for key in cli.json("keys", "list") if key["label"] == "Healthchecks: Office"]
    assert key["defaults"]["slugs"] == {"backup-db": theirs}
    wishes = {channel["name"]: channel["wishes"] for channel in cli.json("channels", "list")}
    assert wishes["pager-healthchecks"]["machines"] == {"names": ["backup-db-healthchecks"]}
    before = content(cli)
    assert {row["result"] for row in cli.json(*arguments)["moved"]} == {"here"}
    assert content(cli) == before


def test_two_projects_with_one_slug_keep_both_addresses(cli: Cli, healthchecks: Healthchecks) -> None:
    one, two = healthchecks.project("Office", PING_KEY), healthchecks.project("Home", "x" + PING_KEY)
    healthchecks.check(one, "Backup", slug="backup")
    healthchecks.check(two, "Backup at home", slug="backup")
    report = moved(cli.json("import", "healthchecks", str(healthchecks.file)))
    assert report["Backup at home"]["here"] == "backup-2"
    assert "backup-2" in report["Backup at home"]["notes"][0]
    keys = {key["label"]: key["defaults"] for key in cli.json("keys", "list") if key["scope"] == "ping"}
    home = machines(cli)["backup-2"]["id"]
    assert keys["Healthchecks: Home"]["slugs"] == {"backup": home}
    assert "slugs" not in keys["Healthchecks: Office"]


def test_checks_that_said_that_they_failed_are_in_error(cli: Cli, healthchecks: Healthchecks) -> None:
    project = healthchecks.project()
    healthchecks.check(project, "Backup", status="down", last_ping=ago(60))
    cli.json("import", "healthchecks", str(healthchecks.file))
    assert machines(cli)["backup"]["status"] == "error"


@pytest.mark.parametrize("schema", [HEALTHCHECKS_1, HEALTHCHECKS_3], ids=["1.25", "3.x"])
def test_versions_with_other_columns_are_read(cli: Cli, tmp_path: Any, schema: str) -> None:
    theirs = Healthchecks(tmp_path / "other.sqlite", schema)
    theirs.check(theirs.project(), "Backup", slug="backup", methods="POST")
    report = moved(cli.json("import", "healthchecks", str(theirs.file)))
    assert report["Backup"]["notes"] == ["pings by any method count, not only by POST"]


def test_what_cannot_move_is_named_with_the_reason(cli: Cli, healthchecks: Healthchecks) -> None:
    project = healthchecks.project("Office")
    check = healthchecks.check(project, "Odd", kind="cron", schedule="99 * * * *")
    fine = healthchecks.check(project, "Fine", kind="oncalendar", schedule="Mon..Fri 02:30", tz="Asia/Tokyo")
    for kind, value in CANNOT:
        healthchecks.channel(project, kind, value, check, fine, name=kind)
    found = moved(cli("import", "healthchecks", str(healthchecks.file), "--json").value)
    assert found["Odd"]["result"] == "cannot move"
    assert "schedule" in found["Odd"]["why"]
    assert found["Fine"]["result"] == "brought"
    for kind, _ in CANNOT:
        assert found[kind]["result"] == "cannot move", kind
        assert found[kind]["why"], kind
    assert cli.json("channels", "list") == []


CANNOT: list[tuple[str, Any]] = [
    ("sms", {"value": "+15550100"}),
    ("shell", {"cmd_down": "reboot", "cmd_up": ""}),
    ("hipchat", "https://example.org/room"),
    ("telegram", {"id": 4711, "type": "group", "name": "ops"}),  # no token is set
    ("email", "ops@example.org"),  # no mail server is named
    ("webhook", {**POST, "url_down": "http://127.0.0.1:9/$CODE"}),
    ("slack", "https://example.org/no-slack"),
]


def test_integrations_become_channels_of_the_same_machines(cli: Cli, healthchecks: Healthchecks) -> None:
    cli.env["TELEGRAM_BOT_TOKEN"] = BOT
    project, other = healthchecks.project("Office"), healthchecks.project("Home")
    one = healthchecks.check(project, "Backup", slug="backup")
    two = healthchecks.check(project, "Printer", slug="printer")
    away = healthchecks.check(other, "Away", slug="away")
    topic, hook = secret("alerts-9f2c7d"), secret("abcdefghij0123456789-HOOK")
    healthchecks.channel(project, "telegram", {"id": -100123, "type": "group", "name": "ops"}, one, two, name="ops")
    healthchecks.channel(
        project, "ntfy", {"topic": topic, "url": "https://ntfy.sh", "priority": 5, "priority_up": 3}, two
    )
    healthchecks.channel(project, "email", {"value": "ops@example.org", "up": True, "down": True}, one, name="mail")
    healthchecks.channel(
        other, "discord", {"webhook": {"url": f"https://discord.com/api/webhooks/123456789/{hook}"}}, away, name="chat"
    )
    healthchecks.channel(other, "webhook", POST, name="nobody")
    healthchecks.channel(other, "webhook", POST, away, name="off", disabled=True)
    mail = ("--mail-host", "127.0.0.1", "--mail-from", "hc@example.org", "--mail-security", "none")
    done = cli("import", "healthchecks", str(healthchecks.file), *mail, "--json")
    assert done.code == 0, done.err
    channels = {channel["name"]: channel for channel in cli.json("channels", "list")}
    assert {name: channel["type"] for name, channel in channels.items()} == {
        "ops": "telegram", "ntfy 2": "ntfy", "mail": "email", "chat": "apprise", "nobody": "webhook", "off": "webhook",
    }  # fmt: skip
    assert channels["ops"]["wishes"]["machines"] == {"groups": ["Office"]}
    assert channels["ntfy 2"]["wishes"]["machines"] == {"names": ["printer"]}
    assert channels["ntfy 2"]["config"] == {"url": "https://ntfy.sh", "priority": 5}
    assert channels["mail"]["config"]["to"] == ["ops@example.org"]
    assert (channels["nobody"]["enabled"], channels["off"]["enabled"]) == (False, False)
    assert channels["off"]["disabled_reason"] == "switched off in Healthchecks"
    for told in (done.out, done.err, str(channels)):
        assert not [text for text in (BOT, topic, hook) if text in told]


def test_who_was_told_of_an_outage_there_is_told_of_its_end_here(cli: Cli, healthchecks: Healthchecks) -> None:
    project = healthchecks.project()
    check = healthchecks.check(project, "Printer", slug="printer", status="down", last_ping=ago(200_000))
    healthchecks.channel(project, "webhook", POST, check, name="pager")
    cli.json("channels", "add", "webhook", "--name", "ours", "--url", "http://127.0.0.1:9/")
    cli.json("import", "healthchecks", str(healthchecks.file))
    names = {channel["id"]: channel["name"] for channel in cli.json("channels", "list")}
    alert = next(event["id"] for event in cli.json("events") if event["type"] == "machine.offline")
    told = {names[row["channel_id"]]: row for row in cli.json("notifications", "list") if row["event_id"] == alert}
    assert (told["pager"]["state"], told["ours"]["state"]) == ("delivered", "skipped")
    assert told["pager"]["reason"] == "told by healthchecks, before the machine came from there"
    why = cli("why", "printer").out
    assert "told by healthchecks" in why
    assert "it was so when it came here" in why


def test_nothing_that_was_never_heard_is_dated(cli: Cli, healthchecks: Healthchecks) -> None:
    healthchecks.check(healthchecks.project(), "New", status="new")
    cli.json("import", "healthchecks", str(healthchecks.file))
    assert machines(cli)["new"]["last_seen"] is None


def test_a_file_of_something_else_is_refused_by_name(cli: Cli, tmp_path: Any, healthchecks: Healthchecks) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello\n")
    assert "other.txt" in cli("import", "healthchecks", str(other)).err
    assert "no file" in cli("import", "healthchecks", str(tmp_path / "missing")).err
    wrong = cli("import", "uptime-kuma", str(healthchecks.file))
    assert wrong.code == 1
    assert "no database of Uptime Kuma" in wrong.err


def test_the_address_of_a_check_is_a_secret(cli: Cli, filled: Healthchecks) -> None:
    done = cli("import", "healthchecks", str(filled.file))
    for code in filled.codes.values():
        assert code not in done.out + done.err
        assert uuid.UUID(code).hex not in done.out + done.err
        assert code not in "".join(content(cli))
    assert PING_KEY not in done.out + done.err + "".join(content(cli))
