"""After the move a real server answers on the same database, and the clients of old call their old addresses."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from lastseen.cli.demo_stage import receiving
from tests.cli.conftest import Cli
from tests.imports.conftest import machines
from tests.imports.programs import NOW, Healthchecks, Kuma, LunaSentri, ago
from tests.support import needs_programs, until

PING_KEY, OTHER_KEY = "bQ7xR2mJ9vLk4sT8wYzA1c", "Zz9-xR2mJ9vLk4sT8wYz_A"
TOKEN = "Zp4kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gA"
AGENT_KEY = "mJ3kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gAzP4kQ9vT1xW="

WRAPPED = """
import sys
from healthchecks_wrapper import HealthCheck

with HealthCheck(sys.argv[1], suppress_exceptions=True):
    raise ValueError("disk is full")
"""


def curl(url: str) -> str:
    """As it stands in crontabs everywhere."""
    line = ["curl", "-fsS", "-m", "20", "--retry", "5", "--noproxy", "*", url]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=300).stdout


def becomes(cli: Cli, slug: str, status: str) -> None:
    until(lambda: cli.json("machines", "show", slug)["status"] == status, f"{slug} is {status}")


@needs_programs("curl")
def test_pings_of_healthchecks_go_on(cli: Cli, healthchecks: Healthchecks) -> None:
    office, home = healthchecks.project("Office", PING_KEY), healthchecks.project("Home", OTHER_KEY)
    week = {"timeout": 604_800}
    healthchecks.check(office, "Backup", slug="backup", status="up", last_ping=ago(60), **week)
    printer = healthchecks.check(office, "Printer", slug="printer", status="down", last_ping=ago(1e6))
    healthchecks.check(office, "Sensor", slug="sensor", status="paused", last_ping=ago(500), **week)
    healthchecks.check(home, "Backup at home", slug="backup", status="new", **week)
    with receiving() as receiver:
        hook = {"method_down": "POST", "url_down": receiver.url, "body_down": "", "headers_down": {}}
        healthchecks.channel(office, "webhook", hook, printer, name="pager")
        cli.json("import", "healthchecks", str(healthchecks.file))
        receiver.trust(cli.json("channels", "rotate-secret", "pager")["secret"])
        with cli.serving() as url:
            assert curl(f"{url}/ping/{healthchecks.codes['Printer']}") == "OK"
            back = receiver.wait("machine.online", "printer", 30)
            assert back.problem == ""

            assert curl(f"{url}/ping/{PING_KEY}/sensor/0") == "OK"
            becomes(cli, "sensor", "online")

            assert curl(f"{url}/ping/{OTHER_KEY}/backup") == "OK"
            becomes(cli, "backup-2", "online")
            heard = machines(cli)
            assert heard["backup"]["last_seen"] < heard["backup-2"]["last_seen"]

            assert curl(f"{url}/ping/{OTHER_KEY}/brand-new?create=1") == "Created"
            assert cli.json("machines", "show", "brand-new")["group"] == "Home"

            address = f"{url}/ping/{healthchecks.codes['Printer']}"
            subprocess.run([sys.executable, "-c", WRAPPED, address], check=True, timeout=300)
            receiver.wait("machine.error", "printer", 30)
        assert [arrival.type for arrival in receiver.arrivals] == ["machine.online", "machine.error"]


@needs_programs("curl")
def test_an_import_beside_a_running_server_holds_at_once(cli: Cli, healthchecks: Healthchecks) -> None:
    with receiving() as receiver, cli.serving() as url:
        project = healthchecks.project("Office")
        check = healthchecks.check(project, "Backup", slug="backup", status="up", last_ping=ago(60))
        hook = {"method_down": "POST", "url_down": receiver.url, "body_down": "", "headers_down": {}}
        healthchecks.channel(project, "webhook", hook, check, name="pager")
        cli.json("import", "healthchecks", str(healthchecks.file))
        receiver.trust(cli.json("channels", "rotate-secret", "pager")["secret"])
        assert curl(f"{url}/ping/{healthchecks.codes['Backup']}/fail") == "OK"
        receiver.wait("machine.error", "backup", 30)
        assert curl(f"{url}/ping/{healthchecks.codes['Backup']}") == "OK"
        receiver.wait("machine.online", "backup", 30)


@needs_programs("curl")
def test_pushes_to_uptime_kuma_go_on(cli: Cli, kuma: Kuma) -> None:
    nas = kuma.push("NAS", TOKEN, interval=3600)
    kuma.beat(nas, 1, ago(7200))
    kuma.beat(nas, 0, ago(3500))
    cli.json("import", "uptime-kuma", str(kuma.file))
    with cli.serving() as url:
        assert json.loads(curl(f"{url}/api/push/{TOKEN}?status=up&msg=OK&ping=12")) == {"ok": True}
        becomes(cli, "nas", "online")
        assert json.loads(curl(f"{url}/api/push/{TOKEN}?status=down&msg=no+space&ping=")) == {"ok": True}
        becomes(cli, "nas", "error")
        wrong = httpx.get(f"{url}/api/push/{TOKEN[::-1]}", trust_env=False)
        assert (wrong.status_code, wrong.json()["ok"]) == (404, False)


def test_agents_of_lunasentri_go_on(cli: Cli, lunasentri: LunaSentri) -> None:
    user = lunasentri.user("ops@example.org")
    lunasentri.machine(user, "web-1", AGENT_KEY, id=42, status="offline", last_seen=ago(9000))
    lunasentri.machine(user, "web-2", "A" + AGENT_KEY[1:], is_enabled=0)
    cli.json("import", "lunasentri", str(lunasentri.file))
    report = {"cpu_pct": 3.5, "mem_used_pct": 41, "disk_used_pct": 70}
    with cli.serving() as url:

        def tell(key: str) -> int:
            headers = {"X-API-Key": key}
            return httpx.post(f"{url}/agent/metrics", json=report, headers=headers, trust_env=False).status_code

        assert tell(AGENT_KEY) == 202
        becomes(cli, "web-1", "online")
        assert cli.json("machines", "show", "42")["slug"] == "web-1"
        assert tell("A" + AGENT_KEY[1:]) == 403
        assert tell("B" + AGENT_KEY[1:]) == 401


def test_the_time_until_the_first_start_is_nobodys_silence(cli: Cli, kuma: Kuma) -> None:
    nas = kuma.push("NAS", TOKEN, interval=600)
    kuma.beat(nas, 1, ago(30))
    cli.json("import", "uptime-kuma", str(kuma.file))
    an_hour_passes(cli)
    with cli.serving():
        until(lambda: looked_at(cli), "it was looked at")
        assert machines(cli)["nas"]["status"] == "online"
        assert "machine.offline" not in {event["type"] for event in cli.json("events")}


def an_hour_passes(cli: Cli) -> None:
    """All that was written down is an hour older."""
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as database, database:
        for table, columns in (
            ("liveness", ("last_seen", "status_since", "watch_from", "check_at")),
            ("source_listeners", ("listening_since", "alive_at", "heard_until", "left_at")),
        ):
            for column in columns:
                older = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-1 hour')"
                database.execute(f"UPDATE {table} SET {column} = {older} WHERE {column} IS NOT NULL")


def looked_at(cli: Cli) -> bool:
    """Its deadline, which was over when the server began, is one to come."""
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as database:
        (at,) = database.execute("SELECT check_at FROM liveness").fetchone()
    return at is not None and str(at) > f"{NOW + timedelta(minutes=2):%Y-%m-%d %H:%M:%S}"


@pytest.fixture(autouse=True)
def _on_loopback(cli: Cli) -> None:
    cli.env["LASTSEEN_HOST"] = "127.0.0.1"
