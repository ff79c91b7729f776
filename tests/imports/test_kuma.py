"""`lastseen import uptime-kuma`: what becomes of push monitors, notifications and maintenance."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.imports.conftest import content, machines, moved
from tests.imports.programs import KUMA_2, KUMA_118, KUMA_123, NOW, Kuma, ago
from tests.secrecy import secret

TOKEN = "Zp4kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gA"
WEBHOOK = {"type": "webhook", "webhookURL": "http://127.0.0.1:9/hook", "webhookContentType": "json"}


@pytest.mark.parametrize("schema", [KUMA_118, KUMA_123, KUMA_2], ids=["1.18", "1.23", "2.x"])
def test_push_monitors_become_machines_in_every_version(cli: Cli, tmp_path: Path, schema: str) -> None:
    kuma = Kuma(tmp_path / "kuma.db", schema)
    kuma.push("NAS", TOKEN, interval=60, maxretries=2, retry_interval=30)
    cli.json("import", "uptime-kuma", str(kuma.file))
    found = machines(cli)["nas"]
    assert (found["name"], found["status"]) == ("NAS", "provisioning")
    assert found["offline_after_seconds"] == 60 + 1 + 2 * 30


def test_a_name_that_no_address_can_hold_gets_another_slug(cli: Cli, kuma: Kuma) -> None:
    kuma.push("..", TOKEN)
    cli.json("import", "uptime-kuma", str(kuma.file))
    ((slug, machine),) = machines(cli).items()
    assert machine["name"] == ".."
    assert slug.strip(".")


def test_each_comes_as_it_stood(cli: Cli, kuma: Kuma) -> None:
    up = kuma.push("Up", TOKEN + "up")
    kuma.beat(up, 1, ago(90))
    kuma.beat(up, 1, ago(30))
    down = kuma.push("Down", TOKEN + "down")
    kuma.beat(down, 1, ago(4000))
    kuma.beat(down, 0, ago(3900))
    said = kuma.push("Said so", TOKEN + "said", interval=86_400)
    kuma.beat(said, 1, ago(4000))
    kuma.beat(said, 0, ago(60))
    kuma.push("Off", TOKEN + "off", active=0)
    cli.json("import", "uptime-kuma", str(kuma.file))
    found = machines(cli)
    assert {slug: machine["status"] for slug, machine in found.items()} == {
        "up": "online",
        "down": "offline",
        "said-so": "error",
        "off": "paused",
    }
    heard = datetime.fromisoformat(found["up"]["last_seen"])
    assert abs(heard - ago(30)) < timedelta(seconds=1)


def test_what_kuma_polls_is_named_and_counted(cli: Cli, kuma: Kuma) -> None:
    group = kuma.put("monitor", name="Cellar", type="group", user_id=1)
    kuma.push("Pump", TOKEN, parent=group)
    for kind in ("http", "ping", "http", "dns"):
        kuma.put("monitor", name=f"a {kind}", type=kind, url="https://example.org", user_id=1)
    kuma.push("Backwards", TOKEN + "x", upside_down=1)
    report = cli.json("import", "uptime-kuma", str(kuma.file))
    left = [row for row in report["moved"] if row["result"] == "cannot move"]
    assert Counter(row["kind"] for row in left) == {
        "http monitor": 2,
        "ping monitor": 1,
        "dns monitor": 1,
        "push monitor": 1,
    }
    assert machines(cli)["pump"]["group"] == "Cellar"
    assert "1 here already, 5 cannot move" in cli("import", "uptime-kuma", str(kuma.file)).out


def test_tags_and_names_come_along(cli: Cli, kuma: Kuma) -> None:
    monitor = kuma.push("Läger & Büro", TOKEN, description="in the cellar")
    kuma.push("Läger + Büro", TOKEN + "2")
    for name, value in (("site", "Bonn"), ("urgent", "")):
        tag = kuma.put("tag", name=name, color="#111")
        kuma.put("monitor_tag", monitor_id=monitor, tag_id=tag, value=value)
    cli.json("import", "uptime-kuma", str(kuma.file))
    found = machines(cli)
    assert set(found) == {"lager-buro", "lager-buro-2"}
    assert found["lager-buro"]["tags"] == ["site:Bonn", "urgent"]
    assert (found["lager-buro"]["name"], found["lager-buro"]["description"]) == ("Läger & Büro", "in the cellar")


def test_notifications_become_channels_and_keep_their_secrets(cli: Cli, kuma: Kuma) -> None:
    bot, topic, password = secret("987654:AAkuma_bot-token"), secret("kuma-topic-5x7k"), secret("p4ss-w0rd-of-mail")
    gotify, pover = secret("Agotify-token.1"), secret("kq9f83hfiuhs7dfhs7dfhsd9fhs8df")
    one, two = kuma.push("One", TOKEN + "1"), kuma.push("Two", TOKEN + "2")
    kuma.notification(
        "chat", {"type": "telegram", "telegramBotToken": bot, "telegramChatID": "-1001", "telegramSendSilently": True},
        one, two, is_default=1,
    )  # fmt: skip
    kuma.notification("phone", {"type": "ntfy", "ntfyserverurl": "https://ntfy.sh", "ntfytopic": topic}, one)
    kuma.notification(
        "mail",
        {"type": "smtp", "smtpHost": "127.0.0.1", "smtpPort": 465, "smtpSecure": True, "smtpUsername": "kuma",
         "smtpPassword": password, "smtpFrom": '"Kuma" <kuma@example.org>', "smtpTo": "a@example.org, b@example.org"},
        two,
    )  # fmt: skip
    kuma.notification("hook", WEBHOOK, one, active=0)
    kuma.notification(
        "push", {"type": "gotify", "gotifyserverurl": "https://g.example.org/", "gotifyapplicationToken": gotify}, one
    )
    kuma.notification(
        "over", {"type": "pushover", "pushoveruserkey": "u" * 30, "pushoverapptoken": pover}, one
    )  # fmt: skip
    kuma.notification("odd", {"type": "alerta", "alertaApiKey": "x"}, one)
    done = cli("import", "uptime-kuma", str(kuma.file), "--json")
    assert done.code == 0, done.err
    channels = {channel["name"]: channel for channel in cli.json("channels", "list")}
    assert {name: channel["type"] for name, channel in channels.items()} == {
        "chat": "telegram", "phone": "ntfy", "mail": "email", "hook": "webhook", "push": "apprise", "over": "apprise",
    }  # fmt: skip
    assert channels["chat"]["config"] == {"chat_id": -1001, "silent": True}
    assert channels["chat"]["wishes"] == {}
    assert channels["mail"]["wishes"]["machines"] == {"names": ["two"]}
    assert channels["mail"]["config"]["to"] == ["a@example.org", "b@example.org"]
    assert [name for name, channel in channels.items() if not channel["enabled"]] == ["hook"]
    assert moved(done.value)["odd"]["why"] == "lastseen has no channel of this kind"
    for told in (done.out, done.err, str(channels), *content(cli)):
        assert not [text for text in (bot, topic, password, gotify, pover, TOKEN) if text in told]


def test_maintenance_that_is_still_to_come_is_a_silence(cli: Cli, kuma: Kuma) -> None:
    monitor = kuma.push("One", TOKEN)
    begin, end = NOW + timedelta(hours=5), NOW + timedelta(hours=6)
    over = NOW - timedelta(hours=6)
    for title, strategy, start, until in (
        ("patch day", "single", begin, end),
        ("last week", "single", over, over + timedelta(hours=1)),
        ("every sunday", "recurring-weekday", begin, end),
    ):
        made = kuma.put(
            "maintenance", title=title, description="", strategy=strategy, start_date=f"{start:%Y-%m-%d %H:%M:%S}",
            end_date=f"{until:%Y-%m-%d %H:%M:%S}", timezone="UTC",
        )  # fmt: skip
        kuma.put("monitor_maintenance", monitor_id=monitor, maintenance_id=made)
    report = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert report["every sunday"]["why"].startswith("it is recurring-weekday")
    assert "last week" not in report
    assert report["patch day"]["result"] == "brought"
    assert [silence["name"] for silence in cli.json("silences", "list")] == ["patch day"]


def test_a_maintenance_is_read_in_its_zone(cli: Cli, kuma: Kuma) -> None:
    monitor = kuma.push("One", TOKEN)
    kuma.put("setting", key="serverTimezone", value='"Asia/Tokyo"')
    made = kuma.put(
        "maintenance", title="far", description="", start_date="2099-06-01 09:00:00", end_date="2099-06-01 10:00",
        timezone="SAME_AS_SERVER",
    )  # fmt: skip
    kuma.put("monitor_maintenance", monitor_id=monitor, maintenance_id=made)
    cli.json("import", "uptime-kuma", str(kuma.file))
    (silence,) = cli.json("silences", "list")
    assert (silence["starts_at"], silence["ends_at"]) == ("2099-06-01T00:00:00Z", "2099-06-01T01:00:00Z")
    assert silence["machines"] == "one"


def test_a_maintenance_in_an_hour_that_clocks_skip_is_moved_or_left(cli: Cli, kuma: Kuma) -> None:
    monitor = kuma.push("One", TOKEN)
    for title, end in (("moved", "2027-03-28 03:45:00"), ("over before", "2027-03-28 03:15:00")):
        made = kuma.put(
            "maintenance", title=title, description="", start_date="2027-03-28 02:30:00", end_date=end,
            timezone="Europe/Berlin",
        )  # fmt: skip
        kuma.put("monitor_maintenance", monitor_id=monitor, maintenance_id=made)
    report = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert report["over before"]["why"] == "it ends before it begins"
    (silence,) = cli.json("silences", "list")
    assert (silence["starts_at"], silence["ends_at"]) == ("2027-03-28T01:30:00Z", "2027-03-28T01:45:00Z")


def test_a_second_import_brings_only_what_is_new(cli: Cli, kuma: Kuma) -> None:
    one = kuma.push("One", TOKEN + "1")
    kuma.notification("hook", WEBHOOK, one)
    cli.json("import", "uptime-kuma", str(kuma.file))
    before = content(cli)
    assert {row["result"] for row in cli.json("import", "uptime-kuma", str(kuma.file))["moved"]} == {"here"}
    assert content(cli) == before
    kuma.push("Two", TOKEN + "2")
    again = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert {name: row["result"] for name, row in again.items()} == {"One": "here", "hook": "here", "Two": "brought"}


def test_a_maintenance_is_brought_once_however_its_time_is_written(cli: Cli, kuma: Kuma) -> None:
    monitor = kuma.push("One", TOKEN)
    made = kuma.put(
        "maintenance", title="far", description="", start_date="2099-06-01 09:00:00", end_date="2099-06-01 10:00",
        timezone="Asia/Tokyo",
    )  # fmt: skip
    kuma.put("monitor_maintenance", monitor_id=monitor, maintenance_id=made)
    assert moved(cli.json("import", "uptime-kuma", str(kuma.file)))["far"]["result"] == "brought"
    for start, end, zone in (
        ("2099-06-01T09:00", "2099-06-01T10:00:00.000Z", "Asia/Seoul"),  # Kuma reads no zone but the maintenance's own
        ("2099-06-01 00:00:00", "2099-06-01 01:00:00", "UTC"),
        ("2099-06-01 02:00:00", "2099-06-01 03:00:00", "Europe/Berlin"),
    ):
        kuma.change("maintenance", made, start_date=start, end_date=end, timezone=zone)
        again = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
        assert again["far"]["result"] == "here", zone
        assert [one["name"] for one in cli.json("silences", "list")] == ["far"]


def test_a_channel_that_was_brought_hears_of_the_machines_that_come_later(cli: Cli, kuma: Kuma) -> None:
    hook = kuma.notification("hook", WEBHOOK, kuma.push("One", TOKEN + "1"))
    cli.json("import", "uptime-kuma", str(kuma.file))
    later = kuma.push("Two", TOKEN + "2")
    kuma.put("monitor_notification", monitor_id=later, notification_id=hook)
    before = content(cli)
    dry = moved(cli.json("import", "uptime-kuma", str(kuma.file), "--dry-run"))
    assert content(cli) == before
    real = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert dry["hook"]["notes"] == real["hook"]["notes"] == ["it hears of two from now on"]
    (channel,) = cli.json("channels", "list")
    assert channel["wishes"]["machines"] == {"names": ["one", "two"]}
    before = content(cli)
    cli.json("import", "uptime-kuma", str(kuma.file))
    assert content(cli) == before


def test_a_channel_whose_name_is_taken_is_a_conflict(cli: Cli, kuma: Kuma) -> None:
    cli.json("channels", "add", "webhook", "--name", "hook", "--url", "http://127.0.0.1:9/")
    kuma.notification("hook", WEBHOOK, kuma.push("One", TOKEN))
    done = cli("import", "uptime-kuma", str(kuma.file))
    assert done.code == 1
    assert "there is a channel 'hook' already" in done.out
    assert "one" in machines(cli)


def test_numbers_and_times_that_cannot_be_stop_nothing(cli: Cli, kuma: Kuma) -> None:
    kuma.push("Huge", TOKEN + "1", interval=10**15, maxretries=10**15)
    kuma.push("Negative", TOKEN + "2", interval=-5, retry_interval=-5, maxretries=-5)
    future = kuma.push("Future", TOKEN + "3")
    kuma.beat(future, 1, NOW + timedelta(days=3))
    report = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert report["Huge"]["result"] == "cannot move"
    assert "every" in report["Huge"]["why"]
    found = machines(cli)
    assert found["negative"]["offline_after_seconds"] == 2
    assert found["future"]["status"] == "online"
    assert datetime.fromisoformat(found["future"]["last_seen"]) < NOW + timedelta(hours=1)


def test_a_token_that_is_no_key_is_left_with_the_reason(cli: Cli, kuma: Kuma) -> None:
    kuma.put("monitor", name="Short", type="push", push_token="abc", interval=60)
    report = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert "10 to 200" in report["Short"]["why"]


def test_a_database_in_use_is_read_as_it_is_and_not_written(cli: Cli, kuma: Kuma) -> None:
    with closing(sqlite3.connect(kuma.file)) as its_program:
        its_program.execute("PRAGMA journal_mode = WAL")
        kuma.push("One", TOKEN)
        its_program.execute("BEGIN IMMEDIATE")
        its_program.execute("UPDATE monitor SET name = 'Not yet'")
        before = kuma.content()
        assert list(moved(cli.json("import", "uptime-kuma", str(kuma.file)))) == ["One"]
        its_program.rollback()
        assert kuma.content() == before


def test_its_addresses_are_shown_as_they_were(cli: Cli, kuma: Kuma) -> None:
    cli.env["LASTSEEN_PUBLIC_URL"] = "https://monitor.example.org"
    kuma.push("One", TOKEN)
    cli.json("import", "uptime-kuma", str(kuma.file))
    assert cli.json("machines", "show", "one")["push_url"] == f"https://monitor.example.org/api/push/{TOKEN}"
