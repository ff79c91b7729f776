"""What a first command line gets wrong, and what it is told; and that lists call things by their names."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import Cli


def test_a_name_that_is_no_slug_is_refused_with_the_command_that_takes_it(cli: Cli) -> None:
    refused = cli("machines", "add", "My Büro")
    assert refused.code == 1
    assert refused.err.startswith("lastseen: SLUG: must be 1 to 200 of A-Z a-z 0-9 . _ : -, not 'My Büro'; ")
    hint = shlex.split(refused.err.rpartition(": ")[2])
    assert hint == ["lastseen", "machines", "add", "My-Buro", "--name", "My Büro"]
    assert cli.json("machines", "list") == []
    assert cli.json(*hint[1:])["slug"] == "My-Buro"
    (shown,) = cli.json("machines", "list")
    assert shown["name"] == "My Büro"


@pytest.mark.parametrize("dots", [".", ".."])
def test_a_slug_that_no_address_can_hold_is_refused(cli: Cli, dots: str) -> None:
    """Browsers and clients make another address of /machines/.. before they ask for it."""
    refused = cli("machines", "add", dots)
    assert refused.code == 1
    assert refused.err.startswith(f"lastseen: SLUG: must not be {dots!r}: that means another place in an address; ")
    hint = shlex.split(refused.err.rpartition(": ")[2])
    assert hint == ["lastseen", "machines", "add", "web-1", "--name", dots]
    assert cli.json(*hint[1:])["name"] == dots
    assert cli("machines", "add", "...").code == 0


@pytest.mark.parametrize("dots", [".", ".."])
def test_what_is_called_so_from_before_is_shown_changed_and_removed(cli: Cli, dots: str) -> None:
    cli.json("machines", "add", "old")
    as_stored_before(cli, "slug", dots)
    assert cli.json("machines", "set", dots, "--name", "Old")["name"] == "Old"
    assert cli.json("machines", "pause", dots)["status"] == "paused"
    assert cli.json("why", dots)["machine"] == dots
    assert cli("machines", "add", dots, "--if-missing").code == 1, "no more of them"
    assert cli.json("machines", "remove", dots)["slug"] == dots
    assert cli.json("machines", "list") == []


def test_who_is_in_a_group_that_is_called_no_group_from_before_is_moved_out_of_it(cli: Cli) -> None:
    cli.json("machines", "add", "old")
    for group, moved in (("berlin", "berlin"), ("no group", "http"), ("none", "http")):
        as_stored_before(cli, "group_name", "no group")
        assert cli.json("machines", "show", "old")["group"] == "no group"
        assert cli.json("machines", "set", "old", "--group", group)["group"] == moved


def as_stored_before(cli: Cli, column: str, value: str) -> None:
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as raw, raw:
        raw.execute(f"UPDATE machines SET {column} = ?", (value,))


@pytest.mark.parametrize("nothing", ["", "   ", "中文"])
def test_a_name_of_which_no_slug_can_be_made_is_refused_too(cli: Cli, nothing: str) -> None:
    refused = cli("machines", "add", nothing)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("lastseen: SLUG: must be 1 to 200 of ")


def test_a_kind_of_channel_that_there_is_not_is_answered_with_those_that_there_are(cli: Cli) -> None:
    refused = cli("channels", "add", "slack", "--name", "chat")
    assert refused.code == 2
    said = " ".join(refused.err.replace("│", " ").split())
    assert "no notifier 'slack'; there are: apprise, console, email, ntfy, telegram, webhook" in said


def test_a_port_that_is_none_is_named_as_it_was_given(cli: Cli) -> None:
    refused = cli("serve", "--port", "99999")
    assert refused.code == 2
    assert "--port" in refused.err
    assert "LASTSEEN_PORT" not in refused.err


def test_the_list_of_keys_calls_machines_by_their_slugs(cli: Cli) -> None:
    for slug in ("pump", "gone"):
        cli.json("machines", "add", slug)
    cli.json("machines", "remove", "gone")
    rows = [line.split() for line in cli("keys", "list").out.splitlines()[2:]]
    assert {(row[1], row[3]) for row in rows if row[3] == "pump"} == {(s, "pump") for s in ("machine", "ping", "push")}
    assert "gone" not in {word for row in rows for word in row}


def test_a_blind_source_says_why_in_words(cli: Cli) -> None:
    cli.json("sources", "add", "mqtt", "home", "--url", "mqtt://broker.example", "--preset", "devices")
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as db, db:
        db.execute(
            "INSERT INTO blind_periods (source_id, started_at, reason) "
            "SELECT id, '2026-01-01 12:00:00.000000', 'link' FROM sources WHERE name = 'home'"
        )
    lines = [" ".join(line.split()) for line in cli("sources", "show", "home").out.splitlines()]
    assert "why the link was lost" in lines
    assert cli.json("sources", "show", "home")["blind_reason"] == "link"
    listed = [" ".join(line.split()) for line in cli("sources", "list").out.splitlines()]
    (home,) = (line for line in listed if "home" in line)
    assert "the link was lost" in home
    assert {row["name"]: row["blind_reason"] for row in cli.json("sources", "list")} == {"http": None, "home": "link"}


def test_a_source_that_no_server_listens_to_says_so(cli: Cli) -> None:
    cli.json("sources", "add", "mqtt", "home", "--url", "mqtt://broker.example", "--preset", "devices")
    for command in (("list",), ("show", "home")):
        assert "no server listens to it" in cli("sources", *command).out


@pytest.mark.parametrize(("setting", "words"), [("4m", "4 min (the default)"), ("never", "never (the default)")])
def test_a_kind_without_a_threshold_shows_which_one_it_goes_by(cli: Cli, setting: str, words: str) -> None:
    cli.env["MACHINE_OFFLINE_THRESHOLD"] = setting
    cli.json("kinds", "set", "sensor")
    (sensor,) = (line for line in cli("kinds", "list").out.splitlines() if line.startswith("sensor"))
    assert words in " ".join(sensor.split())


def test_machines_are_listed_by_how_they_are(cli: Cli) -> None:
    for slug in ("new", "held", "off"):
        cli.json("machines", "add", slug)
    for order, slug in (("pause", "held"), ("disable", "off")):
        assert cli("machines", order, slug).code == 0

    def listed(*statuses: str) -> list[str]:
        return [one["slug"] for one in cli.json("machines", "list", *(f"--status={one}" for one in statuses))]

    assert listed() == ["new", "held", "off"]
    assert listed("paused") == ["held"]
    assert listed("disabled", "provisioning") == ["new", "off"]
    for nothing in (("--status", "offline"), ("--group", ""), ("--kind", "")):
        assert cli("machines", "list", *nothing).out == "No machines like that.\n"
    wrong = cli("machines", "list", "--status", "down")
    assert (wrong.code, wrong.out) == (2, "")
    assert "--status: must be one of online, late, awaited, offline" in wrong.err


@pytest.mark.parametrize("command", [("machines", "show"), ("machines", "pause"), ("machines", "rotate-key")])
def test_the_nearest_machine_is_named_where_there_is_none_by_that_name(cli: Cli, command: tuple[str, ...]) -> None:
    cli.json("machines", "add", "pump-01", "--name", "Cellar")
    done = cli(*command, "pumpp-01")
    assert (done.code, done.err) == (1, "lastseen: no machine 'pumpp-01': did you mean pump-01?\n")
    assert "did you mean pump-01?" in cli(*command, "celar").err
    assert cli(*command, "zzz").err == "lastseen: no machine 'zzz'\n"
