"""Commands do and print the same, whether they have the database or ask a server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.client import Remote
from lastseen.client.shapes import ToldAgain
from lastseen.client.verbs import advice, events, machines, notifications, uptimes, why
from lastseen.errors import LastseenError, NotFound
from tests.cli.conftest import Cli, Done
from tests.client.conftest import SILENT, Both
from tests.support import until

READ = [
    *("machines list", "machines list --kind default", "machines list --group nowhere", "machines show pump-01"),
    *("machines show 1", "kinds list", "sources list", "sources show http", "channels list", "silences list"),
    *("events", "events --limit 2", "events --machine pump-01", "events --type machine.offline", "keys list"),
    *("notifications list", "notifications list --state dead --channel ops --machine pump-02 --limit 1"),
    *("notifications replay --state dead --dry-run", "notifications replay --state dead --channel ops --dry-run"),
    *("notifications list --since 2026-03-01", "notifications list --since 2h"),
    *("uptime", "uptime pump-01", "uptime pump-01 --window 2d --without-silenced", "uptime --window 1h"),
    *("status-pages list", "status-pages show shop", "badges list"),
    *(
        "nodes",
        "users list",
        "users sessions",
        "users sessions ada",
        "audit --limit 3",
        "audit --limit 1000 --subject nothing",
    ),
    *("audit --before 3", "audit --by nobody", "audit --before 999 --limit 4"),
    *("why pump-01", "why pump-01 --at 2026-03-01T02:00", "why 3"),
]

DEFAULT = re.compile(r"(never|[0-9]+ \w+) \(the default\)")
"""Of kinds: what it is, only who has the settings knows."""

MOVES = ("uptime", "why")
"""What counts until now, which goes on meanwhile."""

WRITE = [
    "machines add NAME --name Größe --tag a --tag b --every 1m --group g --description d --hostname h",
    "machines add NAME --if-missing",
    "machines add NAME",
    "machines set NAME --offline-after never --every none --tag= --name other",
    "machines set NAME --schedule",
    "machines set NAME --offline-after soon",
    "machines set NAME --kind nothing",
    "machines rotate-key NAME",
    "machines new-addresses NAME",
    "machines pause NAME --until-ping",
    "machines resume NAME",
    "machines disable NAME",
    "machines enable NAME",
    "ack NAME --by me",
    "silences add NAME --for 90m --machine NAME",
    "silences add NAME --from 2030-06-01T22:00 --tag a --group g",
    "silences add NAME --all",
    "silences add NAME",
    "silences add NAME --all --from 2001-01-01",
    "silences add NAME --machine nas --machine= --group= --tag= --kind=",
    "kinds set NAME --offline-after 5m",
    "kinds set NAME --offline-after none --every 30s",
    "kinds set NAME --every soon",
    "kinds remove NAME",
    "kinds remove NAME",
    "keys add api --label NAME --expires 90d",
    "keys add fleet --label NAME --may-create --group g --tag a",
    "keys add ping --label NAME",
    "keys add fleet --kind nothing",
    "channels add webhook --name NAME --url http://127.0.0.1:9/hook",
    "channels add webhook --name NAME --url http://127.0.0.1:9/hook",
    "channels add webhook --name NAME-2 --url nothing",
    "channels add email --name NAME-2 --host h --from b@example.org --to a@example.org --security perhaps",
    "channels set NAME --event machine.* --severity info --tag a --quiet 22:00-07:00 --quiet-day mon --notify-after 5m",
    "channels set NAME --fallback ops --repeat-every 1h --quiet none --tag= --event=",
    "channels set NAME --fallback NAME",
    "channels set NAME --fallback nobody",
    "channels set NAME --severity loud",
    "channels set NAME --event machine.online",
    "channels set NAME --event machine.paused --severity alert",
    "channels set nobody --severity info",
    "channels rename NAME NAME-3",
    "channels rename NAME-3 ops",
    "channels give NAME-3 --to nobody",
    "channels give NAME-3 --shared",
    "channels rename NAME-3 NAME",
    "channels remove NAME",
    "sources add mqtt NAME --url mqtt://127.0.0.1:9 --preset zigbee2mqtt --kind device --auto-add",
    "sources add mqtt NAME --url mqtt://127.0.0.1:9 --preset zigbee2mqtt",
    "sources add mqtt NAME-2 --url nothing",
    "sources add mqtt NAME-2 --url mqtt://127.0.0.1:9 --preset zigbee2mqtt --kind nothing",
    "sources set NAME --offline-after 5m --no-auto-add --kind=",
    "sources set NAME --preset nothing",
    "sources set nobody --kind device",
    "sources pause NAME",
    "sources resume NAME",
    "sources test NAME",
    "sources pause http",
    "sources remove NAME",
    "users add NAME --role viewer",
    "users add NAME",
    "users set NAME --role member",
    "users reset-password NAME",
    "users sessions NAME",
    "users log-out NAME",
    "users log-out NAME --session 999",
    "users remove NAME",
    "users remove NAME",
    "users sessions NAME",
    "users log-out NAME",
    "status-pages add NAME --title T --machine NAME=Pump --group g --tag a=A --all",
    "status-pages add NAME --all",
    "status-pages add NAME-2 --machine nobody",
    "status-pages add NAME. --all",
    "status-pages set NAME --text hello --off --listed --machine NAME",
    "status-pages set NAME --slug NAME-2",
    "status-pages set NAME --text x",
    "status-pages show NAME-2",
    "status-pages remove NAME-2",
    "status-pages remove NAME-2",
    "badges add --machine NAME --shows uptime --label NAME",
    "badges add --shows status",
    "badges add --group g --tag a",
    "badges remove 999",
    "machines remove NAME",
    "machines remove NAME",
    "machines show NAME",
    "events --machine NAME",
    "uptime NAME",
    "silences end 999",
    "keys revoke 999",
    "sources show NAME",
    "sources remove http",
    "channels enable NAME",
    "notifications replay 999999",
    "notifications list --channel NAME-9",
]


def same(done: Done, moves: bool = False) -> str:
    """What was printed, without what is another each time."""
    text = done.out + done.err
    text = DEFAULT.sub("the default", text)
    if done.out.startswith(("{", "[")):
        text = json.dumps(without_rest(json.loads(done.out)), indent=1, sort_keys=True) + done.err
    return re.sub(r"\d+(\.\d+)?", "0", text) if moves else text


def without_rest(value: Any) -> Any:
    """What is left of the time until it is offline goes on meanwhile, and so does what was last used."""
    if isinstance(value, dict):
        moving = ("seconds_until_offline", "last_used_at", "hears", "silent_seconds", "alive_at")
        return {name: without_rest(one) for name, one in value.items() if name not in moving}
    return [without_rest(one) for one in value] if isinstance(value, list) else value


def scrubbed(done: Done, name: str) -> str:
    """Without names, keys and numbers, and without the width of columns."""
    uuid, badge = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"(?<![\w-])[\w-]{22}(?=\.svg|\.json|\")"
    text = re.sub(rf"ls[mfpau]_[\w-]+|whsec_[\w+/=]+|token=[\w-]+|{uuid}|{badge}", "SECRET", same(done))
    text = re.sub(r'"created_by": "[^"]*"', "", text.replace(name or "NAME", "NAME"))
    return " ".join(re.sub(r"\d+", "0", text.replace("─", "")).split())


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("command", READ)
def test_the_same_is_shown(both: Both, command: str, form: str) -> None:
    words = [*command.split(), *(["--json"] if form == "json" else [])]
    here, there = both.here(*words), both.ask(*words)
    assert here.code == 0, here.err
    moves = words[0] in MOVES
    if form == "text" and words[0] in ("keys", "sources", "kinds"):
        assert scrubbed(there, "") == scrubbed(here, "")
    else:
        assert same(there, moves) == same(here, moves)
    assert there.code == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_same_is_done_and_the_same_refused(both: Both, form: str) -> None:
    for command in WRITE:
        name = {"here": f"h-{form}", "there": f"t-{form}"}
        words = [*command.split(), *(["--json"] if form == "json" else [])]
        here = both.here(*(word.replace("NAME", name["here"]) for word in words))
        there = both.ask(*(word.replace("NAME", name["there"]) for word in words))
        assert "bug" not in here.err, here.err
        assert scrubbed(there, name["there"]) == scrubbed(here, name["here"]), command
        assert there.code == here.code, command


@pytest.mark.parametrize("said", [{"LASTSEEN_TIMEZONE": "Asia/Kolkata"}, {"TZ": ":Asia/Kolkata"}])
def test_times_and_days_are_those_of_who_asks_and_not_of_the_server(
    both: Both, monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    for name, zone in said.items():
        monkeypatch.delitem(both.there.env, "LASTSEEN_TIMEZONE")
        monkeypatch.setitem(both.there.env, name, zone)
    for at, since in (
        ("2026-03-01T02:00", "2026-02-28T20:30:00Z"),
        ("2026-03-01", "2026-02-28T18:30:00Z"),
        ("2026-03-01T02:00+01:00", "2026-03-01T01:00:00Z"),
    ):
        asked = json.loads(both.ask("why", "pump-01", "--at", at, "--json").out)["asked"]
        assert asked["since"] == since
    days = json.loads(both.ask("uptime", "pump-01", "--window", "3d", "--json").out)["days"]
    assert {one["start"][10:] for one in days[1:]} == {"T18:30:00Z"}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Lima"])
async def test_a_server_is_told_the_zone_of_who_asks_where_it_writes_of_times(zone: str) -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(404, json={"error": "not_found", "message": "nothing"})

    verbs = (why.described, "1", None), (uptimes.show, "1", timedelta(days=1)), (advice.of_one, "1")
    transport = httpx.MockTransport(answer)
    async with Remote("https://status.example.org", "lsa_key", transport=transport, timezone=zone) as server:
        for verb, *words in verbs:
            with pytest.raises(LastseenError):
                await verb(server, *words)
    assert [url.params["timezone"] for url in asked] == [zone] * 3


@pytest.mark.parametrize(
    ("zone", "since"),
    [
        *((zone, "2026-02-28T18:30:00Z") for zone in ("posix/Asia/Kolkata", ":right/Asia/Kolkata", "localtime")),
        *((f"{before}/zoneinfo/Asia/Kolkata", "2026-02-28T18:30:00Z") for before in ("/usr/share", ":/usr/share")),
        *((zone, "2026-03-01T00:00:00Z") for zone in ("", ":")),
        *((zone, "2026-02-28T23:00:00Z") for zone in ("IST-5:30", "posixrules", "Asia/Nowhere", "/nowhere", "..")),
    ],
)
def test_days_are_those_of_the_computers_zone_and_where_it_has_no_name_the_servers(
    both: Both, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zone: str, since: str
) -> None:
    link = tmp_path / "link"
    link.symlink_to("/usr/share/zoneinfo/posix/Asia/Kolkata")
    monkeypatch.setattr("lastseen.cli.where.LOCALTIME", str(link))
    monkeypatch.delitem(both.there.env, "LASTSEEN_TIMEZONE")
    monkeypatch.setitem(both.there.env, "TZ", zone)
    assert json.loads(both.ask("why", "pump-01", "--at", "2026-03-01", "--json").out)["asked"]["since"] == since


def test_a_server_tells_again_what_was_given_up(both: Both) -> None:
    dead = both.ask("notifications", "list", "--state", "dead", "--json").value[0]
    made = both.ask("notifications", "replay", str(dead["id"]), "--json").value
    assert (made["cause"], made["event_id"], made["channel_id"]) == ("replay", dead["event_id"], dead["channel_id"])
    assert both.ask("notifications", "replay", dead["uid"]).code == 0


def test_a_source_is_shown_in_the_same_order(both: Both) -> None:
    broker = ("sources", "add", "mqtt", "in-order", "--url", "mqtt://127.0.0.1:9", "--preset", "devices", "--auto-add")
    assert both.here(*broker, "--offline-after", "5m").code == 0

    def names(ask: Cli) -> list[str]:
        return [re.split("  +", line)[0] for line in ask("sources", "show", "in-order").out.splitlines()]

    until(lambda: "why" in names(both.here), "that it has been tried")
    here = names(both.here)
    assert here == names(both.ask)
    assert here[:5] == ["id", "name", "kind", "hears", "blind since"]
    assert {"url", "presets", "offline after", "why"} < set(here)
    assert both.here("sources", "remove", "in-order").code == 0


@pytest.mark.parametrize("dots", [".", ".."])
def test_a_machine_from_before_whose_slug_is_no_address_is_asked_about_changed_and_removed(
    both: Both, dots: str
) -> None:
    both.here.json("machines", "add", "old")
    with contextlib.closing(sqlite3.connect(both.here.folder / "lastseen.db")) as raw, raw:
        raw.execute("UPDATE machines SET slug = ? WHERE slug = 'old'", (dots,))
    for asked in (["why"], ["uptime"], ["machines", "advice"]):
        assert json.loads(both.ask(*asked, dots, "--json").out)["machine"] == dots
    assert both.ask("machines", "advice", dots, "--listen", "2d").code == 0
    assert json.loads(both.ask("machines", "set", dots, "--name", "Old", "--json").out)["slug"] == dots
    assert both.ask("machines", "remove", dots).out == f"{dots} is removed; its history stays.\n"
    assert both.ask("machines", "remove", dots).code == 1


def test_why_is_said_of_a_machine_that_was_called_status_and_is_removed(both: Both) -> None:
    both.here.json("machines", "add", "status")
    assert both.ask("machines", "remove", "status").code == 0
    assert json.loads(both.ask("why", "status", "--json").out)["removed_at"]


def test_a_program_asks_how_machines_stand_and_when_they_were_out(both: Both) -> None:
    found, one, page, more = asyncio.run(standing(both))
    assert [one["slug"] for one in found["items"]] == ["pump-01", SILENT[1]]
    assert found["unknown"] == ["nobody"]
    assert one == found["items"][1] | {"seconds_until_offline": one["seconds_until_offline"]}
    assert [one["machine"] for one in page["items"]] == [SILENT[1]]
    assert page["items"][0]["ended_at"] is None
    assert (page["next"], [one["machine"] for one in more["items"]]) == (None, ["pump-01"])


async def standing(both: Both) -> Any:
    async with Remote(both.url, (both.files / "read").read_text().strip()) as server:
        found = await machines.statuses(server, ["pump-01", SILENT[1], "nobody"])
        one = await machines.status(server, str(found["items"][1]["id"]))
        with pytest.raises(NotFound):
            await machines.status(server, "nobody")
        page = await events.outages(server, SILENT[1], limit=1)
        return found, one, page, await events.outages(server, "pump-01")


async def some_again(both: Both, **how: Any) -> ToldAgain:
    async with Remote(both.url, (both.files / "write").read_text().strip()) as server:
        return await notifications.again(server, machine=SILENT[1], **how)


def test_a_server_tells_again_all_that_was_given_up_some_at_a_time(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastseen.client.verbs.notifications.AT_ONCE", 1)
    words = ("notifications", "replay", "--state", "dead", "--machine", SILENT[1])
    looked = asyncio.run(some_again(both, most=1, dry_run=True))
    assert (looked["found"], looked["replayed"], looked["left"]) == (2, 0, 2)
    done = asyncio.run(some_again(both, most=1))
    assert (done["replayed"], done["left"], len(done["notifications"])) == (1, 1, 1)
    done = both.ask(*words, "--json").value
    assert (done["found"], done["replayed"], done["left"], done["again"]) == (1, 1, 0, 1)
    assert {(one["cause"], one["machine"]) for one in done["notifications"]} == {("replay", SILENT[1])}
    assert same(both.ask(*words)) == same(both.here(*words))
    assert both.ask(*words).out.splitlines()[-1].startswith("0 are told again. ")
    assert "viewers" in both.ask(*words, may="viewer").err
    assert "only read" in both.ask(*words, may="read").err


def test_a_server_tries_its_channel_and_switches_it(both: Both) -> None:
    tried = both.ask("channels", "test", "boss", "--json")
    assert (tried.code, tried.value) == (0, both.here("channels", "test", "boss", "--json").value)
    assert both.ask("channels", "test", "boss").out == "It works: delivered\n"
    assert both.ask("channels", "disable", "boss", "--reason", "moved", "--json").value["disabled_reason"] == "moved"
    assert both.ask("channels", "enable", "boss").out == "boss is enabled\n"
    assert "only webhooks" in both.ask("channels", "rotate-secret", "boss", "--keep", "90m").err
    both.here.json("channels", "add", "webhook", "--name", "hook", "--url", "https://hooks.example.org/x")
    assert both.ask("channels", "rotate-secret", "hook", "--json").value["secret"].startswith("whsec_")
    assert both.ask("channels", "remove", "hook").out == "hook is removed\n"


def test_long_lists_are_read_page_by_page(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = ("notifications", "list", "--json", "--state")
    until(lambda: not both.here(*waiting, "pending").value and not both.here(*waiting, "sending").value, "all are told")
    monkeypatch.setattr("lastseen.client.remote.PAGE", 2)
    monkeypatch.setattr("lastseen.manage.keys.AT_ONCE", 1)
    lists = ("machines list", "events --limit 5", "notifications list", "uptime", "keys list", "audit --limit 5")
    for command in lists:
        words = command.split()
        assert same(both.ask(*words), moves=True) == same(both.here(*words), moves=True)


def test_the_program_of_the_page_works(both: Both) -> None:
    page = (Path(__file__).parents[2] / "docs" / "remote.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    key = (both.files / "read").read_text().strip()
    program = program.replace("https://status.example.org", both.url).replace("lsa_…", key).replace("berlin", "http")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("pump-01 offline 2026-03-01T")
    assert "'machine.offline'" in done.stdout.splitlines()[-1]


def test_only_the_wishes_that_change_are_sent(both: Both) -> None:
    """So what was wished before and fits nothing stands in the way of no other wish, as where the database is."""
    both.here.json("channels", "add", "console", "--name", "once")
    with contextlib.closing(sqlite3.connect(both.here.folder / "lastseen.db")) as database, database:
        database.execute("UPDATE channels SET prefs = ? WHERE name = 'once'", ['{"events": ["machine.ofline"]}'])
    changed = both.ask("channels", "set", "once", "--tag", "home", "--notify-after", "30m", "--json").value
    assert changed["wishes"] == {
        "events": ["machine.ofline"],
        "machines": {"tags": ["home"]},
        "notify_after": 1800.0,
    }
    back = both.ask("channels", "set", "once", "--event", "", "--tag", "", "--notify-after", "none", "--json").value
    assert back["wishes"] == {}
    both.here("channels", "remove", "once")
