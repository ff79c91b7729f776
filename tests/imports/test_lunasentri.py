"""`lastseen import lunasentri`: what becomes of machines, their keys and who is told."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lastseen.notifiers.signing import sign_lunasentri
from tests.cli.conftest import Cli
from tests.imports.conftest import content, machines, moved
from tests.imports.programs import LUNASENTRI_10, LUNASENTRI_15, LunaSentri, ago
from tests.secrecy import secret
from tests.servers.postgres import PostgresServer

KEY = "mJ3kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gAzP4kQ9vT1xW="
BOT = secret("555111:AAluna_bot-token-here")


@pytest.mark.parametrize("schema", [LUNASENTRI_10, LUNASENTRI_15], ids=["before 015", "since 015"])
def test_machines_keep_their_ids_and_come_as_they_stood(cli: Cli, tmp_path: Path, schema: str) -> None:
    luna = LunaSentri(tmp_path / "luna.db", schema)
    user = luna.user("ops@example.org")
    luna.machine(user, "gone", KEY + "0", id=3)
    luna.machine(user, "web-1", KEY + "1", id=7, hostname="web1.lan", status="online", last_seen=ago(20))
    luna.machine(user, "web-2", KEY + "2", id=9, status="offline", last_seen=ago(3600))
    cli.env["MACHINE_OFFLINE_THRESHOLD"] = "2m"
    cli.json("import", "lunasentri", str(luna.file))
    found = machines(cli)
    assert {slug: (machine["id"], machine["status"]) for slug, machine in found.items()} == {
        "gone": (3, "provisioning"),
        "web-1": (7, "online"),
        "web-2": (9, "offline"),
    }
    assert (found["web-1"]["hostname"], found["web-1"]["offline_after_seconds"]) == ("web1.lan", 120)
    assert abs(datetime.fromisoformat(found["web-1"]["last_seen"]) - ago(20)) < timedelta(seconds=1)
    line = cli.json("audit", "--subject", "machine web-1")[0]
    assert (line["by"], line["verb"], line["changed"]) == (
        "command line",
        "import",
        {"from": "lunasentri", "name": "web-1"},
    )
    count = len(cli.json("audit"))
    cli.json("import", "lunasentri", str(luna.file))
    assert len(cli.json("audit")) == count, "what was brought before is no deed"
    assert cli.json("machines", "add", "next")["id"] == 10


def test_an_id_that_is_taken_is_given_up_and_said(cli: Cli, lunasentri: LunaSentri) -> None:
    cli.json("machines", "add", "first")
    lunasentri.machine(lunasentri.user("ops@example.org"), "web-1", KEY, id=1)
    report = moved(cli.json("import", "lunasentri", str(lunasentri.file)))
    assert report["web-1"]["notes"] == ["its id 1 is another machine's here: it is 2 now"]


def test_a_machine_that_was_disabled_is(cli: Cli, lunasentri: LunaSentri) -> None:
    lunasentri.machine(lunasentri.user("ops@example.org"), "web-1", KEY, is_enabled=0)
    cli.json("import", "lunasentri", str(lunasentri.file))
    assert machines(cli)["web-1"]["enabled"] is False


def test_revoked_keys_stay_behind(cli: Cli, lunasentri: LunaSentri) -> None:
    machine = lunasentri.machine(lunasentri.user("ops@example.org"), "web-1", KEY)
    old = hashlib.sha256(b"an older one").hexdigest()
    lunasentri.put("machine_api_keys", machine_id=machine, api_key_hash=old, revoked_at="2025-10-10 10:00:00")
    cli.json("import", "lunasentri", str(lunasentri.file))
    assert [key["scope"] for key in cli.json("keys", "list")] == ["machine"]


def test_everybody_hears_of_their_own_machines(cli: Cli, lunasentri: LunaSentri) -> None:
    cli.env["TELEGRAM_BOT_TOKEN"] = BOT
    ann, bob, carl = (lunasentri.user(f"{name}@example.org") for name in ("ann", "bob", "carl"))
    lunasentri.machine(ann, "of-ann", KEY + "a")
    lunasentri.machine(bob, "of-bob", KEY + "b")
    lunasentri.put("telegram_recipients", user_id=ann, chat_id="4711")
    lunasentri.put("email_recipients", user_id=bob, email="bob@example.org", is_active=0)
    digest = secret(hashlib.sha256(b"their secret").hexdigest())
    lunasentri.put("webhooks", user_id=bob, url="http://127.0.0.1:9/luna", secret_hash=digest)
    lunasentri.put("telegram_recipients", user_id=carl, chat_id="@carls_channel")
    lunasentri.put("alert_rules", name="CPU", metric="cpu_pct", threshold_pct=90, comparison="above", trigger_after=3)
    mail = ("--mail-host", "127.0.0.1", "--mail-from", "luna@example.org", "--mail-security", "none")
    done = cli("import", "lunasentri", str(lunasentri.file), *mail, "--json")
    assert done.code == 0, done.err
    channels = {channel["type"]: channel for channel in cli.json("channels", "list")}
    assert channels["telegram"]["wishes"]["machines"] == {"groups": ["ann@example.org"]}
    assert channels["webhook"]["wishes"]["machines"] == {"groups": ["bob@example.org"]}
    assert channels["webhook"]["config"]["signature"] == "lunasentri"
    assert channels["email"]["disabled_reason"] == "switched off in LunaSentri"
    found = moved(done.value)
    assert found["CPU"]["result"] == "cannot move"
    assert "named, not numbered" in found["Telegram recipient 2"]["why"]
    for told in (done.out, done.err, str(channels), *content(cli)):
        assert BOT not in told
        assert f"sha256:{digest}" not in told


def test_a_webhook_is_signed_as_before_without_its_text() -> None:
    body = b'{"event":"machine.offline"}'
    digest = hashlib.sha256(b"their secret").hexdigest()
    assert sign_lunasentri(f"sha256:{digest}", body) == sign_lunasentri("their secret", body)


def test_a_second_import_changes_nothing(cli: Cli, lunasentri: LunaSentri) -> None:
    user = lunasentri.user("ops@example.org")
    lunasentri.machine(user, "web-1", KEY, last_seen=ago(5), status="online")
    lunasentri.put("webhooks", user_id=user, url="http://127.0.0.1:9/luna", secret_hash="0" * 64)
    cli.json("import", "lunasentri", str(lunasentri.file))
    before = content(cli)
    assert {row["result"] for row in cli.json("import", "lunasentri", str(lunasentri.file))["moved"]} == {"here"}
    assert content(cli) == before


def test_machines_come_to_postgresql_with_their_ids(
    cli: Cli, lunasentri: LunaSentri, postgres_server: PostgresServer
) -> None:
    cli.env["LASTSEEN_DATABASE_URL"] = postgres_server.migrated()
    user = lunasentri.user("ops@example.org")
    lunasentri.machine(user, "web-1", KEY, id=42, status="online", last_seen=ago(20))
    lunasentri.machine(user, "web-2", KEY + "2", id=43, status="offline", last_seen=ago(3600))
    cli.env["MACHINE_OFFLINE_THRESHOLD"] = "2m"
    cli.json("import", "lunasentri", str(lunasentri.file))
    found = machines(cli)
    assert {slug: (machine["id"], machine["status"]) for slug, machine in found.items()} == {
        "web-1": (42, "online"),
        "web-2": (43, "offline"),
    }
    assert cli.json("machines", "add", "next")["id"] > 43
    assert {row["result"] for row in cli.json("import", "lunasentri", str(lunasentri.file))["moved"]} == {"here"}
