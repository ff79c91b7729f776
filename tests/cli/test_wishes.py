"""`lastseen channels set`, `silences` and `ack`."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from tests.cli.conftest import Cli, beat
from tests.support import until


@pytest.fixture
def ops(cli: Cli) -> Cli:
    cli.json("channels", "add", "console", "--name", "ops")
    return cli


def test_what_a_channel_wishes_is_kept_field_by_field(ops: Cli) -> None:
    ops.json("channels", "set", "ops", "--tag", "home", "--tag", "shed", "--notify-after", "30m")
    ops.json("channels", "set", "ops", "--quiet", "22:00-07:00", "--quiet-tz", "Europe/Berlin", "--quiet-day", "fri")
    after = ops.json("channels", "set", "ops", "--repeat-every", "6h")
    assert after == {
        "name": "ops",
        "wishes": {
            "machines": {"tags": ["home", "shed"]},
            "quiet": {"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin", "days": ["fri"]},
            "notify_after": 1800.0,
            "repeat_every": 21600.0,
        },
        "machines_now": 0,
    }
    back = ops.json("channels", "set", "ops", "--tag", "", "--quiet", "none", "--notify-after", "none")
    assert back["wishes"] == {"repeat_every": 21600.0}
    [listed] = ops.json("channels", "list")
    assert listed["wishes"] == back["wishes"]


def test_people_read_it_in_a_sentence(ops: Cli) -> None:
    done = ops("channels", "set", "ops", "--group", "berlin", "--quiet", "22:00-07:00", "--notify-after", "10m")
    said, many, end = done.out.split("\n")
    assert said == "ops hears alerts and their ends of group berlin, if it lasts 10 min, not in 22:00–07:00."
    assert (many, end) == ("That is no machine now", "")
    ops.json("machines", "add", "db", "--group", "berlin")
    assert ops("channels", "set", "ops", "--notify-after", "none").out.endswith(".\nThat is 1 machine now\n")
    assert "That is" not in ops("channels", "set", "ops", "--group", "").out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--quiet", "22:00"], "--quiet: must be two times"),
        (["--quiet", "25:00-07:00"], "--quiet: must be a time"),
        (["--quiet", "22:00-07:00", "--quiet-tz", "Mars/Base"], "--quiet-tz: there is no time zone"),
        (["--quiet", "22:00-07:00", "--quiet-day", "noday"], "--quiet-day: must be of mon"),
        (["--notify-after", "soon"], "--notify-after"),
        (["--repeat-every", "5s"], "--repeat-every: must be a minute or more"),
        (["--severity", "loud"], "--severity"),
        (["--event", "machine.ofline"], "--event: 'machine.ofline'"),
        (["--event", "machine.online"], "--event: 'machine.online' is told only to those who are told of what it ends"),
        (["--event", "machine.paused"], "--severity: 'machine.paused' is no alert"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_its_option_and_changes_nothing(
    ops: Cli, options: list[str], words: str
) -> None:
    done = ops("channels", "set", "ops", "--tag", "home", *options)
    assert (done.code, done.out) == (1, "")
    assert words in done.err
    assert ops.json("channels", "list")[0]["wishes"] == {}


def test_what_was_wished_before_and_fits_nothing_stands_in_the_way_of_no_other_wish(ops: Cli) -> None:
    """It was taken once: wishes that fit no event were not always refused."""
    with contextlib.closing(sqlite3.connect(ops.folder / "lastseen.db")) as database, database:
        database.execute("UPDATE channels SET prefs = ?", [json.dumps({"events": ["machine.ofline"]})])
    assert ops.json("channels", "set", "ops", "--tag", "home")["wishes"] == {
        "events": ["machine.ofline"],
        "machines": {"tags": ["home"]},
    }
    assert "--event: 'machine.ofline'" in ops("channels", "set", "ops", "--event", "machine.ofline").err
    assert ops.json("channels", "set", "ops", "--event", "", "--tag", "")["wishes"] == {}


def test_nothing_to_change_and_an_unknown_channel_are_said(ops: Cli) -> None:
    assert ops("channels", "set", "ops").code == 2
    assert "nothing to change" in ops("channels", "set", "ops").err
    assert ops("channels", "set", "ops", "--quiet-day", "fri").code == 2
    assert ops("channels", "set", "family", "--tag", "x").code == 1


def test_a_silence_is_added_listed_and_ended(cli: Cli) -> None:
    made = cli.json("silences", "add", "moving the rack", "--for", "2h", "--group", "berlin", "--machine", "cam-*")
    assert made["machines"] == "group berlin, cam-*"
    [listed] = cli.json("silences", "list")
    assert listed == made
    assert "moving the rack" in cli("silences", "list").out
    assert cli("silences", "end", str(made["id"])).out == "moving the rack is over\n"
    assert cli.json("silences", "list") == []
    assert cli("silences", "end", str(made["id"])).code == 1


def test_a_silence_says_how_many_machines_it_names_so_that_a_slip_is_seen(cli: Cli) -> None:
    cli("machines", "add", "cam-1", "--name", "Silly box")
    assert cli("silences", "add", "a", "--machine", "silly box").out.endswith("\nThat is no machine now\n")
    assert cli("silences", "add", "b", "--machine", "Silly box").out.endswith("\nThat is 1 machine now\n")
    assert cli("silences", "add", "c", "--all").out.endswith("\nThat is 1 machine now\n")
    cli("machines", "add", "cam-2")
    assert [one["machines_now"] for one in cli.json("silences", "list")] == [0, 1, 2]


def test_a_planned_silence_is_in_the_time_zone_of_the_settings(cli: Cli) -> None:
    cli.env["LASTSEEN_TIMEZONE"] = "Europe/Berlin"
    made = cli.json("silences", "add", "window", "--from", "2099-06-01T01:00", "--for", "90m", "--all")
    assert (made["starts_at"], made["ends_at"]) == ("2099-05-31T23:00:00Z", "2099-06-01T00:30:00Z")


def test_times_are_printed_in_the_zone_that_they_are_read_in(cli: Cli) -> None:
    cli.env["LASTSEEN_TIMEZONE"] = "America/New_York"
    said = cli("silences", "add", "ny", "--from", "2099-12-01T10:00", "--all").out
    assert "until 2099-12-01 11:00:00 (" in said
    assert "2099-12-01 10:00:00" in cli("silences", "list").out
    cli.env["LASTSEEN_TIMEZONE"] = "Asia/Kolkata"
    assert "2099-12-01 20:30:00" in cli("silences", "list").out
    del cli.env["LASTSEEN_TIMEZONE"]
    assert "2099-12-01 15:00:00" in cli("silences", "list").out, "that of the computer"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "long"], "--for"),
        (["--from", "tomorrow"], "--from: must be a time"),
        (["--from", "0001-01-01T00:00"], "--from: must "),
        (["--from", "9999-12-31T23:30"], "--from: must be a time"),
        (["--from", "2001-01-01T00:00"], "--from: must not be so long ago"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(cli: Cli, options: list[str], words: str) -> None:
    done = cli("silences", "add", "x", "--all", *options)
    assert done.code == 1
    assert words in done.err
    assert cli.json("silences", "list") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--all for every one of them"),
        (["--for", "2h"], "say of which machines: --machine, --group, --tag or --kind"),
        (["--all", "--machine", "x"], "--all is of every machine: give it alone"),
    ],
)
def test_no_silence_is_of_all_machines_by_a_slip(cli: Cli, options: list[str], words: str) -> None:
    done = cli("silences", "add", "x", *options)
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())
    assert cli.json("silences", "list") == []
    assert cli.json("silences", "add", "x", "--all")["machines"] == "all machines"


@pytest.mark.parametrize("option", ["--machine", "--group", "--tag", "--kind"])
def test_a_silence_names_nothing_that_has_no_name(cli: Cli, option: str) -> None:
    """As from a variable of the shell that is not set."""
    for others in ([], [option, "nas"], ["--machine", "nas"]):
        for empty in ("", " "):
            done = cli("silences", "add", "x", *others, option, empty)
            assert (done.code, done.out) == (1, "")
            assert done.err == f"lastseen: {option}: must not be empty\n"
    assert cli.json("silences", "list") == []


def test_a_machine_in_error_says_who_has_seen_it(cli: Cli) -> None:
    with cli.serving() as url:
        key = cli.json("machines", "add", "pump")["key"]
        assert beat(url, key, {"status": "error"}) == 204
        until(lambda: cli.json("machines", "show", "pump")["status"] == "error", "the error is noticed")
        assert cli.json("machines", "show", "pump")["acknowledged_by"] is None
        cli.json("ack", "pump", "--by", "Eva")
        shown = cli.json("machines", "show", "pump")
        assert (shown["acknowledged_by"], shown["acknowledged_at"][-1]) == ("Eva", "Z")
        (listed,) = cli.json("machines", "list")
        assert listed["acknowledged_by"] == "Eva"
        assert "error, seen by Eva" in cli("machines", "list").out
        assert "by Eva, " in cli("machines", "show", "pump").out


def test_what_is_well_cannot_be_acknowledged(cli: Cli) -> None:
    cli.json("machines", "add", "pump")
    done = cli("ack", "pump")
    assert done.code == 1
    assert "pump: is neither offline nor in error" in done.err
    assert cli("ack", "nobody").code == 1
